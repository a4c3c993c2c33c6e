import type { EngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import { copyBytes } from '../format/bytes.ts';
import { writeUint32 } from '../format/integers.ts';
import { recordTimestamp } from '../format/record.ts';
import { PAGE_ENTRY_HEADER_BYTES } from '../iterator/page.ts';
import type { EngineOptions } from '../options.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import { toLsmError } from '../threads/protocol/errors.ts';
import { errorOfWriteCode, WriteCode } from '../threads/protocol/writer-messages.ts';
import { compareKeys, LEVELS, type Version } from '../version/version.ts';
import type { Maintenance } from './maintenance.ts';
import { answerWrite, type KeyedRecord, type WriteSink, WriteStatus } from './sinks.ts';
import type { SuperVersions } from './super-versions.ts';
import type { WriteQueue } from './write-queue.ts';

interface LargeBatchesParts {
  readonly clock: EngineClock;
  readonly options: Pick<EngineOptions, 'writeStallTimeoutMs'>;
  readonly maintenance: Pick<
    Maintenance,
    'alone' | 'betweenFlushes' | 'flushed' | 'isInDoubt' | 'writeBatch'
  >;
  readonly superVersions: Pick<SuperVersions, 'handle' | 'pin' | 'unpin'>;
  readonly writes: Pick<WriteQueue, 'batchBegun' | 'batchEnded' | 'hold' | 'refuseHeld' | 'release'>;
  /** Has the active memtable sealed, unless it is empty, whatever is held back; returns the generation after it. */
  readonly seal: () => Promise<number>;
}

/** A batch that waits for its turn. */
interface WaitingBatch {
  readonly sinceMs: number;
  readonly reject: (error: LsmError) => void;
}

/** What is written at one time. */
interface PackedBatch {
  readonly entries: SharedArrayBuffer;
  readonly smallestKey: Uint8Array;
  readonly largestKey: Uint8Array;
  readonly smallestTimestamp: number;
  readonly largestTimestamp: number;
}

const IN_DOUBT = new LsmError('IO_ERROR', 'the disk does not say whether a large batch is there');

/**
 * Writes batches that are too large for a memtable and its log: sorted, straight into tables, which one edit of the
 * manifest puts in force. So a batch is there as a whole or not at all, for readers and after a crash, and is durable
 * when it is answered. Batches take turns. One at a time has a copy of its records in memory, besides what its caller
 * holds.
 *
 * A read stops at its first hit from above. So the tables must lie above everything older of their keys, and below
 * everything newer (RocksDB's ingestion of files has the same two conditions):
 *
 * - Writes that are not newer than all of the batch wait from its turn on, and what memtables hold by then is flushed:
 *   nothing older is left in memory.
 * - The numbers of its tables, which are their order in level 0, are taken between two flushes. What is flushed later
 *   lies above them. Something newer that was flushed before has the batch's record of its key left out.
 * - It goes into the deepest level above which, and in which, no table meets it. No compaction runs meanwhile.
 *
 * Reads go on, and so do newer writes. Conditional writes wait: they must see every write that was called before.
 */
export class LargeBatches {
  readonly #parts: LargeBatchesParts;
  readonly #underWay = new Set<Promise<void>>();
  readonly #waiting = new Set<WaitingBatch>();

  constructor(parts: LargeBatchesParts) {
    this.#parts = parts;
  }

  /** @param puts at least one; they must not change before the answer */
  write(puts: readonly KeyedRecord[], sink: WriteSink, token: number): void {
    const { writes } = this.#parts;
    const batch = writes.batchBegun();
    const done = this.#inTurn(puts, batch).then(
      (status) => answerWrite(sink, token, status, 0, 0, null),
      (cause) =>
        answerWrite(sink, token, WriteStatus.failed, 0, 0, toLsmError(cause, 'writing a large batch')),
    );
    this.#underWay.add(done);
    done.then(() => {
      this.#underWay.delete(done);
      // Also where it has not come to its turn.
      writes.batchEnded(batch);
    });
  }

  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  /** Resolves when all that were begun before are answered. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** What has the turn waits for something that has failed for so long: refuses those that have waited long enough. */
  stalled(forMs: number): void {
    const { clock, options } = this.#parts;
    if (forMs < options.writeStallTimeoutMs) return;
    const lateMs = clock.monotonicMs() - options.writeStallTimeoutMs;
    for (const waiting of this.#waiting) {
      if (waiting.sinceMs > lateMs) continue;
      this.#waiting.delete(waiting);
      waiting.reject(errorOfWriteCode(WriteCode.overloaded));
    }
  }

  #inTurn(puts: readonly KeyedRecord[], batch: number): Promise<WriteStatus> {
    return new Promise((resolve, reject) => {
      const waiting = { sinceMs: this.#parts.clock.monotonicMs(), reject };
      this.#waiting.add(waiting);
      const begin = (): boolean => this.#waiting.delete(waiting);
      this.#take(puts, batch, begin).then(resolve, reject).finally(begin);
    });
  }

  /** @param begin its turn has come; it returns false when the batch has been refused meanwhile */
  #take(puts: readonly KeyedRecord[], batch: number, begin: () => boolean): Promise<WriteStatus> {
    const { maintenance, seal, writes } = this.#parts;
    return maintenance.alone(async (quiet) => {
      if (!begin()) return WriteStatus.failed;
      const packed = pack(puts);
      try {
        await writes.hold(packed.largestTimestamp);
        await maintenance.flushed(await seal());
        await quiet();
        return await this.#write(packed);
      } finally {
        // After a start it might be there, below what was held back for it.
        if (maintenance.isInDoubt) writes.refuseHeld(IN_DOUBT);
        else writes.release();
        // Before the next one's turn: what was called between them must not see that.
        writes.batchEnded(batch);
      }
    });
  }

  async #write(packed: PackedBatch): Promise<WriteStatus> {
    const { maintenance, superVersions } = this.#parts;
    const { entries, largestKey, smallestKey, smallestTimestamp } = packed;
    const { superVersion, job } = await maintenance.betweenFlushes((makeJob) => {
      const superVersion = superVersions.pin();
      const { version } = superVersion;
      const newer = version.levels.map((_, level) =>
        version
          .overlapping(level, smallestKey, largestKey)
          .filter(({ largestTimestamp }) => largestTimestamp >= smallestTimestamp)
          .map(({ id }): TableHandle => superVersions.handle(id)),
      );
      return { superVersion, job: makeJob({ entries, newer }, levelFor(version, smallestKey, largestKey)) };
    });
    try {
      return (await maintenance.writeBatch(job)) ? WriteStatus.applied : WriteStatus.stale;
    } finally {
      superVersions.unpin(superVersion);
    }
  }
}

