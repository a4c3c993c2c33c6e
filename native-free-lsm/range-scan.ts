import {
  booleanFault,
  fieldsFault,
  keyFault,
  optionalFault,
  refuse,
  signalFault,
  wholeNumberFault,
} from './arguments.ts';
import { boundsFault } from './bounds-fault.ts';
import { LsmError } from './errors.ts';
import { ownBytes } from './format/copy.ts';
import { type GivenBytes, toBytes } from './format/given-bytes.ts';
import { isVisible, recordValueStart } from './format/record.ts';
import { type KeyBounds, keyRange, rangeFrom, rangeUpTo, type ScanRange } from './iterator/key-range.ts';
import { Page } from './iterator/page.ts';
import type { ReadableStore } from './store/readable-store.ts';
import type { StoreSnapshot } from './store/store-snapshot.ts';
import type { ScanPageRequest } from './threads/protocol/reader-messages.ts';

/** The first page is small, as its first entry is waited for; each next one is larger, up to the largest. */
const FIRST_PAGE_ENTRIES = 16;
const FIRST_PAGE_BYTES = 16 * 1024;
const PAGE_GROWTH = 8;
const MAX_PAGE_ENTRIES = 4096;
const MAX_PAGE_BYTES = 128 * 1024;

/** A key and its value, both views of the memory of a page: copy what you keep for long. */
export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Which entries a scan gives, and how. Keys compare as unsigned bytes; a bound that is left out is none. */
export interface RangeOptions extends KeyBounds {
  /** Whether to go from the last key to the first. */
  readonly reverse?: boolean;
  /** The most entries that are given, seeks included; left out: all. */
  readonly limit?: number;
  /** False: keys alone are read, and the value of each entry is empty. */
  readonly values?: boolean;
  /** Left out: each page shows the newest state when it is read, of a long scan one page ahead of what is given. */
  readonly snapshot?: StoreSnapshot;
  readonly signal?: AbortSignal;
}

const FIELDS = ['gt', 'gte', 'lt', 'lte', 'reverse', 'limit', 'values', 'snapshot', 'signal'];
const NOTHING = new Uint8Array(0);
const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

const STILL_UNDER_WAY = new LsmError(
  'INVALID_ARGUMENT',
  'nextManySync of a scan of which another call is under way: wait for that first',
);

type PageSource = Pick<ReadableStore, 'scanPage' | 'scanPageSync'>;

/**
 * The entries of a range, read page by page as they are asked for. Keys and values are views of a page's memory: copy
 * what you keep for long. Calls that are made before earlier ones are answered are answered in their order.
 */
export class RangeScan implements AsyncIterableIterator<Entry, undefined, undefined>, AsyncDisposable {
  readonly #store: PageSource;
  readonly #nowMs: () => number;
  readonly #range: ScanRange;
  readonly #reverse: boolean;
  readonly #keysOnly: boolean;
  readonly #snapshot: StoreSnapshot | undefined;
  readonly #signal: AbortSignal | undefined;
  /** What has not been read yet; null: everything has. */
  #rest: ScanRange | null;
  #page: Page | null = null;
  /** The page behind `#page`, which a reader makes while that one is gone through. */
  #ahead: Promise<Page> | null = null;
  /** How many entries may still be given. */
  #left: number;
  #pageEntries = FIRST_PAGE_ENTRIES;
  #pageBytes = FIRST_PAGE_BYTES;
  #isClosed = false;
  /** Calls that are not answered yet; the next one waits for the last of them. */
  #underWay = 0;
  #last: Promise<void> = Promise.resolve();

  /**
   * @param nowMs what values expire by
   * @throws LsmError INVALID_ARGUMENT
   */
  constructor(store: PageSource, options: RangeOptions, nowMs: () => number) {
    refuse(rangeOptionsFault(options));
    this.#store = store;
    this.#nowMs = nowMs;
    this.#range = keyRange(options);
    this.#rest = this.#range;
    this.#reverse = options.reverse ?? false;
    this.#keysOnly = options.values === false;
    this.#left = options.limit ?? Number.POSITIVE_INFINITY;
    this.#snapshot = options.snapshot;
    this.#signal = options.signal;
  }

