import { Bench } from 'tinybench';
import type { MicroCase } from './micro-case.ts';
import { requireExpected } from './micro-case.ts';

/** A sample takes at least this long, because reading the timer takes some 50 ns. */
const MIN_SAMPLE_MS = 0.2;
/** The share of the time that goes to warming up, so that the code is optimized before it is measured. */
const WARMUP_SHARE = 0.3;

export interface Measured {
  /** The lower quartile of the samples, because an interruption can only make a sample longer. */
  readonly nsPerOperation: number;
  readonly samples: number;
}

/**
 * Measures one case for about `timeMs`, in this thread.
 * @throws Error when the case does not do its work
 */
export function measure(microCase: MicroCase, timeMs: number): Measured {
  const { name, operations, prepare } = microCase;
  const { run, expected } = prepare();
  const runsASample = calibrate(() => requireExpected(name, run(), expected));
  const bench = new Bench({
    time: timeMs * (1 - WARMUP_SHARE),
    warmupTime: timeMs * WARMUP_SHARE,
    iterations: 5,
    warmupIterations: 2,
    throws: true,
    retainSamples: true,
    // Other clocks are less precise.
    timestampProvider: 'hrtimeNow',
  });
  const sample = (): void => {
    for (let i = 0; i < runsASample; i++) requireExpected(name, run(), expected);
  };
  bench.add(name, sample, { async: false });
  bench.runSync();
  const { result } = bench.tasks[0];
  if (result.state !== 'completed') throw new Error(`${name}: the measurement ended as ${result.state}`);
  // Sorted, in ms.
  const { samples } = result.latency;
  if (samples === undefined) throw new Error(`${name}: no samples were kept`);
  const lowerQuartileMs = samples[samples.length >>> 2];
  return { nsPerOperation: (lowerQuartileMs * 1e6) / (runsASample * operations), samples: samples.length };
}

/** How many runs make a sample. The first runs are slower than later ones, so it is doubled until it is enough. */
function calibrate(run: () => void): number {
  for (let runs = 1; ; runs *= 2) {
    const startMs = performance.now();
    for (let i = 0; i < runs; i++) run();
    if (performance.now() - startMs >= MIN_SAMPLE_MS) return runs;
  }
}
