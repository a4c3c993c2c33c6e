import { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import { recordTimestamp } from '../format/record.ts';
import type { PutVisitor } from '../log/batch-puts.ts';
import { createArena, MAX_ARENA_BYTES } from '../memtable/arena-layout.ts';
import { InsertStatus, Memtable } from '../memtable/memtable.ts';

/** A memtable, and up to which log it has what logs say. */
interface ChainedMemtable {
  /** The generation by which its store knows it; 0: none yet. */
  generation: number;
  readonly memory: SharedArrayBuffer;
  readonly memtable: Memtable;
  /** The newest log from which it has something; 0: it is empty. */
  newestLog: number;
}

interface ChainOptions {
  /** The size of the first memtable of a log. */
  readonly memtableBytes: number;
  /** The most memory of all memtables together. */
  readonly maxBytes: number;
  /** Called before the first memtable is made. */
  readonly hashSeed: () => HashSeed;
}

/** As long as there are fewer, each log begins a memtable of its own, so that it goes when its log does. */
const MANY = 6;

/**
 * The memtables of a store that another process writes, filled from its logs. Nobody sees what was inserted before
 * `publish`. Where one ends within a log the next goes on, and it may have the end of one log and the beginning of the
 * next: what tables have too does no harm, as it is older than what lies above it, or the same.
 */
export class MemtableChain {
  readonly #options: ChainOptions;
  #memtables: ChainedMemtable[] = [];
  #log = 0;
  #begun = 0;
  #insertedTimestamp = 0;

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  /** Oldest first. */
  get memtables(): readonly ChainedMemtable[] {
    return this.#memtables;
  }

  /** What follows comes from this log: logs follow each other, each from where it ended before. */
  beginLog(generation: number): void {
    this.#log = generation;
  }

  readonly insert: PutVisitor = (log, keyStart, keyEnd, recordStart, recordEnd) => {
    let newest = this.#memtables.at(-1);
    const isOlder = newest !== undefined && newest.newestLog !== 0 && newest.newestLog !== this.#log;
    if (newest === undefined || (isOlder && this.#memtables.length < MANY))
      newest = this.#begin(this.#options.memtableBytes);
    while (isFull(newest, log, keyStart, keyEnd, recordStart, recordEnd)) {
      const growth = this.#memtables.length < MANY ? 2 : 4;
      newest = this.#begin(Math.min(growth * newest.memory.byteLength, MAX_ARENA_BYTES));
    }
    newest.newestLog = this.#log;
    this.#insertedTimestamp = Math.max(this.#insertedTimestamp, recordTimestamp(log, recordStart));
  };

  /** The largest timestamp of all that was inserted. */
  get insertedTimestamp(): number {
    return this.#insertedTimestamp;
  }

  /** Drops what logs before this one alone have said. */
  dropBefore(oldestLog: number): void {
    const first = this.#memtables.findIndex(
      ({ newestLog }, index) =>
        newestLog >= oldestLog || (newestLog === 0 && index === this.#memtables.length - 1),
    );
    this.#memtables.splice(0, first < 0 ? this.#memtables.length : first);
  }

  /** Shows what was inserted. There is one memtable at least then. */
  publish(): void {
    if (this.#memtables.length === 0) this.#begin(this.#options.memtableBytes);
    for (const { generation, memtable } of this.#memtables) {
      if (generation === 0) memtable.linkAll();
      memtable.publish();
    }
  }

  /** Forgets all logs: they will be read from their beginnings. */
  restart(): void {
    this.#memtables = [];
    this.#insertedTimestamp = 0;
  }

  /** @throws LsmError OVERLOADED */
  #begin(bytes: number): ChainedMemtable {
    const { hashSeed, maxBytes } = this.#options;
    const takenBytes = this.#memtables.reduce((sum, { memory }) => sum + memory.byteLength, 0);
    if (takenBytes + bytes > maxBytes) {
      const message =
        `the logs hold more than fits into ${maxBytes} bytes of memtables: ` +
        'wait until their writer has put them into tables, or raise maxMemtableBytes';
      throw new LsmError('OVERLOADED', message);
    }
    const memory = createArena(bytes, hashSeed());
    const memtable = new Memtable(memory);
    memtable.reset(++this.#begun);
    const begun = { generation: 0, memory, memtable, newestLog: 0 };
    this.#memtables.push(begun);
    return begun;
  }
}

/** Puts a record; returns whether there is no room for it. */
function isFull(
  { generation, memtable }: ChainedMemtable,
  log: Uint8Array,
  keyStart: number,
  keyEnd: number,
  recordStart: number,
  recordEnd: number,
): boolean {
  // Nobody reads one yet that has no generation: its keys are sorted together, when it is published.
  const status =
    generation === 0
      ? memtable.insertUnlinked(log, keyStart, keyEnd, log, recordStart, recordEnd)
      : memtable.insert(log, keyStart, keyEnd, log, recordStart, recordEnd);
  return status === InsertStatus.full;
}
