/**
 * The identity of the folder that a node has open. There is one write at a time; changes during a write go into the
 * next one, so that many changes at once cost two writes.
 */
import type { FileSystem } from '../../native-free-lsm/index.ts';
import type { Clock, TimerHandle } from '../clock.ts';
import { advanced, withStart } from '../folder-history.ts';
import { folderFault, replaceFile } from './folder-files.ts';
import { encodeIdentity, IDENTITY_FILE, type Identity } from './identity-file.ts';

type IdentityChange = Partial<
  Pick<Identity, 'whole' | 'declaredMs' | 'missing' | 'clockCeiling' | 'remembered'>
>;

/** How long a refused write waits before the next attempt when somebody tries again at once. */
const PAUSE_MS = 100;
/** When a refused write is tried again although nobody asks. */
const RETRY_MS = 500;
/** How long a change may wait to be written together with another. */
const SOON_MS = 1_000;

export class IdentityStore {
  readonly #folder: string;
  readonly #fs: FileSystem;
  readonly #failed = Promise.withResolvers<Error>();
  #current: Identity;
  #durable: Identity;
  /** The current write. */
  #writing: Promise<void> | null = null;
  /** The write that begins after it, and takes everything that was changed until then. */
  #next: Promise<void> | null = null;
  #fault: Error | null = null;
  #refusal: Error | null = null;
  #retry: TimerHandle | null = null;
  /** Set while something waits to be written with a later change. */
  #soon: TimerHandle | null = null;
  readonly #clock: Clock;
  /** Called when `refusal` changes. */
  onRefused: (refusal: Error | null) => void = () => undefined;

  constructor(fs: FileSystem, folder: string, identity: Identity, clock: Clock) {
    this.#folder = folder;
    this.#current = identity;
    this.#durable = identity;
    this.#fs = fs;
    this.#clock = clock;
  }

  /** The identity with every change, durable or not. */
  get current(): Identity {
    return this.#current;
  }

  /** The identity as it is on disk. */
  get durable(): Identity {
    return this.#durable;
  }

  /** Whether it is on disk that the node has been started: see `begin`. */
  get isBegun(): boolean {
    return this.#durable.history.starts === this.#current.history.starts;
  }

  /**
   * Why the file cannot be written now: the disk is full or mounted read-only, or too many files are open. The last
   * written file stays unchanged, and the changes are tried again until they are written.
   */
  get refusal(): Error | null {
    return this.#refusal;
  }

  /**
   * Resolves with the error when a write has failed and it is unknown what is on disk; never with a healthy disk. Every
   * later change is refused.
   */
  get failed(): Promise<Error> {
    return this.#failed.promise;
  }

  /** Notes that the node has been started; peers are told so from now on. Resolves when it is durable. */
  begin(startId: number): Promise<void> {
    return this.#put({ history: withStart(this.#current.history, startId) });
  }

  /**
   * Notes that the folder holds more than it did. It becomes durable before long, as with `updateSoon`: while a node
   * takes writes, its ceiling rises anyway.
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
   * Resolves when the change is durable. A clock ceiling only ever rises, and the folder's progress rises with it, as
   * it does with each declaration: peers notice then when a folder is put back that did not know of it.
   * Rejects while writes are refused: the change then goes into the next write, which may be tried at any time.
   */
  update(change: IdentityChange): Promise<void> {
    const { clockCeiling, declaredMs, history } = this.#current;
    const raised = { ...change, clockCeiling: Math.max(clockCeiling, change.clockCeiling ?? 0) };
    if (raised.clockCeiling === clockCeiling && (change.declaredMs ?? 0) <= declaredMs)
      return this.#put(raised);
    return this.#put({ ...raised, history: advanced(history) });
  }

  /** The change becomes durable before long: it goes with the next write, whatever that is for. */
  updateSoon(change: IdentityChange): void {
    this.#putSoon(change);
  }

  #putSoon(change: Partial<Identity>): void {
    if (this.#fault !== null) return;
    this.#current = { ...this.#current, ...change };
    // When the current write no longer takes it, the timer does.
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
    // A refused write does not keep the next one from trying; after a fault the next one fails too.
    this.#next ??= this.#writing.then(again, (fault) =>
      this.#fault === null ? again() : Promise.reject(fault),
    );
    return this.#next;
  }

  /**
   * Resolves when every change made so far is durable, or has been tried once more: while writes are refused, nothing
   * that depends on them has been acknowledged.
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
      await replaceFile(this.#fs, this.#folder, IDENTITY_FILE, encodeIdentity(written));
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
 * A failure before or in the rename leaves the file unchanged. A failed sync is different: the data may be lost, and
 * the system reports it only once.
 */
function isSyncFailure(error: unknown): boolean {
  return ((error as NodeJS.ErrnoException).syscall ?? '').includes('sync');
}
