/**
 * For `node --import`: a node process that gets SIGUSR2 ends the oldest of its threads that still lives, which is the
 * engine's writer, as it is the first to be started.
 */
import type { Worker } from 'node:worker_threads';

const threads: Worker[] = [];
process.on('worker', (thread) => {
  threads.push(thread);
  thread.once('exit', () => threads.splice(threads.indexOf(thread), 1));
});
process.on('SIGUSR2', () => void threads[0]?.terminate());
