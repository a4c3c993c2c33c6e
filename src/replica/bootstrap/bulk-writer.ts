/** Writes the entries of a bulk page into the engine, as many together as a batch may hold; each put is a put-if-newer. */
import {
  type KeyedRecord,
  Page,
  recordFault,
  recordFrom,
  recordTimestamp,
  type WriteSink,
  WriteStatus,
} from '../../../native-free-lsm/index.ts';
import { isOwnKey } from '../own-records.ts';
import type { TimestampJudge } from '../replica.ts';
import type { StorageEngine } from '../storage-engine.ts';
import { storageError } from '../storage-fault.ts';

/** Large enough that a sync of the log costs little, small enough that clients' writes wait for no more than it. */
const BATCH_BYTES = 128 * 1024;
const PUT_OVERHEAD_BYTES = 8;

interface BulkWriterOptions {
  readonly engine: Pick<StorageEngine, 'writeBatch'>;
  readonly timestamps: Pick<TimestampJudge, 'follow'>;
  readonly maxKeyBytes: number;
  /** The largest batch that the engine takes. */
  readonly maxBatchBytes: number;
}

interface Written {
  readonly entries: number;
  /** Those that no node could have written. */
  readonly malformed: number;
}

class BatchSink implements WriteSink {
  readonly #done = Promise.withResolvers<void>();

  get done(): Promise<void> {
    return this.#done.promise;
  }

  onWrite(_token: number, status: WriteStatus, _at: number, _by: number, error: Error | null): void {
    // Where all of it is stale, something newer is there.
    if (status === WriteStatus.failed) this.#done.reject(storageError(error));
    else this.#done.resolve();
  }
}

export class BulkWriter {
  readonly #options: BulkWriterOptions;

  constructor(options: BulkWriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves once all of it is as durable as a client's write.
   * @param entries packed as a page of a scan
   * @throws QuorateError OVERLOADED, DRAINING, STORAGE; also when an entry is too far ahead of this node's clock
   */
  async write(entries: Uint8Array, signal: AbortSignal): Promise<Written> {
    const { engine, maxKeyBytes, timestamps } = this.#options;
    const maxBytes = Math.min(BATCH_BYTES, this.#options.maxBatchBytes);
    const page = new Page(entries, entries.length, null);
    let puts: KeyedRecord[] = [];
    let bytes = PUT_OVERHEAD_BYTES;
    let written = 0;
    let malformed = 0;
    let isAhead = false;
    // What was asked for before the folder was found to lack more may be from before that.
    signal.throwIfAborted();
    const under: Promise<void>[] = [];
    // Batches that are in the ring together share a sync.
    const flush = (): void => {
      if (puts.length === 0) return;
      const sink = new BatchSink();
      under.push(sink.done);
      engine.writeBatch(puts, sink, 0);
      written += puts.length;
      puts = [];
      bytes = PUT_OVERHEAD_BYTES;
    };
    while (page.next()) {
      const key = entries.subarray(page.keyStart, page.keyEnd);
      const record = entries.subarray(page.recordStart, page.recordEnd);
      const isSound =
        key.length > 0 &&
        key.length <= maxKeyBytes &&
        !isOwnKey(key) &&
        recordFault(record, 0, record.length) === undefined &&
        recordFrom(record, 0) > 0;
      if (!isSound) {
        malformed++;
        continue;
      }
      // A later try may find that this node's time has come as far.
      if (!timestamps.follow(recordTimestamp(record, 0))) {
        isAhead = true;
        continue;
      }
      const size = PUT_OVERHEAD_BYTES + key.length + record.length;
      if (bytes + size > maxBytes) flush();
      puts.push({ key, record });
      bytes += size;
    }
    flush();
    await Promise.all(under);
    if (isAhead) throw storageError(new Error('an entry is too far ahead of this clock'));
    return { entries: written, malformed };
  }
}