  /**
   * The next entry.
   * @throws LsmError OVERLOADED, SNAPSHOT_EXPIRED, CORRUPTION, IO_ERROR, CLOSED; the reason of the signal when it is aborted
   */
  async next(): Promise<IteratorResult<Entry, undefined>> {
    const [entry] = await this.#next(1);
    return entry === undefined ? END : { done: false, value: entry };
  }

  /** The next entries, as many as there are up to `count`; none at the end. The entries of a call that fails are given by the next one. */
  nextMany(count: number): Promise<Entry[]> {
    const fault = wholeNumberFault('count', count, 1);
    return fault === undefined ? this.#next(count) : Promise.reject(fault);
  }

  /**
   * Like `nextMany`, but at once. What memory does not hold is read on the calling thread, which does nothing else
   * meanwhile: for programs that have nothing else to do, for scans of few entries, and for data that is in memory. Calls
   * that give promises must have been answered before.
   * @throws LsmError INVALID_ARGUMENT, SNAPSHOT_EXPIRED, CORRUPTION, IO_ERROR, CLOSED; the reason of the signal when it is aborted
   */
  nextManySync(count: number): Entry[] {
    refuse(wholeNumberFault('count', count, 1));
    if (this.#underWay > 0) throw STILL_UNDER_WAY;
    const entries: Entry[] = [];
    try {
      for (;;) {
        this.#signal?.throwIfAborted();
        const range = this.#takeFrom(entries, count);
        if (range === null) return entries;
        // Of a page that a reader may be making meanwhile nothing has been taken.
        this.#ahead = null;
        this.#accept(
          this.#store.scanPageSync(this.#request(range, this.#pageLimit(entries, count)), this.#snapshot),
        );
      }
    } catch (error) {
      this.#giveBack(entries);
      throw error;
    }
  }

  /**
   * Goes to the first entry at or above a key, or, in reverse, to the first at or below it, forwards or back, within
   * the bounds of the range.
   * @throws LsmError INVALID_ARGUMENT
   */
  seek(key: GivenBytes): void {
    const bytes = toBytes(key);
    refuse(keyFault('key', bytes));
    // A copy, as pages are read from there later.
    const target = ownBytes(bytes, 0, bytes.length);
    if (this.#underWay === 0) this.#seek(target);
    else this.#inTurn(async () => this.#seek(target));
  }

  /** Ends the scan; nothing more is read. */
  return(): Promise<IteratorReturnResult<undefined>> {
    this.#isClosed = true;
    this.#page = null;
    this.#ahead = null;
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** At once when memory has them, no call is under way, and no signal may end this one. */
  #next(count: number): Promise<Entry[]> {
    if (this.#underWay > 0 || this.#signal !== undefined)
      return this.#inTurn(() => this.#fill([], count, null));
    const entries: Entry[] = [];
    let reading: Page | Promise<Page> | null;
    try {
      reading = this.#takeUpTo(entries, count);
    } catch (error) {
      this.#giveBack(entries);
      return Promise.reject(error);
    }
    return reading === null
      ? Promise.resolve(entries)
      : this.#inTurn(() => this.#fill(entries, count, reading));
  }

  async #inTurn<Result>(call: () => Result | Promise<Result>): Promise<Result> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    this.#underWay++;
    try {
      if (this.#underWay > 1) await before;
      return await call();
    } finally {
      this.#underWay--;
      resolve();
    }
  }

  #seek(key: Uint8Array): void {
    this.#page = null;
    this.#ahead = null;
    this.#rest = this.#reverse ? rangeUpTo(this.#range, key) : rangeFrom(this.#range, key);
  }

  /** @param reading a page that has been asked for */
  async #fill(entries: Entry[], count: number, reading: Page | Promise<Page> | null): Promise<Entry[]> {
    let asked = reading;
    try {
      for (;;) {
        if (asked !== null) {
          this.#accept(await asked);
          this.#askAhead();
        }
        this.#signal?.throwIfAborted();
        asked = this.#takeUpTo(entries, count);
        if (asked === null) return entries;
      }
    } catch (error) {
      this.#giveBack(entries);
      throw error;
    }
  }

