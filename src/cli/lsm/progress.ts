import type { Clock } from '../../clock.ts';
import { FillProgress, type ProgressOutput } from '../progress.ts';

/** Shows how far a command is. The amount of work is known only once it has begun, and may grow. */
export class LsmProgress implements Disposable {
  readonly #clock: Clock;
  readonly #output: NodeJS.WriteStream | ProgressOutput;
  #shown: FillProgress | undefined;
  #totalBytes = 0;
  #doneBytes = 0;

  constructor(clock: Clock, output: NodeJS.WriteStream | ProgressOutput) {
    this.#clock = clock;
    this.#output = output;
  }

  show({ doneBytes, totalBytes }: { readonly doneBytes: number; readonly totalBytes: number }): void {
    this.#doneBytes = doneBytes;
    if (totalBytes === this.#totalBytes || totalBytes === 0) return;
    this.#totalBytes = totalBytes;
    this.#shown?.[Symbol.dispose]();
    const target = { totalBytes, doneBytes: () => this.#doneBytes };
    this.#shown = new FillProgress(target, this.#clock, this.#output);
  }

  [Symbol.dispose](): void {
    this.#shown?.[Symbol.dispose]();
  }
}
