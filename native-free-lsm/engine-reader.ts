import { ReadableEngine } from './readable-engine.ts';
import type { Environment } from './store/environment.ts';
import { FollowedStore } from './store/followed-store.ts';
import type { ReadableStore } from './store/readable-store.ts';
import type { ReaderOptions } from './store/reader-options.ts';

/**
 * The reads of an engine that another process has open to write, or nobody has. It shows one moment until `refresh`
 * takes a later one: everything written up to then, and nothing that came after; of a batch all or none. It takes no
 * lock, writes nothing into the folder, and its writer does not notice it.
 *
 * What it shows may be ahead of what the writer has acknowledged: a power loss can take what was not synced yet.
 *
 * Every method rejects with an LsmError, as an Engine's do.
 */
export class EngineReader extends ReadableEngine {
  /** The store underneath, for callers that cannot afford promises. */
  readonly store: ReadableStore;
  readonly #followed: FollowedStore;

  private constructor(store: FollowedStore) {
    super(store, store.expiryNowMs);
    this.store = store;
    this.#followed = store;
  }

  /**
   * Opens a directory that an engine has written, or is writing.
   * @throws LsmError NOT_FOUND: there is no such directory, or no engine has stored anything there yet; CHANGING: try
   *   again; FOREIGN_DIRECTORY, CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR, OVERLOADED, INVALID_ARGUMENT
   */
  static async open(
    directory: string,
    options: Partial<ReaderOptions> = {},
    environment: Partial<Environment> = {},
  ): Promise<EngineReader> {
    return new EngineReader(await FollowedStore.open(directory, options, environment));
  }

  /**
   * Takes what the writer has done up to now. What it shows stays as it was until all of that is there, and when it
   * fails; snapshots stay as they are. Nothing has to be asked of the writer, and nothing holds it up.
   * @returns whether anything was new
   * @throws LsmError CHANGING or OVERLOADED: try again; REPLACED: the folder is another one than was opened, open it
   *   again; CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR, CLOSED
   */
  refresh(): Promise<boolean> {
    return this.#followed.refresh();
  }

  /** Resolves when its threads are gone and its files are closed. Reads under way end with CLOSED. */
  close(): Promise<void> {
    return this.#followed.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
