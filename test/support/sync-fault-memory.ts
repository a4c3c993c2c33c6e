/** The name under which threads are given the memory. */
export const SYNC_FAULTS = 'quorate test: sync faults';

export const SyncedKind = { other: 0, log: 1, table: 2, manifest: 3, directory: 4 } as const;
export type SyncedKind = (typeof SyncedKind)[keyof typeof SyncedKind];

const KINDS = 5;
const MAX_DESCRIPTORS = 65_536;
/** Per kind: how many syncs were made since the fault was set, which of them is the first that fails, and the last. */
const Word = { made: 0, firstFails: KINDS, lastFails: 2 * KINDS, kinds: 3 * KINDS } as const;
const NEVER = 0x7fff_ffff;

/** Which syncs fail, and of what kind each open file is. */
export class SyncFaultMemory {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
  }

  static create(): SyncFaultMemory {
    const memory = new SyncFaultMemory(new SharedArrayBuffer(4 * (Word.kinds + MAX_DESCRIPTORS)));
    memory.clear();
    return memory;
  }

  /** From now on syncs succeed. */
  clear(): void {
    this.#words.fill(NEVER, Word.firstFails, Word.kinds);
  }

  /**
   * From now on, of the syncs of a kind, the one of this number fails, from 0 on.
   * @param isForever whether all behind it fail, too
   */
  fail(kind: SyncedKind, number: number, isForever: boolean): void {
    Atomics.store(this.#words, Word.made + kind, 0);
    Atomics.store(this.#words, Word.lastFails + kind, isForever ? NEVER : number);
    Atomics.store(this.#words, Word.firstFails + kind, number);
  }

  /** How many of this kind were begun since the fault was set. */
  made(kind: SyncedKind): number {
    return Atomics.load(this.#words, Word.made + kind);
  }

  opened(fd: number, path: string): number {
    Atomics.store(this.#words, Word.kinds + fd, kindOfPath(path));
    return fd;
  }

  kindOf(fd: number): SyncedKind {
    return Atomics.load(this.#words, Word.kinds + fd) as SyncedKind;
  }

  /** @throws Error of a file system when this sync is to fail */
  check(kind: SyncedKind): void {
    const number = Atomics.add(this.#words, Word.made + kind, 1);
    if (number < Atomics.load(this.#words, Word.firstFails + kind)) return;
    if (number > Atomics.load(this.#words, Word.lastFails + kind)) return;
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO', syscall: 'fdatasync' });
  }
}

function kindOfPath(path: string): SyncedKind {
  if (path.endsWith('.log')) return SyncedKind.log;
  if (/\.sst(?:\.tmp)?$/.test(path)) return SyncedKind.table;
  return path.includes('MANIFEST-') ? SyncedKind.manifest : SyncedKind.other;
}
