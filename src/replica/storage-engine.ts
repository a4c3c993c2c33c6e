/**
 * The storage a replica needs, declared here by its consumer: the LSM engine implements it (wired in node/node.ts),
 * as do a plain Map for benchmarks and tests' fakes. Records are header and value as the engine's
 * format/record.ts draws them; every put is a put-if-newer by the version in its record.
 *
 * Calls on the hot path take a sink and a token instead of returning promises: one sink serves many requests,
 * the token says which. A sink is called exactly once per call, possibly before the call returns.
 */
import type {
  EngineStats,
  EngineThreads,
  Page,
  PageRequest,
  ReadSink,
  WriteSink,
} from '../../native-free-lsm/index.ts';

/** Entries in key order, which `next` walks once, or encoded ones. Disposing of a page lets its memory be used again. */
export type RangePage = Pick<Page, keyof Page>;

export interface StorageEngine {
  read(key: Uint8Array, sink: ReadSink, token: number): void;
  /** @param timeoutMs the write is not begun after this time, but fails: nobody waits for it */
  write(key: Uint8Array, record: Uint8Array, sink: WriteSink, token: number, timeoutMs: number): void;
  rangePage(request: PageRequest): Promise<RangePage>;
  /** The largest timestamp of any record in the store; 0 when there is none. */
  readonly newestTimestamp: number;
  /** Plain data for `GET /v0/status`: see EngineStats in native-free-lsm. */
  stats(): EngineStatus;
  /** Undefined where it has none of its own. */
  readonly threads?: Pick<EngineThreads, 'list' | 'recordWaits' | 'takeWaits'> | undefined;
  /**
   * Has threads that wait for work look up: what was asked of their handles is done then. One that is about to wait may
   * miss it.
   */
  wakeThreads?(): void;
  /** Resolves when everything accepted is written and synced. */
  close(): Promise<void>;
}

/** What the status page and the `status` command show of an engine; an engine may tell more. */
export type EngineStatus = Pick<
  EngineStats,
  | 'estimatedKeys'
  | 'liveBytes'
  | 'diskBytes'
  | 'tablesByLevel'
  | 'bytesByLevel'
  | 'memtables'
  | 'memtableBytes'
  | 'cacheHits'
  | 'cacheMisses'
  | 'tableReadsByThread'
> & { readonly conditions?: EngineStats['conditions']; readonly [more: string]: unknown };
