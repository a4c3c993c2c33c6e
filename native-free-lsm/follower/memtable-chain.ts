import { LsmError } from '../errors.ts';
import { type HashSeed, hashBytes } from '../format/hash.ts';
import { compareRecordVersions, recordTimestamp } from '../format/record.ts';
import type { PutVisitor } from '../log/batch-puts.ts';
import { createArena, MAX_ARENA_BYTES } from '../memtable/arena-layout.ts';
import { InsertStatus, Memtable } from '../memtable/memtable.ts';

/** A memtable with what one log says, or a part of it. */
interface ChainedMemtable {
  /** The generation by which its store knows it; 0: none yet. */
  generation: number;
  readonly memory: SharedArrayBuffer;
  readonly memtable: Memtable;
  /** The number of its log; 0: it is empty, and will be that of the next log that says something. */
  log: number;
}

interface ChainOptions {
  /** The size of the first memtable of a log. */
  readonly memtableBytes: number;
  /** The most memory of all memtables together. */
  readonly maxBytes: number;
  /** Called before the first memtable is made. */
  readonly hashSeed: () => HashSeed;
}

/** The log that is being read. */
interface ReadLog {
  readonly generation: number;
  /** As far as is known. */
  readonly sizeBytes: number;
}

const NO_LOG: ReadLog = { generation: 0, sizeBytes: 0 };
/** A store has sixteen places for generations, and needs some of them for what it goes over to. */
const MAX_MEMTABLES = 13;
/** Of the memory that a memtable takes to that of its log: mostly it is enough. */
const MEMORY_OF_LOG = 1.5;

/**
 * The memtables of a store that another process writes, filled from its logs. Nobody sees what was inserted before
 * `publish`. A log has one or more, each twice as large as the one before, as nobody knows how much it will say. None has
 * anything of two logs: what a log says is outdated by tables as soon as it is in tables itself, and must go then.
 *
 * A log does not say which of its writes were stale when they came, where its writer had all of it in one memtable. So
 * what is older than an earlier memtable of the same log has is left out, as a read ends at its first hit.
 */
export class MemtableChain {
  readonly #options: ChainOptions;
  #memtables: ChainedMemtable[] = [];
  #log = NO_LOG;
  #begun = 0;
  #insertedTimestamp = 0;
  #isShown = false;

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  /** Oldest first. */
  get memtables(): readonly ChainedMemtable[] {
    return this.#memtables;
  }

  /** What follows comes from this log: logs follow each other, each from where it ended before. */
  beginLog(log: ReadLog): void {
    this.#log = log;
  }

  readonly insert: PutVisitor = (log, keyStart, keyEnd, recordStart, recordEnd, rangeEndStart) => {
    let newest = this.#memtables.at(-1);
    if (newest === undefined || (newest.log !== 0 && newest.log !== this.#log.generation)) {
      const { memtableBytes } = this.#options;
      const logBytes = Math.ceil((this.#log.sizeBytes * MEMORY_OF_LOG) / 8) * 8;
      newest = this.#begin(Math.min(Math.max(memtableBytes, logBytes), MAX_ARENA_BYTES));
    }
    if (rangeEndStart === undefined && this.#isStale(newest, log, keyStart, keyEnd, recordStart)) return;
    while (this.#isFull(newest.memtable, log, keyStart, keyEnd, recordStart, recordEnd, rangeEndStart))
      newest = this.#begin(Math.min(2 * newest.memory.byteLength, MAX_ARENA_BYTES));
    newest.log = this.#log.generation;
    this.#insertedTimestamp = Math.max(this.#insertedTimestamp, recordTimestamp(log, recordStart));
  };

  /** The largest timestamp of all that was inserted. */
  get insertedTimestamp(): number {
    return this.#insertedTimestamp;
  }

  /** Drops what logs before this one have said: it is in tables. */
  dropBefore(oldestLog: number): void {
    this.#memtables = this.#memtables.filter(
      ({ log }, index) => log >= oldestLog || (log === 0 && index === this.#memtables.length - 1),
    );
  }

  /** Shows what was inserted. There is one memtable at least then. */
  publish(): void {
    if (this.#memtables.length === 0) this.#begin(this.#options.memtableBytes);
    for (const { memtable } of this.#memtables) {
      if (!this.#isShown) memtable.linkNew();
      memtable.publish();
    }
    this.#isShown = true;
  }

  /** Forgets all logs: they will be read from their beginnings. */
  restart(): void {
    this.#memtables = [];
    this.#insertedTimestamp = 0;
  }

  /** Whether an earlier memtable of the log has something newer of the key, published or not. */
  #isStale(
    newest: ChainedMemtable,
    log: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordStart: number,
  ): boolean {
    for (const { log: logOfOther, memtable } of this.#memtables) {
      if (logOfOther !== this.#log.generation || memtable === newest.memtable) continue;
      const limit = memtable.bytes.length;
      if (memtable.coverOf(log, keyStart, keyEnd, limit) > recordTimestamp(log, recordStart)) return true;
      const hash = hashBytes(log, keyStart, keyEnd, this.#options.hashSeed());
      const entry = memtable.find(log, keyStart, keyEnd, limit, hash);
      if (entry === 0) continue;
      if (compareRecordVersions(memtable.bytes, memtable.recordStart(entry), log, recordStart) >= 0)
        return true;
    }
    return false;
  }

  /** Puts a record, or a range tombstone; returns whether there is no room for it. */
  #isFull(
    memtable: Memtable,
    log: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordStart: number,
    recordEnd: number,
    rangeEndStart: number | undefined,
  ): boolean {
    if (rangeEndStart !== undefined) {
      const status = memtable.insertRange(log, keyStart, keyEnd, recordStart, rangeEndStart, recordEnd);
      return status === InsertStatus.full;
    }
    // An opening has much to insert, and nobody waits for the event loop: keys are sorted together when it is done.
    const status = this.#isShown
      ? memtable.insert(log, keyStart, keyEnd, log, recordStart, recordEnd)
      : memtable.insertUnlinked(log, keyStart, keyEnd, log, recordStart, recordEnd);
    return status === InsertStatus.full;
  }

  /** @throws LsmError OVERLOADED */
  #begin(bytes: number): ChainedMemtable {
    const { hashSeed, maxBytes } = this.#options;
    const takenBytes = this.#memtables.reduce((sum, { memory }) => sum + memory.byteLength, 0);
    if (takenBytes + bytes > maxBytes || this.#memtables.length === MAX_MEMTABLES) {
      const message =
        `the logs hold more than fits into ${MAX_MEMTABLES} memtables of ${maxBytes} bytes together: ` +
        'wait until their writer has put them into tables, or raise maxMemtableBytes or memtableBytes';
      throw new LsmError('OVERLOADED', message);
    }
    const memory = createArena(bytes, hashSeed());
    const memtable = new Memtable(memory);
    memtable.reset(++this.#begun);
    const begun = { generation: 0, memory, memtable, log: 0 };
    this.#memtables.push(begun);
    return begun;
  }
}
