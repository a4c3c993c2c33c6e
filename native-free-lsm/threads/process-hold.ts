import { MessageChannel, type MessagePort } from 'node:worker_threads';

/**
 * Keeps the process alive while something is waited for that no thread and no timer stands for: Node would end it in the
 * middle of a close, with exit code 13.
 */
export class ProcessHold {
  #takers = 0;
  #port: MessagePort | undefined;

  take(): void {
    if (this.#takers++ > 0) return;
    this.#port = new MessageChannel().port1;
    this.#port.ref();
  }

  /** As often as it was taken. */
  letGo(): void {
    if (--this.#takers === 0) this.#port?.close();
  }
}
