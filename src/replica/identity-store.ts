/**
 * The identity of the folder a node has open. One write at a time; what changed while one was under way goes
 * into the next, so that a hurry of changes costs two writes.
 */
import { type FolderFiles, folderFault, nodeFolderFiles, replaceFile } from './folder-files.ts';
import { encodeIdentity, IDENTITY_FILE, type Identity } from './identity-file.ts';

export type IdentityChange = Partial<Pick<Identity, 'whole' | 'declared' | 'clockCeiling' | 'remembered'>>;

export class IdentityStore {
  readonly #folder: string;
  readonly #files: FolderFiles;
  readonly #failed = Promise.withResolvers<Error>();
  #current: Identity;
  /** The write under way. */
  #writing: Promise<void> | null = null;
  /** The write that begins behind it and takes everything changed until then. */
  #next: Promise<void> | null = null;
  #fault: Error | null = null;

  constructor(folder: string, identity: Identity, files: FolderFiles = nodeFolderFiles) {
    this.#folder = folder;
    this.#current = identity;
    this.#files = files;
  }

  /** With every change made, durable or not yet. */
  get current(): Identity {
    return this.#current;
  }

  /**
   * Ends when a write has failed, with what it failed of, and with a healthy disk never. What is on disk is unknown
   * from then on, and every later change is refused.
   */
  get failed(): Promise<Error> {
    return this.#failed.promise;
  }

  /** Ends when the change is durable. A clock ceiling only ever rises. */
  update(change: IdentityChange): Promise<void> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    const clockCeiling = Math.max(this.#current.clockCeiling, change.clockCeiling ?? 0);
    this.#current = { ...this.#current, ...change, clockCeiling };
    if (this.#writing === null) {
      this.#writing = this.#write();
      return this.#writing;
    }
    this.#next ??= this.#writing.then(() => {
      this.#next = null;
      this.#writing = this.#write();
      return this.#writing;
    });
    return this.#next;
  }

  /** Ends when every change made so far is durable. */
  async settled(): Promise<void> {
    if (this.#fault !== null) throw this.#fault;
    await (this.#next ?? this.#writing);
  }

  async #write(): Promise<void> {
    try {
      await replaceFile(this.#files, this.#folder, IDENTITY_FILE, encodeIdentity(this.#current));
    } catch (error) {
      this.#fault = folderFault(this.#folder, error);
      this.#failed.resolve(this.#fault);
      throw this.#fault;
    } finally {
      if (this.#next === null) this.#writing = null;
    }
  }
}
