/**
 * This node's own copy of its records, for the coordinators of the cluster to read and write. It answers in their terms
 * (reply.ts, failure.ts), and refuses malformed records and versions of a clock that is too far ahead. Every write is
 * checked for that, this node's own too: a version that peers would refuse must not be found here later, newer than
 * what was acknowledged meanwhile.
 */
import {
  compareBytes,
  recordFault,
  recordFrom,
  recordTimestamp,
  recordValueStart,
  slotOf,
  WriteStatus,
} from '../../native-free-lsm/index.ts';
import type { Clock } from '../clock.ts';
import type { ExpiryTime } from '../expiry.ts';
import { FailureCode } from '../failure.ts';
import { LimitedLog } from '../limited-log.ts';
import {
  ABSENT,
  failed,
  found,
  incomplete,
  type ReplicaReply,
  type ReplySink,
  STORED,
  stale,
} from '../reply.ts';
import { isOwnKey, OWN_KEYS_START } from './own-records.ts';
import { PendingReads, PendingWrites } from './pending.ts';
import type { RangePage, StorageEngine } from './storage-engine.ts';
import { isExpected, isPoison, storageError, storageFailure } from './storage-fault.ts';

const LOG_PERIOD_MS = 5_000;
const MAX_PAGE_ENTRIES = 32_768;
const OWN_KEY = failed(FailureCode.malformed, 'no key of a client begins with the byte 0xff');
/** Such a record would be no client's: nothing that compares replicas would see it. */
const OWN_RECORD = failed(FailureCode.malformed, 'the record is for no replica: its `from` is 0');
const TIMESTAMP_AHEAD = failed(FailureCode.timestampAhead, 'timestamp too far ahead of the clock');

/** The part of the node's hybrid clock that a replica needs. */
export interface TimestampJudge extends ExpiryTime {
  /** Notes a timestamp; returns false, and notes nothing, when it is further ahead than the clock drift allowed. */
  follow(timestamp: number): boolean;
}

/** Whose reads count. What is missing may be filled while a read is on its way, so it is asked for twice. */
interface ReplicaWholeness {
  readonly isWhole: boolean;
  isSlotWhole(slot: number): boolean;
}

/** What is noted of a read when it begins, in place of the slot that its key is in. */
const SlotAtStart = {
  /** All of the node's data was whole. */
  whole: -1,
  /** In the slot something was missing: the read does not count, whatever is filled meanwhile. */
  lacking: -2,
} as const;

/** Knows up to which timestamp each slot is settled, and takes no more writes. */
interface SettlementJudge {
  /** No write with a later timestamp has to be judged. */
  readonly highest: number;
  /** Null: it may be stored; else its answer. */
  judge(key: Uint8Array, timestamp: number): ReplicaReply | null;
}

interface ReplicaLog {
  warn(message: string): void;
  error(message: string): void;
}

interface ReplicaOptions {
  readonly engine: StorageEngine;
  readonly wholeness: ReplicaWholeness;
  readonly timestamps: TimestampJudge;
  readonly settlements: SettlementJudge;
  readonly clock: Clock;
  readonly maxKeyBytes: number;
  readonly maxRecordBytes: number;
  readonly log: ReplicaLog;
}

interface ReplicaFigures {
  readonly readsInFlight: number;
  readonly writesInFlight: number;
  readonly readsFailed: number;
  readonly writesFailed: number;
  /** Writes that failed because their timestamp was too far ahead. */
  readonly refusedForClock: number;
  readonly refusedMalformed: number;
}

export class Replica {
  readonly #engine: StorageEngine;
  readonly #wholeness: ReplicaWholeness;
  readonly #timestamps: TimestampJudge;
  readonly #settlements: SettlementJudge;
  readonly #maxKeyBytes: number;
  readonly #maxRecordBytes: number;
  readonly #log: ReplicaLog;
  readonly #limitedLog: LimitedLog<'clock' | 'malformed' | 'fault'>;
  readonly #reads: PendingReads;
  readonly #versionReads: PendingReads;
  readonly #writes: PendingWrites;
  #readsFailed = 0;
  #writesFailed = 0;
  #refusedForClock = 0;
  #refusedMalformed = 0;
  #isPoisoned = false;
  #writeRefusal: ReplicaReply | null = null;

