/** The threads that make a load: a pool with a task for each thread's part. */
import { extname } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { ThreadSecond } from './generator.ts';
import { divide, type LoadPlan } from './plan.ts';
import type { LoadTask, LoadTaskResult } from './worker.ts';

/** Piscina's own type does not know the ports of a MessageChannel. */
type RunOptions = Parameters<Piscina['run']>[1];

/**
 * Runs a load to its end.
 * @param onSecond called for each second of each thread
 * @param signal its abort ends the load: what has come by then counts
 * @returns the part of the time in which the busiest thread had work
 */
export async function runThreads(
  plan: LoadPlan,
  onSecond: (second: ThreadSecond) => void,
  signal: AbortSignal,
): Promise<number> {
  const pool = new Piscina<LoadTask, LoadTaskResult>({
    filename: new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href,
    name: 'run',
    minThreads: plan.threads,
    maxThreads: plan.threads,
    // A thread that waits is to leave its core to the others.
    atomics: 'disabled',
    recordTiming: false,
  });
  try {
    const tasks = divide(plan).map(async (part) => {
      const { port1, port2 } = new MessageChannel();
      port1.on('message', onSecond);
      // What was posted last may arrive after the result: it is all there once the other end is closed.
      const closed = new Promise<void>((resolve) => port1.once('close', resolve));
      const stop = (): void => port1.postMessage('stop');
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
      try {
        const result = await pool.run({ plan: part, port: port2 }, {
          transferList: [port2],
        } as unknown as RunOptions);
        await closed;
        return result.busyShare;
      } finally {
        signal.removeEventListener('abort', stop);
        port1.close();
      }
    });
    return Math.max(...(await Promise.all(tasks)));
  } finally {
    await pool.destroy();
  }
}