  /** What a call that fails has taken is read again by the next one. */
  #giveBack(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    this.#left += entries.length;
    this.#seek(entries[0].key);
  }

  /** Adds entries up to a number; returns the page that has to be waited for, null when there are enough or no more. */
  #takeUpTo(entries: Entry[], count: number): Page | Promise<Page> | null {
    for (;;) {
      const range = this.#takeFrom(entries, count);
      if (range === null) return null;
      const page = this.#ahead ?? this.#ask(range, this.#pageLimit(entries, count));
      this.#ahead = null;
      // Who may abort the call does so after he has made it.
      if (!(page instanceof Page) || this.#signal !== undefined) return page;
      this.#accept(page);
      this.#askAhead();
    }
  }

  /** Adds entries of the page that has been read; returns what has to be read then, null when there are enough or no more. */
  #takeFrom(entries: Entry[], count: number): ScanRange | null {
    if (this.#page !== null) this.#take(this.#page, entries, count);
    return entries.length === count || this.#isClosed || this.#left === 0 ? null : this.#rest;
  }

  /** How many entries the next page may have. */
  #pageLimit(entries: readonly Entry[], count: number): number {
    return Math.min(Math.max(this.#pageEntries, count - entries.length), MAX_PAGE_ENTRIES);
  }

  /** The next entries of the page that has been read. */
  #take(page: Page, entries: Entry[], count: number): void {
    const { bytes } = page;
    while (entries.length < count && this.#left > 0) {
      if (!page.next()) {
        this.#page = null;
        return;
      }
      const { recordStart } = page;
      if (!isVisible(bytes, recordStart, this.#nowMs)) continue;
      this.#left--;
      const key = bytes.subarray(page.keyStart, page.keyEnd);
      const value = this.#keysOnly
        ? NOTHING
        : bytes.subarray(recordValueStart(bytes, recordStart), page.recordEnd);
      entries.push({ key, value });
    }
  }

  /** The page, when memory has it. */
  #ask(range: ScanRange, maxEntries: number): Page | Promise<Page> {
    return this.#store.scanPage(this.#request(range, maxEntries), this.#snapshot, this.#signal);
  }

  #request({ end, start }: ScanRange, maxEntries: number): ScanPageRequest {
    return {
      start,
      end,
      maxBytes: this.#pageBytes,
      maxEntries,
      includeTombstones: false,
      encoder: 0,
      nowMs: 0,
      reverse: this.#reverse,
      keysOnly: this.#keysOnly,
      limit: Math.min(this.#left, maxEntries),
    };
  }

  #accept(page: Page): void {
    this.#pageEntries = Math.min(this.#pageEntries * PAGE_GROWTH, MAX_PAGE_ENTRIES);
    this.#pageBytes = Math.min(this.#pageBytes * PAGE_GROWTH, MAX_PAGE_BYTES);
    const range = this.#rest;
    if (this.#isClosed || range === null) return;
    const { resumeAt } = page;
    if (resumeAt === null) this.#rest = null;
    else this.#rest = this.#reverse ? rangeUpTo(range, resumeAt) : rangeFrom(range, resumeAt);
    this.#page = page;
  }

  /** A scan that has come as far as to its largest pages, and has no end in sight, will need the next one too. */
  #askAhead(): void {
    if (this.#isClosed || this.#rest === null) return;
    if (this.#pageEntries < MAX_PAGE_ENTRIES || this.#left <= MAX_PAGE_ENTRIES) return;
    const page = this.#ask(this.#rest, MAX_PAGE_ENTRIES);
    if (page instanceof Page) return;
    this.#ahead = page;
    // Perhaps nobody will ask for it.
    page.catch(() => undefined);
  }
}

function rangeOptionsFault(options: RangeOptions): LsmError | undefined {
  const fault = fieldsFault('options', options, FIELDS);
  if (fault !== undefined) return fault;
  const { reverse, limit, values, signal } = options;
  return (
    boundsFault('options', options) ??
    optionalFault(booleanFault, 'options.reverse', reverse) ??
    (limit === undefined ? undefined : wholeNumberFault('options.limit', limit, 0)) ??
    optionalFault(booleanFault, 'options.values', values) ??
    optionalFault(signalFault, 'options.signal', signal)
  );
}
