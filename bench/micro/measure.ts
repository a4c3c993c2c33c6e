import { Bench } from 'tinybench';
import type { MicroCase } from './micro-case.ts';
import { requireExpected } from './micro-case.ts';

/** A sample is at least this long: reading the timer, some 50 ns, is nothing beside it. */
const MIN_SAMPLE_MS = 0.2;
/** Of the time given, what goes to warming up: the code is to be optimized before it is measured. */
const WARMUP_SHARE = 0.3;

export interface Measured {
  /** Of the samples' lower quartile: what interrupts a sample only ever makes it longer. */
  readonly nsPerOperation: number;
  readonly samples: number;
}

/** Measures one case for about `timeMs`, in this thread. @throws Error when it does not do its work */
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
    // Coarser clocks exist than this one.
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

/** How many runs make a sample. The first runs are slower than those to come, so it is doubled until it holds. */
function calibrate(run: () => void): number {
  for (let runs = 1; ; runs *= 2) {
    const startMs = performance.now();
    for (let i = 0; i < runs; i++) run();
    if (performance.now() - startMs >= MIN_SAMPLE_MS) return runs;
  }
}
