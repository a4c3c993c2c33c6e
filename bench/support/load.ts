/**
 * A load over 64 connections, by the generator of `load`, in a thread of its own: at a constant rate requests are due at
 * fixed times, and latency counts from then.
 */
import { sharesOf } from '../../src/cli/load/operation-mix.ts';
import type { LoadPlan } from '../../src/cli/load/plan.ts';
import { LoadRecorder, type LoadResult } from '../../src/cli/load/result.ts';
import { runThreads } from '../../src/cli/load/threads.ts';

const CONNECTIONS = 64;

export interface BenchLoad {
  readonly port: number;
  readonly method: 'get' | 'put';
  /** 0: a closed loop. */
  readonly perSecond: number;
  readonly seconds: number;
  /** key1 … keyN, drawn at random. */
  readonly keys: number;
  /** 0: 6 to 9 bytes. */
  readonly valueBytes: number;
  /** `default` unless it says otherwise. */
  readonly consistency?: LoadPlan['consistency'];
  /** Told every second how many answers it brought. */
  readonly onSecond?: (second: number, answered: number) => void;
  /** Its abort ends the load before its time: what has come by then counts. */
  readonly signal?: AbortSignal;
}

export async function runLoad(load: BenchLoad): Promise<LoadResult> {
  const { consistency = 'default', keys, method, onSecond, perSecond, port, seconds, valueBytes } = load;
  const { signal = new AbortController().signal } = load;
  const plan: LoadPlan = {
    targets: [{ host: '127.0.0.1', port }],
    connections: CONNECTIONS,
    ratePerSecond: perSecond,
    warmUpMs: 0,
    durationMs: seconds * 1_000,
    shares: sharesOf({ [method]: 1 }),
    keys,
    keyChoice: 'uniform',
    keyDigits: 0,
    valueBytes,
    maxScanEntries: 1,
    ack: undefined,
    from: undefined,
    consistency,
    threads: 1,
    seed: 5,
  };
  const recorder = new LoadRecorder(plan);
  const busyShare = await runThreads(
    plan,
    (second) => {
      recorder.add(second);
      const answered = Object.values(second.tally.counts.statuses).reduce((sum, count) => sum + count, 0);
      onSecond?.(second.second + 1, answered);
    },
    signal,
  );
  return recorder.result(busyShare, false);
}
