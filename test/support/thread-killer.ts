/**
 * For `node --import`: when the node process gets SIGUSR2, it ends the oldest of its threads that still lives. That is
 * the engine's writer, because the writer is started first.
 */
import type { Worker } from 'node:worker_threads';

const threads: Worker[] = [];
process.on('worker', (thread) => {
  threads.push(thread);
  thread.once('exit', () => threads.splice(threads.indexOf(thread), 1));
});
process.on('SIGUSR2', () => void threads[0]?.terminate());
