/**
 * Writes what a bulk copy has gathered. What is some seconds old, which is nearly everything, goes into tables below all
 * others, and is written once. What is newer, and what must not go below as something older lies above, is put like any
 * record, as many together as a batch may hold; each put is a put-if-newer.
 */
import {
  type KeyedRecord,
  type PackedPiece,
  Page,
  recordTimestamp,
  type WriteSink,
  WriteStatus,
} from '../../../native-free-lsm/index.ts';
import { OWN_KEYS_START } from '../own-records.ts';
import type { TimestampJudge } from '../replica.ts';
import type { StorageEngine } from '../storage-engine.ts';
import { storageError } from '../storage-fault.ts';
import type { Span } from './bulk-span.ts';

/** Large enough that a sync of the log costs little, small enough that clients' writes wait for no more than it. */
const BATCH_BYTES = 128 * 1024;
const PUT_OVERHEAD_BYTES = 8;
/** Those that are under way together share a sync. A client's write waits behind all of them. */
const MAX_BATCHES_UNDER_WAY = 4;

interface BulkWriterOptions {
  readonly engine: Pick<StorageEngine, 'ingest' | 'writeBatch'>;
  readonly timestamps: Pick<TimestampJudge, 'follow'>;
  /** The largest batch that the engine takes. */
  readonly maxBatchBytes: number;
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
  /** The last span that the engine has taken, and what it has left of it. */
  #taken: { readonly span: Span; readonly left: Uint8Array } | null = null;

  constructor(options: BulkWriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves once all of it is as durable as a client's write.
   * @throws QuorateError OVERLOADED, DRAINING, STORAGE; also when an entry is too far ahead of this node's clock
   */
  async write(span: Span, signal: AbortSignal): Promise<void> {
    // What was asked for before the folder was found to lack more may be from before that.
    signal.throwIfAborted();
    const left = await this.#ingest(span);
    if (left !== null) await this.#put(left, [{ start: 0, end: left.length }], signal);
    else {
      const entries = new Uint8Array(span.memory);
      for (const pieces of span.runs) await this.#put(entries, pieces, signal);
    }
    await this.#put(span.fresh, [{ start: 0, end: span.fresh.length }], signal);
    this.#taken = null;
  }

  /** @returns what must be put instead; null: all of it */
  async #ingest(span: Span): Promise<Uint8Array | null> {
    // It was taken, and what it left could not be put. Another time would write all of it again.
    if (this.#taken?.span === span) return this.#taken.left;
    const { bytes, end, largestTimestamp, memory, runs, start } = span;
    const { engine, timestamps } = this.#options;
    if (bytes === 0 || !timestamps.follow(largestTimestamp)) return null;
    try {
      const range = { smallestKey: start, largestKey: end ?? OWN_KEYS_START };
      const left = await engine.ingest({ entries: memory, runs, largestTimestamp, ...range });
      if (left !== null) this.#taken = { span, left };
      return left;
    } catch {
      // A damaged table among those that it meets, or an entry that is not in order, does not stop puts. What stops them
      // as well is said by them.
      return null;
    }
  }

  async #put(entries: Uint8Array, pieces: readonly PackedPiece[], signal: AbortSignal): Promise<void> {
    const { engine, timestamps } = this.#options;
    const maxBytes = Math.min(BATCH_BYTES, this.#options.maxBatchBytes);
    let puts: KeyedRecord[] = [];
    let bytes = PUT_OVERHEAD_BYTES;
    let isAhead = false;
    const under: Promise<void>[] = [];
    const flush = (): void => {
      if (puts.length === 0) return;
      const sink = new BatchSink();
      under.push(sink.done);
      engine.writeBatch(puts, sink, 0);
      puts = [];
      bytes = PUT_OVERHEAD_BYTES;
    };
    for (const { start, end } of pieces) {
      const page = new Page(entries.subarray(start, end), end - start, null);
      while (page.next()) {
        const key = page.bytes.subarray(page.keyStart, page.keyEnd);
        const record = page.bytes.subarray(page.recordStart, page.recordEnd);
        // A later try may find that this node's time has come as far.
        if (!timestamps.follow(recordTimestamp(record, 0))) {
          isAhead = true;
          continue;
        }
        const size = PUT_OVERHEAD_BYTES + key.length + record.length;
        if (bytes + size > maxBytes) flush();
        if (under.length === MAX_BATCHES_UNDER_WAY) await settled(under, signal);
        puts.push({ key, record });
        bytes += size;
      }
    }
    flush();
    await settled(under, signal);
    if (isAhead) throw storageError(new Error('an entry is too far ahead of this clock'));
  }
}

/** Resolves when all of these batches are written, none of which remains. */
async function settled(under: Promise<void>[], signal: AbortSignal): Promise<void> {
  await Promise.all(under.splice(0));
  signal.throwIfAborted();
}
