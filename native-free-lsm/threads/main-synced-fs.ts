import { type FileSystem, THREADS_SHARE_DESCRIPTORS } from '../fs/file-system.ts';
import type { WaitRecorder } from '../shared/wait-recorder.ts';
import type { SyncCall, SyncEnd } from './protocol/posted-messages.ts';
import { RecordingFileSystem } from './recording-fs.ts';

/** Returns when the file of a descriptor, or a directory, is synced; throws the error of the file system. */
export type SyncOnMain = (target: SyncCall['target']) => void;

/** Syncs that main makes while the thread goes on. */
export interface SyncsOnMain {
  /** @returns its number */
  begin(target: SyncCall['target']): number;
  /** How it has ended, told once; undefined: it has not. */
  endOf(sync: number): SyncEnd | undefined;
}

/** Gives syncs their numbers, and keeps their ends until they are asked for. */
export class NumberedSyncs implements SyncsOnMain {
  readonly #call: (call: SyncCall) => void;
  #last = 0;
  readonly #ends = new Map<number, SyncEnd>();

  /** @param call has main make it */
  constructor(call: (call: SyncCall) => void) {
    this.#call = call;
  }

  begin(target: SyncCall['target']): number {
    const sync = ++this.#last;
    this.#call({ sync, target });
    return sync;
  }

  /** Main has told it. */
  ended(end: SyncEnd): void {
    this.#ends.set(end.sync, end);
  }

  endOf(sync: number): SyncEnd | undefined {
    const end = this.#ends.get(sync);
    if (end !== undefined) this.#ends.delete(sync);
    return end;
  }
}

/**
 * The tables of a thread that has more to do than to wait for the disk: their syncs are main's, which makes them in
 * Node's pool, and the thread goes on with what else there is. The file is open here until its sync has ended, so an
 * error of the disk that came before it is told.
 */
export class MainSyncedFileSystem extends RecordingFileSystem {
  readonly #sync: SyncOnMain;

  constructor(waits: WaitRecorder, sync: SyncOnMain) {
    super(waits, 'tables');
    this.#sync = sync;
  }

  override fdatasyncSync(fd: number): void {
    if (THREADS_SHARE_DESCRIPTORS) this.#sync(fd);
    else super.fdatasyncSync(fd);
  }

  override syncDirectorySync(path: string): void {
    this.#sync(path);
  }
}

/** Main's part: it makes the call, and never rejects. */
export async function endSync(fs: FileSystem, { sync, target }: SyncCall): Promise<SyncEnd> {
  try {
    await (typeof target === 'number' ? fs.fdatasync(target) : fs.syncDirectory(target));
    return { sync };
  } catch (error) {
    const { code, message, syscall } = error as NodeJS.ErrnoException;
    return { sync, failure: { code, message, syscall } };
  }
}

/** The error with which the call has ended, as the file system's own; undefined: it has succeeded. */
export function failureOf({ failure }: SyncEnd): Error | undefined {
  if (failure === undefined) return undefined;
  const { message, ...details } = failure;
  return Object.assign(new Error(message), details);
}
