/**
 * The identity of the folder a node has open. One write at a time; what changed while one was under way goes
 * into the next, so that a hurry of changes costs two writes.
 */
import { type Clock, systemClock, type TimerHandle } from '../clock.ts';
import { advanced, withStart } from '../folder-history.ts';
import { type FolderFiles, folderFault, nodeFolderFiles, replaceFile } from './folder-files.ts';
import { encodeIdentity, IDENTITY_FILE, type Identity } from './identity-file.ts';

export type IdentityChange = Partial<Pick<Identity, 'whole' | 'missing' | 'clockCeiling' | 'remembered'>>;

/** How long a write is held that was refused, for whoever tries again at once. */
const PAUSE_MS = 100;
/** When it is tried again though nobody asks. */
const RETRY_MS = 500;
/** How long a change may wait for another to be written with. */
const SOON_MS = 1_000;

export class IdentityStore {
  readonly #folder: string;
  readonly #files: FolderFiles;
  readonly #failed = Promise.withResolvers<Error>();
  #current: Identity;
  #durable: Identity;
  /** The write under way. */
  #writing: Promise<void> | null = null;
  /** The write that begins behind it and takes everything changed until then. */
  #next: Promise<void> | null = null;
  #fault: Error | null = null;
  #refusal: Error | null = null;
  #retry: TimerHandle | null = null;
  /** Set while something waits to be written with a later change. */
  #soon: TimerHandle | null = null;
  readonly #clock: Clock;
  /** Told when `refusal` changes. */
  onRefused: (refusal: Error | null) => void = () => undefined;

  constructor(
    folder: string,
    identity: Identity,
    files: FolderFiles = nodeFolderFiles,
    clock: Clock = systemClock,
  ) {
    this.#folder = folder;
    this.#current = identity;
    this.#durable = identity;
    this.#files = files;
    this.#clock = clock;
  }

  /** With every change made, durable or not yet. */
  get current(): Identity {
    return this.#current;
  }

  /** As it is on disk. */
  get durable(): Identity {
    return this.#durable;
  }

  /** Whether it is on disk that the node has been started: see `begin`. */
  get isBegun(): boolean {
    return this.#durable.history.starts === this.#current.history.starts;
  }

  /**
   * Why the file cannot be written for the time being: the disk is full or mounted read-only, too many files are open.
   * The last one written stays as it is, and what has changed is tried again until it is written.
   */
  get refusal(): Error | null {
    return this.#refusal;
  }

  /**
   * Ends when a write has failed and it is unknown what is on disk, with what it failed of; with a healthy disk never.
   * Every later change is refused.
   */
  get failed(): Promise<Error> {
    return this.#failed.promise;
  }

  /** Notes that the node has been started: what peers are told from now on. Ends when that is durable. */
  begin(startId: number): Promise<void> {
    return this.#put({ history: withStart(this.#current.history, startId) });
  }

  /**
   * Notes that the folder holds more than it did; durable before long, as by `updateSoon`: while a node takes writes
   * its ceiling rises anyway.
   * @param newestTimestamp of a record that is on the disk
   */
  advanceSoon(newestTimestamp: number): void {
    const { history, newestTimestamp: before } = this.#current;
    this.#putSoon({
      history: advanced(history),
      newestTimestamp: Math.max(before, newestTimestamp),
    });
  }

  /**
   * Ends when the change is durable. A clock ceiling only ever rises, and the folder's progress with it. Rejects as
   * well while writes are refused: then the change goes into the next write, and that may be tried at any time.
   */
  update(change: IdentityChange): Promise<void> {
    const { clockCeiling, history } = this.#current;
    if ((change.clockCeiling ?? 0) <= clockCeiling) return this.#put({ ...change, clockCeiling });
    return this.#put({ ...change, history: advanced(history) });
  }

  /** The change is durable before long: it goes with the next write, whatever that is for. */
  updateSoon(change: IdentityChange): void {
    this.#putSoon(change);
  }

  #putSoon(change: Partial<Identity>): void {
    if (this.#fault !== null) return;
    this.#current = { ...this.#current, ...change };
    // What a write under way no longer takes the timer looks after.
    this.#soon ??= this.#clock.after(SOON_MS, () => {
      this.#soon = null;
      if (this.#durable !== this.#current) this.#put({}).catch(() => {});
    });
  }

  #put(change: Partial<Identity>): Promise<void> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    this.#current = { ...this.#current, ...change };
    if (this.#writing === null) {
      this.#writing = this.#write();
      return this.#writing;
    }
    const again = (): Promise<void> => {
      this.#next = null;
      this.#writing = this.#write();
      return this.#writing;
    };
    // One that was refused does not keep the next from trying; after a fault that fails too.
    this.#next ??= this.#writing.then(again, (fault) =>
      this.#fault === null ? again() : Promise.reject(fault),
    );
    return this.#next;
  }

  /**
   * Ends when every change made so far is durable, or has been tried once more: while writes are refused nothing has
   * been acknowledged that waits for them.
   */
  async settled(): Promise<void> {
    if (this.#fault !== null) throw this.#fault;
    try {
      await (this.#next ?? this.#writing);
      if (this.#durable !== this.#current) await this.#put({});
    } catch (error) {
      if (this.#fault !== null) throw error;
    }
    this.#retry?.cancel();
    this.#retry = null;
    this.#soon?.cancel();
    this.#soon = null;
  }

  async #write(): Promise<void> {
    const written = this.#current;
    this.#retry?.cancel();
    this.#retry = null;
    try {
      await replaceFile(this.#files, this.#folder, IDENTITY_FILE, encodeIdentity(written));
      this.#durable = written;
      this.#setRefusal(null);
    } catch (error) {
      const fault = folderFault(this.#folder, error);
      if (!isSyncFailure(error)) {
        this.#setRefusal(fault);
        this.#retry = this.#clock.after(RETRY_MS, () => void this.#put({}).catch(() => {}));
        await new Promise<void>((resolve) => this.#clock.after(PAUSE_MS, resolve));
      } else {
        this.#fault = fault;
        this.#failed.resolve(fault);
      }
      throw fault;
    } finally {
      if (this.#next === null) this.#writing = null;
    }
  }

  #setRefusal(refusal: Error | null): void {
    const isNews = (refusal === null) !== (this.#refusal === null);
    this.#refusal = refusal;
    if (isNews) this.onRefused(refusal);
  }
}

/**
 * Whatever fails before the rename, or in it, leaves the file as it was. A sync that fails is another matter: what it
 * was to bring to the disk may be lost, and the system says so once.
 */
function isSyncFailure(error: unknown): boolean {
  return ((error as NodeJS.ErrnoException).syscall ?? '').includes('sync');
}
