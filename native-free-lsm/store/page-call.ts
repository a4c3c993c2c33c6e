import type { Page } from '../iterator/page.ts';
import type { ScanPageRequest } from '../threads/protocol/reader-messages.ts';
import type { SnapshotPoint } from './store-snapshot.ts';

/** A page that was asked for, and its promise. When the signal is aborted nobody waits for it any more. */
export class PageCall {
  readonly request: ScanPageRequest;
  /** Null: the newest state is read. */
  readonly snapshot: SnapshotPoint | null;
  readonly promise: Promise<Page>;
  readonly #settle: PromiseWithResolvers<Page> = Promise.withResolvers();
  readonly #signal: AbortSignal | undefined;
  #isGivenUp = false;

  constructor(request: ScanPageRequest, snapshot: SnapshotPoint | null, signal: AbortSignal | undefined) {
    this.request = request;
    this.snapshot = snapshot;
    this.promise = this.#settle.promise;
    this.#signal = signal;
    if (signal?.aborted) this.#giveUp();
    else signal?.addEventListener('abort', this.#giveUp, { once: true });
  }

  /** Whether nobody waits for the page any more, so that it can be thrown away when it arrives. */
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
