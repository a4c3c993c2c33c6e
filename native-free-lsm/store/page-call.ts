import type { Page } from '../iterator/page.ts';
import type { PageRequest } from '../threads/protocol/reader-messages.ts';
import type { SnapshotPoint } from './store-snapshot.ts';

/** One page that was asked for, and who waits for it; nobody any more once the signal is aborted. */
export class PageCall {
  readonly request: PageRequest;
  /** Null: of the newest state. */
  readonly snapshot: SnapshotPoint | null;
  readonly promise: Promise<Page>;
  readonly #settle: PromiseWithResolvers<Page> = Promise.withResolvers();
  readonly #signal: AbortSignal | undefined;
  #isGivenUp = false;

  constructor(request: PageRequest, snapshot: SnapshotPoint | null, signal: AbortSignal | undefined) {
    this.request = request;
    this.snapshot = snapshot;
    this.promise = this.#settle.promise;
    this.#signal = signal;
    if (signal?.aborted) this.#giveUp();
    else signal?.addEventListener('abort', this.#giveUp, { once: true });
  }

  /** Nobody waits for the page any more: what a reader has written of it can go as it comes. */
  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  resolve(page: Page): void {
    this.#signal?.removeEventListener('abort', this.#giveUp);
    this.#settle.resolve(page);
  }

  reject(error: Error): void {
    this.#signal?.removeEventListener('abort', this.#giveUp);
    this.#settle.reject(error);
  }

  readonly #giveUp = (): void => {
    this.#isGivenUp = true;
    this.#settle.reject(this.#signal?.reason);
  };
}
