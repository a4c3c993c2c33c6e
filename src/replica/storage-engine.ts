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
  IngestRequest,
  KeyedRecord,
  Page,
  PageRequest,
  ReadSink,
  SlotVersions,
  WriteSink,
} from '../../native-free-lsm/index.ts';

/** Entries in key order, which `next` walks once, or encoded ones. Disposing of a page lets its memory be used again. */
export type RangePage = Pick<Page, keyof Page>;

export interface StorageEngine {
  read(key: Uint8Array, sink: ReadSink, token: number): void;
  /** @param timeoutMs the write is not begun after this time, but fails: nobody waits for it */
  write(key: Uint8Array, record: Uint8Array, sink: WriteSink, token: number, timeoutMs: number): void;
  /** Puts several records that become durable and visible together; each is a put-if-newer. Stale: all of them were. */
  writeBatch(puts: readonly KeyedRecord[], sink: WriteSink, token: number): void;
  /**
   * Takes many records from outside, below all that is there; durable when it resolves.
   * @returns packed records that must be put, because something older of their keys lies above; null: none was taken
   */
  ingest(request: IngestRequest): Promise<Uint8Array | null>;
  rangePage(request: PageRequest): Promise<RangePage>;
  /**
   * The digests of slots, two words for each asked one: a sum of `addFold` over the newest version of each key whose
   * `from` is at least that of `minFroms`, without tombstones whose timestamp is at or below the slot's
   * watermark. They are kept, so that asking again costs little for slots that did not change.
   */
  slotDigests(slots: Uint16Array, minFroms: Uint8Array, signal?: AbortSignal): Promise<Uint32Array>;
  /** The newest version of each key of a slot, by fingerprint; none with `from` 0, as those are the node's own. */
  slotVersions(slot: number, signal?: AbortSignal): Promise<SlotVersions>;
  /**
   * The newest records of a slot's keys, of some fingerprints: two words for each, high and low. It leaves out what is
   * beyond `maxBytes`, but not the first record, and fingerprints that no key has.
   */
  slotRecords(
    slot: number,
    fingerprints: Uint32Array,
    maxBytes: number,
    signal?: AbortSignal,
  ): Promise<readonly KeyedRecord[]>;
  /** Resolves when every write that had been answered before the call is on the disk, whatever the durability. */
  sync(): Promise<void>;
  /**
   * The largest timestamp of what the slot may have lost by damage of its disk; 0: nothing is lost, as far as it is
   * known. Digests and versions have what is lost as the version just below its own. Undefined: the engine has no disk.
   */
  lostTo?(slot: number): number;
  /** How often something has come to be lost since the opening: what was found out before is not true of it. */
  readonly losses?: number;
  /** Looks whether what was lost in these slots is there again, so that `lostTo` knows it. */
  lookForLost?(slots: Uint16Array, signal?: AbortSignal): Promise<void>;
  /**
   * All owners of these slots were asked for what is lost: what may have been purged by the slots' watermarks, and none
   * of them had, was purged.
   */
  giveUpPurged?(slots: Uint16Array): void;
  /**
   * Of the node's own records that the disk has lost by now, those that the node needs were written anew. Should an older
   * one of the others show again, it does no harm.
   */
  giveUpPrivate?(): void;
  /** Watermarks were raised: what may go by them is purged when nothing else is to be done. */
  purge(): void;
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
