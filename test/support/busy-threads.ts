import { Worker } from 'node:worker_threads';

/** Threads that compute without end, so that a machine has more to do than it can. They end with this process. */
export class BusyThreads implements Disposable {
  readonly #workers: readonly Worker[];

  constructor(count: number) {
    this.#workers = Array.from({ length: count }, () => new Worker('for (;;) ;', { eval: true }));
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers) void worker.terminate();
  }
}
