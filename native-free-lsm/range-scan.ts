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
import type { LsmError } from './errors.ts';
import { ownBytes } from './format/copy.ts';
import { isLive, recordValueStart } from './format/record.ts';
import { type KeyBounds, keyRange, rangeFrom, rangeUpTo, type ScanRange } from './iterator/key-range.ts';
import type { Page } from './iterator/page.ts';
import type { RecordStore } from './store/store.ts';
import type { StoreSnapshot } from './store/store-snapshot.ts';

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
  /** Left out: each page shows the newest state when it is read. */
  readonly snapshot?: StoreSnapshot;
  readonly signal?: AbortSignal;
}

const FIELDS = ['gt', 'gte', 'lt', 'lte', 'reverse', 'limit', 'values', 'snapshot', 'signal'];
const NOTHING = new Uint8Array(0);
const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

type PageSource = Pick<RecordStore, 'rangePage'>;

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
  next(): Promise<IteratorResult<Entry, undefined>> {
    if (this.#underWay === 0 && !this.#signal?.aborted) {
      const entry = this.#take();
      if (entry !== undefined) return Promise.resolve({ done: false, value: entry });
    }
    return this.#inTurn(async () => {
      const entry = await this.#takeOrRead(1);
      return entry === undefined ? END : { done: false, value: entry };
    });
  }

  /** The next entries, as many as there are up to `count`; none at the end. */
  nextMany(count: number): Promise<Entry[]> {
    const fault = wholeNumberFault('count', count, 1);
    if (fault !== undefined) return Promise.reject(fault);
    return this.#inTurn(async () => {
      this.#signal?.throwIfAborted();
      const entries: Entry[] = [];
      while (entries.length < count) {
        const entry = this.#take() ?? (await this.#takeOrRead(count - entries.length));
        if (entry === undefined) break;
        entries.push(entry);
      }
      return entries;
    });
  }

  /**
   * Goes to the first entry at or above a key, or, in reverse, to the first at or below it, forwards or back, within
   * the bounds of the range.
   * @throws LsmError INVALID_ARGUMENT
   */
  seek(key: Uint8Array): void {
    refuse(keyFault('key', key));
    // A copy, as pages are read from there later.
    const target = ownBytes(key, 0, key.length);
    if (this.#underWay === 0) this.#seek(target);
    else this.#inTurn(async () => this.#seek(target));
  }

  /** Ends the scan; nothing more is read. */
  return(): Promise<IteratorReturnResult<undefined>> {
    this.#isClosed = true;
    this.#page = null;
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #inTurn<Result>(call: () => Promise<Result>): Promise<Result> {
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
    this.#rest = this.#reverse ? rangeUpTo(this.#range, key) : rangeFrom(this.#range, key);
  }

  /** @param wanted how many entries are asked for, with this one */
  async #takeOrRead(wanted: number): Promise<Entry | undefined> {
    for (;;) {
      this.#signal?.throwIfAborted();
      const entry = this.#take();
      if (entry !== undefined) return entry;
      if (this.#isClosed || this.#left === 0 || this.#rest === null) return undefined;
      await this.#read(this.#rest, Math.min(Math.max(this.#pageEntries, wanted), MAX_PAGE_ENTRIES));
    }
  }

  /** The next entry of the page that has been read. */
  #take(): Entry | undefined {
    const page = this.#page;
    if (page === null || this.#left === 0) return undefined;
    const { bytes } = page;
    const nowMs = this.#nowMs();
    while (page.next()) {
      if (!isLive(bytes, page.recordStart, nowMs)) continue;
      this.#left--;
      const key = bytes.subarray(page.keyStart, page.keyEnd);
      const value = this.#keysOnly
        ? NOTHING
        : bytes.subarray(recordValueStart(bytes, page.recordStart), page.recordEnd);
      return { key, value };
    }
    this.#page = null;
    return undefined;
  }

  async #read(range: ScanRange, maxEntries: number): Promise<void> {
    const request = {
      start: range.start,
      end: range.end,
      maxBytes: this.#pageBytes,
      maxEntries,
      includeTombstones: false,
      encoder: 0,
      nowMs: 0,
      reverse: this.#reverse,
      keysOnly: this.#keysOnly,
      limit: Math.min(this.#left, maxEntries),
    };
    const page = await this.#store.rangePage(request, this.#snapshot, this.#signal);
    this.#pageEntries = Math.min(this.#pageEntries * PAGE_GROWTH, MAX_PAGE_ENTRIES);
    this.#pageBytes = Math.min(this.#pageBytes * PAGE_GROWTH, MAX_PAGE_BYTES);
    if (this.#isClosed) return;
    const { resumeAt } = page;
    if (resumeAt === null) this.#rest = null;
    else this.#rest = this.#reverse ? rangeUpTo(range, resumeAt) : rangeFrom(range, resumeAt);
    this.#page = page;
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