/** The deepest level into which the range may go so that it lies above all tables that it meets. */
function levelFor(version: Version, smallestKey: Uint8Array, largestKey: Uint8Array): number {
  let level = 0;
  while (level < LEVELS && version.overlapping(level, smallestKey, largestKey).length === 0) level++;
  return Math.max(0, level - 1);
}

/** Copies all records into one memory, which another thread sorts. */
function pack(puts: readonly KeyedRecord[]): PackedBatch {
  let size = 0;
  for (const { key, record } of puts) size += PAGE_ENTRY_HEADER_BYTES + key.length + record.length;
  const entries = new SharedArrayBuffer(size);
  const bytes = new Uint8Array(entries);
  let smallestKey = puts[0].key;
  let largestKey = smallestKey;
  let smallestTimestamp = Number.POSITIVE_INFINITY;
  let largestTimestamp = 0;
  let at = 0;
  for (const { key, record } of puts) {
    writeUint32(bytes, at, key.length);
    writeUint32(bytes, at + 4, record.length);
    copyBytes(key, 0, key.length, bytes, at + PAGE_ENTRY_HEADER_BYTES);
    copyBytes(record, 0, record.length, bytes, at + PAGE_ENTRY_HEADER_BYTES + key.length);
    at += PAGE_ENTRY_HEADER_BYTES + key.length + record.length;
    if (compareKeys(key, smallestKey) < 0) smallestKey = key;
    else if (compareKeys(key, largestKey) > 0) largestKey = key;
    const timestamp = recordTimestamp(record, 0);
    smallestTimestamp = Math.min(smallestTimestamp, timestamp);
    largestTimestamp = Math.max(largestTimestamp, timestamp);
  }
  return { entries, smallestKey, largestKey, smallestTimestamp, largestTimestamp };
}
