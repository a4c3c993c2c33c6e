import { encodeRecord, recordSizeBytes, writeRecord } from './format/record.ts';
import { putOperationBytes, writePutHead } from './log/write-operation.ts';
import { Memtable } from './memtable/memtable.ts';
import type { DirectBatch, KeyedRecord } from './store/sinks.ts';

const NOTHING = new Uint8Array(0);

/**
 * The value of one call of `Engine.put`, as a batch that is encoded where the writer thread reads it. One object serves
 * all calls, each of which uses it before it returns.
 */
export class SinglePut implements DirectBatch {
  operationBytes = 0;
  memtableBytes = 0;
  largestPutBytes = 0;
  #key: Uint8Array = NOTHING;
  #value: Uint8Array = NOTHING;
  readonly #fields = { timestamp: 0, writer: 0, tombstone: false, from: 1, expiryMs: 0 };

  /** @param expiryMs 0: never */
  set(key: Uint8Array, value: Uint8Array, timestamp: number, expiryMs: number): void {
    this.#key = key;
    this.#value = value;
    this.#fields.timestamp = timestamp;
    this.#fields.expiryMs = expiryMs;
    const recordBytes = recordSizeBytes(value.length, expiryMs > 0);
    this.operationBytes = putOperationBytes(key.length, recordBytes);
    this.largestPutBytes = this.operationBytes;
    this.memtableBytes = Memtable.entryBytes(key.length, recordBytes);
  }

  /** Keeps nothing of the call alive. */
  clear(): void {
    this.#key = NOTHING;
    this.#value = NOTHING;
  }

  encode(target: Uint8Array, at: number): boolean {
    // Another thread may have lengthened a view of memory that grows: what lies behind in the ring is not this put's.
    const recordBytes = recordSizeBytes(this.#value.length, this.#fields.expiryMs > 0);
    if (putOperationBytes(this.#key.length, recordBytes) !== this.operationBytes) return false;
    writeRecord(target, writePutHead(target, at, this.#key, recordBytes), this.#fields, this.#value);
    return true;
  }

  puts(): KeyedRecord[] {
    return [{ key: this.#key, record: encodeRecord(this.#fields, this.#value) }];
  }
}
