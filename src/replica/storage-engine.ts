/**
 * The storage a replica needs, declared here by its consumer: the LSM engine implements it (wired in node/node.ts),
 * as do a plain Map for benchmarks and tests' fakes. Records are header and value as the engine's
 * format/record.ts draws them; every put is a put-if-newer by the version in its record.
 *
 * Calls on the hot path take a sink and a token instead of returning promises: one sink serves many requests,
 * the token says which. A sink is called exactly once per call, possibly before the call returns.
 */
import type { ReadSink, WriteSink } from '../../native-free-lsm/index.ts';
import type { Condition } from '../conditions.ts';

export interface RangeRequest {
  /** Inclusive; empty: from the first key. */
  readonly start: Uint8Array;
  /** Exclusive; null: to the last key. */
  readonly end: Uint8Array | null;
  /** The most bytes of the page; a single entry may be larger. */
  readonly maxBytes: number;
  /** The most entries to look at, including those that are skipped. */
  readonly maxEntries: number;
  /** Deletions are entries too: repair needs them, clients do not. Only without an encoder. */
  readonly includeTombstones: boolean;
  /** The number of the encoder that writes the entries for clients; only live entries are encoded. 0: none. */
  readonly encoder: number;
  /** With an encoder: entries that expire then or before, in ms since the Unix epoch, are left out. */
  readonly nowMs: number;
}

/**
 * Entries in key order, to be walked once with `next`, or encoded. Then dispose of it: its memory serves for others.
 */
export interface RangePage extends Disposable {
  readonly bytes: Uint8Array;
  /** The index in `bytes` where the entries end. */
  readonly usedBytes: number;
  /** The current entry: key `bytes[keyStart, keyEnd)`, record `bytes[recordStart, recordEnd)`. */
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly recordStart: number;
  readonly recordEnd: number;
  /** Moves to the next entry; returns false behind the last. */
  next(): boolean;
  /** Where to continue, inclusive; null when the scan has reached `end`. */
  readonly resumeAt: Uint8Array | null;
}

export interface StorageEngine {
  read(key: Uint8Array, sink: ReadSink, token: number): void;
  /** @param timeoutMs the write is not begun after this time, but fails: nobody waits for it */
  write(key: Uint8Array, record: Uint8Array, sink: WriteSink, token: number, timeoutMs: number): void;
  rangePage(request: RangeRequest): Promise<RangePage>;
  /** The largest timestamp of any record in the store; 0 when there is none. */
  readonly newestTimestamp: number;
  /** Plain data for `GET /v0/status`: see EngineStats in native-free-lsm. */
  stats(): EngineStatus;
  /** Resolves when everything accepted is written and synced. */
  close(): Promise<void>;
}

/** What the status page and the `status` command show of an engine. */
export interface EngineStatus {
  readonly estimatedKeys: number;
  readonly liveBytes: number;
  readonly diskBytes: number;
  readonly tablesByLevel: readonly number[];
  readonly bytesByLevel: readonly number[];
  readonly memtables: number;
  readonly memtableBytes: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
  /** Blocks of tables read since the start, by thread: `main` stays 0 after the start. */
  readonly tableReadsByThread: Readonly<Record<string, number>>;
  /** What keeps the engine from doing all it should; empty or missing when nothing does. */
  readonly conditions?: readonly Condition[];
  readonly [more: string]: unknown;
}
