/** A pool thread of `load`: one task, its part of the load. */
import type { MessagePort } from 'node:worker_threads';
import { loopIdleMs, systemClock } from '../../clock.ts';
import { holdProcess } from '../hold-process.ts';
import { Generator, type ThreadSecond } from './generator.ts';
import type { ThreadPlan } from './plan.ts';

export interface LoadTask {
  readonly plan: ThreadPlan;
  /** Takes a `ThreadSecond` each second; whatever comes the other way ends the load. */
  readonly port: MessagePort;
}

export interface LoadTaskResult {
  /** The part of the time in which the thread's event loop had work. */
  readonly busyShare: number;
}

export async function run({ plan, port }: LoadTask): Promise<LoadTaskResult> {
  using _alive = holdProcess();
  const stop = new AbortController();
  port.on('message', () => stop.abort());
  const startMs = systemClock.monotonicMs();
  const startIdleMs = loopIdleMs();
  const generator = new Generator(plan, systemClock, (second: ThreadSecond) => port.postMessage(second));
  await generator.run(stop.signal);
  const elapsedMs = systemClock.monotonicMs() - startMs;
  port.close();
  return { busyShare: 1 - (loopIdleMs() - startIdleMs) / elapsedMs };
}
