/**
 * Raises the progress of a node's folder while the node takes writes, so that its peers notice when the folder is put
 * back to an older copy.
 */
import type { Clock, TimerHandle } from '../clock.ts';
import type { IdentityStore } from './identity-store.ts';

/** When the folder is put back to a copy, writes between the copy and the next rise are not noticed as missing. */
const PERIOD_MS = 1_000;

interface FolderProgressOptions {
  readonly engine: { readonly newestTimestamp: number };
  readonly store: Pick<IdentityStore, 'advanceSoon'>;
  readonly clock: Clock;
  /**
   * Whether what the engine shows is on the disk. If it is not, a power cut may take it, and it must not be missed
   * then.
   */
  readonly isSynced: boolean;
}

export class FolderProgress {
  readonly #options: FolderProgressOptions;
  readonly #timer: TimerHandle;
  #noted: number;

  constructor(options: FolderProgressOptions) {
    this.#options = options;
    this.#noted = options.engine.newestTimestamp;
    this.#timer = options.clock.every(PERIOD_MS, () => this.#note());
  }

  /** Notes the last write. */
  close(): void {
    this.#timer.cancel();
    this.#note();
  }

  #note(): void {
    const { engine, store, isSynced } = this.#options;
    const { newestTimestamp } = engine;
    if (newestTimestamp === this.#noted) return;
    this.#noted = newestTimestamp;
    store.advanceSoon(isSynced ? newestTimestamp : 0);
  }
}
