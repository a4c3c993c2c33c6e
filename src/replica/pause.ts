import type { Clock } from '../clock.ts';

/** @throws the signal's reason as soon as it is aborted */
export async function pause(clock: Pick<Clock, 'after'>, ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const over = Promise.withResolvers<void>();
  const end = (): void => over.resolve();
  const timer = clock.after(ms, end);
  signal.addEventListener('abort', end, { once: true });
  await over.promise;
  timer.cancel();
  signal.removeEventListener('abort', end);
  signal.throwIfAborted();
}
