/**
 * A table in shared memory with a row for each pool thread of one engine: who the thread is, and how long it has waited
 * for what while that is recorded. A thread takes a row when it starts; main reads all of them without asking anybody,
 * because a thread that waits answers nothing.
 *
 *   word of the table     writer          readers
 *   recording             main            pool threads   number of the recording that is under way; 0: none
 *   backgroundThreads     such threads    such threads   counts them, to number them
 *
 *   word of a row         writer          readers
 *   threadId              see below       main           Node's id of the thread; 0: the row is free
 *   role                  its thread      main           a ThreadRole; 0 until it is known
 *   number                its thread      main           which of its role, counted from 1
 *   recording             its thread      main           the recording to which the figures belong
 *   site                  its thread      main           1 + the site at which it waits now; 0: it does not wait
 *   sinceMicros           its thread      main           when that began, see WaitRecorder
 *   figures[site]         its thread      main           waits, their microseconds, and how many lasted how long
 *
 * A thread turns `threadId` from 0 to its id, which takes the row; main turns it back when the thread has ended.
 */
import { WAIT_BUCKETS } from './wait-figures.ts';
import { WAIT_SITES } from './wait-sites.ts';

export const ThreadRole = { writer: 1, reader: 2, background: 3, engine: 4 } as const;
export type ThreadRole = (typeof ThreadRole)[keyof typeof ThreadRole];

const ROLE_NAMES: Readonly<Record<ThreadRole, string>> = {
  [ThreadRole.writer]: 'writer',
  [ThreadRole.reader]: 'reader',
  [ThreadRole.background]: 'background',
  [ThreadRole.engine]: 'engine',
};

export const RowWord = {
  threadId: 0,
  role: 1,
  number: 2,
  recording: 3,
  site: 4,
  sinceMicros: 5,
  figures: 6,
} as const;

/** Within the figures of a site. */
export const FigureWord = { count: 0, micros: 1, buckets: 2 } as const;
export const FIGURE_WORDS = FigureWord.buckets + WAIT_BUCKETS;

const ROW_WORDS = RowWord.figures + WAIT_SITES.length * FIGURE_WORDS;
/** Of these there is one. */
const LONE: ReadonlySet<ThreadRole> = new Set([ThreadRole.writer, ThreadRole.engine]);

const RECORDING = 0;
const BACKGROUND_THREADS = 1;
const TABLE_WORDS = 2;

/** A row as main reads it. */
interface ThreadRow {
  readonly threadId: number;
  /** `writer`, `reader-1`, `background-2`; `engine` has all roles. */
  readonly name: string;
}

export class ThreadTable {
  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly rows: number;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.words = new Int32Array(memory);
    this.rows = Math.floor((this.words.length - TABLE_WORDS) / ROW_WORDS);
  }

  static create(rows: number): ThreadTable {
    const words = TABLE_WORDS + rows * ROW_WORDS;
    return new ThreadTable(new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT));
  }

  /** Where a row begins in `words`. */
  static rowStart(row: number): number {
    return TABLE_WORDS + row * ROW_WORDS;
  }

  get recording(): number {
    // Any recent value will do, as a wait that begins meanwhile may be recorded or not: a plain load, which costs a tenth.
    return this.words[RECORDING];
  }

  set recording(recording: number) {
    // Nothing is ordered by it: the rows say which recording their figures belong to.
    Atomics.store(this.words, RECORDING, recording);
  }

  /** For the name of the calling thread. A thread that takes the place of one that died has a number of its own. */
  nextBackgroundNumber(): number {
    // Several threads may ask at once.
    return Atomics.add(this.words, BACKGROUND_THREADS, 1) + 1;
  }

  /** Takes a free row for the calling thread; -1 when there is none. */
  take(threadId: number): number {
    for (let row = 0; row < this.rows; row++) {
      // Several threads may start at once: one of them gets the row.
      if (Atomics.compareExchange(this.words, ThreadTable.rowStart(row), 0, threadId) === 0) return row;
    }
    return -1;
  }

  /** Of all rows that are taken. */
  threadIds(): number[] {
    const ids: number[] = [];
    for (let row = 0; row < this.rows; row++) {
      // A row that is taken meanwhile is that of a thread that lives.
      const threadId = Atomics.load(this.words, ThreadTable.rowStart(row));
      if (threadId !== 0) ids.push(threadId);
    }
    return ids;
  }

  /** Frees the row of a thread that has ended. */
  free(threadId: number): void {
    for (let row = 0; row < this.rows; row++) {
      const start = ThreadTable.rowStart(row);
      // Only main does this, and only for threads that are gone: a plain compare would do.
      if (Atomics.load(this.words, start + RowWord.threadId) !== threadId) continue;
      // The id last: whoever takes the row then finds it without a role.
      Atomics.store(this.words, start + RowWord.role, 0);
      Atomics.store(this.words, start + RowWord.recording, 0);
      Atomics.store(this.words, start + RowWord.site, 0);
      Atomics.store(this.words, start + RowWord.threadId, 0);
    }
  }

  /** Undefined for a row without a thread, or whose thread has no role yet. */
  rowAt(row: number): ThreadRow | undefined {
    const start = ThreadTable.rowStart(row);
    // Acquire: the number was stored before the role.
    const role = Atomics.load(this.words, start + RowWord.role) as ThreadRole | 0;
    if (role === 0) return undefined;
    const number = Atomics.load(this.words, start + RowWord.number);
    const name = LONE.has(role) ? ROLE_NAMES[role] : `${ROLE_NAMES[role]}-${number}`;
    return { threadId: Atomics.load(this.words, start + RowWord.threadId), name };
  }
}