  constructor(options: ReplicaOptions) {
    this.#engine = options.engine;
    this.#wholeness = options.wholeness;
    this.#timestamps = options.timestamps;
    this.#settlements = options.settlements;
    this.#maxKeyBytes = options.maxKeyBytes;
    this.#maxRecordBytes = options.maxRecordBytes;
    this.#log = options.log;
    this.#limitedLog = new LimitedLog(options.log, options.clock, LOG_PERIOD_MS);
    this.#reads = new PendingReads((record, error, slot) => this.#readReply(record, error, slot, false));
    this.#versionReads = new PendingReads((record, error, slot) =>
      this.#readReply(record, error, slot, true),
    );
    this.#writes = new PendingWrites((status, metTimestamp, metWriter, error) =>
      this.#writeReply(status, metTimestamp, metWriter, error),
    );
  }

  read(key: Uint8Array, sink: ReplySink, position: number): void {
    this.#engine.read(key, this.#reads, this.#reads.add(sink, position, this.#slotAtStart(key)));
  }

  /** Like `read`, but the record in the answer is its header alone. */
  readVersion(key: Uint8Array, sink: ReplySink, position: number): void {
    this.#engine.read(
      key,
      this.#versionReads,
      this.#versionReads.add(sink, position, this.#slotAtStart(key)),
    );
  }

  /** @param refusal the answer to every write, whoever sent it; null: writes are accepted again */
  refuseWrites(refusal: ReplicaReply | null): void {
    this.#writeRefusal = refusal;
  }

  /**
   * Stores a record that this node's own coordinator made, unless there is a newer one.
   * @param timeoutMs how long anybody waits for it
   */
  write(
    key: Uint8Array,
    record: Uint8Array,
    sink: ReplySink,
    position: number,
    timeoutMs = Number.POSITIVE_INFINITY,
  ): void {
    this.#store(key, record, 'this node', sink, position, timeoutMs);
  }

  /** Checks a record that came from another node, and stores it. */
  writeFromPeer(
    key: Uint8Array,
    record: Uint8Array,
    sink: ReplySink,
    position: number,
    timeoutMs = Number.POSITIVE_INFINITY,
  ): void {
    const fault = this.#faultOf(key, record);
    if (fault === null) this.#store(key, record, 'a peer', sink, position, timeoutMs);
    else {
      this.#refusedMalformed++;
      this.#limitedLog.warn('malformed', `Refused a peer's write: ${fault.reason}`);
      sink.onReply(position, fault);
    }
  }

  /**
   * Like `writeFromPeer`, for a record that comes in a round of anti-entropy. It may be as old as what is settled, because
   * it is part of what the round settles.
   */
  writeOfRound(
    key: Uint8Array,
    record: Uint8Array,
    sink: ReplySink,
    position: number,
    timeoutMs: number,
  ): void {
    const fault = this.#faultOf(key, record);
    if (fault !== null) sink.onReply(position, fault);
    else this.#take(key, record, recordTimestamp(record, 0), 'a round', sink, position, timeoutMs);
  }

  /** Resolves when every write that was taken before has been answered: it is visible then, or failed. */
  whenWritten(): Promise<void> {
    return this.#writes.whenAnswered();
  }

  /**
   * One page of the clients' entries that this node has, in key order, of at most `maxBytes` unless its first entry is
   * larger.
   *
   * @param end exclusive; null: to the last key
   * @param encoder how its entries are encoded: a number that the engine knows
   * @throws QuorateError OVERLOADED, DRAINING or STORAGE; the signal's reason once it is aborted
   */
  async page(
    start: Uint8Array,
    end: Uint8Array | null,
    maxBytes: number,
    encoder: number,
    signal: AbortSignal,
  ): Promise<RangePage> {
    signal.throwIfAborted();
    let page: RangePage;
    try {
      const limits = { maxBytes, maxEntries: MAX_PAGE_ENTRIES };
      const form = { includeTombstones: false, encoder, nowMs: this.#timestamps.nowMs() };
      page = await this.#engine.rangePage({ start, end: clientsEnd(end), ...limits, ...form });
    } catch (error) {
      throw storageError(error);
    }
    if (signal.aborted) {
      page[Symbol.dispose]();
      throw signal.reason;
    }
    return page;
  }

  /**
   * Whether a write has found that a sync failed or the writer thread died. Writes fail until the node is started
   * again; reads go on.
   */
  get isPoisoned(): boolean {
    return this.#isPoisoned;
  }

  figures(): ReplicaFigures {
    return {
      readsInFlight: this.#reads.count + this.#versionReads.count,
      writesInFlight: this.#writes.count,
      readsFailed: this.#readsFailed,
      writesFailed: this.#writesFailed,
      refusedForClock: this.#refusedForClock,
      refusedMalformed: this.#refusedMalformed,
    };
  }

  #store(
    key: Uint8Array,
    record: Uint8Array,
    who: string,
    sink: ReplySink,
    position: number,
    timeoutMs: number,
  ): void {
    const timestamp = recordTimestamp(record, 0);
    // No slot is settled up to the time of a request, so that this is one comparison for nearly every write.
    const refusal = timestamp <= this.#settlements.highest ? this.#settlements.judge(key, timestamp) : null;
    if (refusal !== null) sink.onReply(position, refusal);
    else this.#take(key, record, timestamp, who, sink, position, timeoutMs);
  }

  #take(
    key: Uint8Array,
    record: Uint8Array,
    timestamp: number,
    who: string,
    sink: ReplySink,
    position: number,
    timeoutMs: number,
  ): void {
    if (isOwnKey(key)) sink.onReply(position, OWN_KEY);
    else if (this.#writeRefusal !== null) sink.onReply(position, this.#writeRefusal);
    else if (this.#timestamps.follow(timestamp))
      this.#engine.write(key, record, this.#writes, this.#writes.add(sink, position), timeoutMs);
    else sink.onReply(position, this.#refuseForClock(who));
  }

  #slotAtStart(key: Uint8Array): number {
    if (this.#wholeness.isWhole) return SlotAtStart.whole;
    const slot = slotOf(key);
    return this.#wholeness.isSlotWhole(slot) ? slot : SlotAtStart.lacking;
  }

  /** Whether a read counts that is answered now: something may have been found missing since it began. */
  #counts(slot: number): boolean {
    if (slot === SlotAtStart.whole) return this.#wholeness.isWhole;
    return slot !== SlotAtStart.lacking && this.#wholeness.isSlotWhole(slot);
  }

  #readReply(
    record: Uint8Array | null,
    error: Error | null,
    slot: number,
    headerOnly: boolean,
  ): ReplicaReply {
    if (error !== null) {
      this.#readsFailed++;
      this.#noteFault('read', error);
      return storageFailure(error);
    }
    const part = record !== null && headerOnly ? headerOf(record) : record;
    if (!this.#counts(slot)) return incomplete(part);
    return part === null ? ABSENT : found(part);
  }

  #writeReply(
    status: WriteStatus,
    metTimestamp: number,
    metWriter: number,
    error: Error | null,
  ): ReplicaReply {
    if (status === WriteStatus.applied) return STORED;
    if (status === WriteStatus.stale) return stale(metTimestamp, metWriter);
    this.#writesFailed++;
    if (error !== null) this.#noteFault('write', error);
    return storageFailure(error);
  }

  #faultOf(key: Uint8Array, record: Uint8Array): ReplicaReply | null {
    if (key.length === 0) return failed(FailureCode.malformed, 'the key is empty');
    if (isOwnKey(key)) return OWN_KEY;
    if (key.length > this.#maxKeyBytes) {
      const reason = `a key of ${key.length} bytes is above ${this.#maxKeyBytes}`;
      return failed(FailureCode.keyTooLong, reason);
    }
    if (record.length > this.#maxRecordBytes) {
      const reason = `a record of ${record.length} bytes is above ${this.#maxRecordBytes}`;
      return failed(FailureCode.tooLarge, reason);
    }
    const fault = recordFault(record, 0, record.length);
    if (fault !== undefined) return failed(FailureCode.malformed, fault);
    return recordFrom(record, 0) === 0 ? OWN_RECORD : null;
  }

  #refuseForClock(whose: string): ReplicaReply {
    this.#refusedForClock++;
    this.#limitedLog.warn(
      'clock',
      `Refused a write of ${whose}: its timestamp is too far ahead of this clock; unless the node was started just now, set the clocks of the cluster right (NTP)`,
    );
    return TIMESTAMP_AHEAD;
  }

  #noteFault(what: string, error: Error): void {
    if (isPoison(error)) {
      if (this.#isPoisoned) return;
      this.#isPoisoned = true;
      this.#log.error(`The node takes no more writes until it is started again: ${error.message}`);
    } else if (!isExpected(error)) {
      this.#limitedLog.error('fault', `A ${what} failed: ${error.message}`);
    }
  }
}

/** Where a scan for clients ends: before the node's own records. */
function clientsEnd(end: Uint8Array | null): Uint8Array {
  if (end === null) return OWN_KEYS_START;
  const isBefore = compareBytes(end, 0, end.length, OWN_KEYS_START, 0, OWN_KEYS_START.length) < 0;
  return isBefore ? end : OWN_KEYS_START;
}

/** In memory of its own: whoever keeps it is not to keep the value, which may be large. */
function headerOf(record: Uint8Array): Uint8Array {
  return new Uint8Array(record.subarray(0, recordValueStart(record, 0)));
}
