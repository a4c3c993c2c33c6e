// By import, as the global one is got by a call.
import { Buffer } from 'node:buffer';
import { copyBytes } from './format/bytes.ts';
import { isVisible, recordValueStart } from './format/record.ts';
import type { ReadableStore } from './store/readable-store.ts';
import type { InPlaceSink } from './store/sinks.ts';
import type { StoreSnapshot } from './store/store-snapshot.ts';
import { toLsmError } from './threads/protocol/errors.ts';

/** More at once could exceed the queues of the disk. */
const READS_AT_ONCE = 512;

type Value = Uint8Array | undefined;

/**
 * Reads many keys as one call: one promise, and for what memory holds no object but the value. Those that need the disk
 * go to the readers together, and no more at a time than their queues take.
 */
export class ManyReads implements InPlaceSink {
  readonly #store: Pick<ReadableStore, 'readInPlace'>;
  readonly #keys: readonly Uint8Array[];
  readonly #snapshot: StoreSnapshot | undefined;
  readonly #nowMs: () => number;
  readonly #values: Value[];
  readonly #settled = Promise.withResolvers<Value[]>();
  #next = 0;
  #underWay = 0;
  #isStarting = false;
  #failed = false;

  /**
   * @param keys bytes
   * @param snapshot undefined: the newest state
   * @param nowMs what values expire by
   */
  constructor(
    store: Pick<ReadableStore, 'readInPlace'>,
    keys: readonly Uint8Array[],
    snapshot: StoreSnapshot | undefined,
    nowMs: () => number,
  ) {
    this.#store = store;
    this.#keys = keys;
    this.#snapshot = snapshot;
    this.#nowMs = nowMs;
    this.#values = new Array<Value>(keys.length).fill(undefined);
  }

  /** Rejects with the first failure; the other reads are dropped. */
  run(): Promise<Value[]> {
    this.#startMore();
    return this.#settled.promise;
  }

  onRecord(token: number, bytes: Uint8Array, start: number, end: number): void {
    this.#underWay--;
    if (!isVisible(bytes, start, this.#nowMs)) return;
    const valueStart = recordValueStart(bytes, start);
    const value = Buffer.allocUnsafe(end - valueStart);
    copyBytes(bytes, valueStart, end, value, 0);
    this.#values[token] = value;
  }

  onRead(token: number, record: Uint8Array | null, error: Error | null): void {
    this.#underWay--;
    if (error !== null) {
      this.#failed = true;
      this.#settled.reject(error);
      return;
    }
    if (record !== null && isVisible(record, 0, this.#nowMs))
      this.#values[token] = record.subarray(recordValueStart(record, 0));
    if (!this.#isStarting) this.#startMore();
  }

  /** Answers that come during a call are handled by the loop, not by another one inside it. */
  #startMore(): void {
    const keys = this.#keys;
    this.#isStarting = true;
    while (this.#next < keys.length && this.#underWay < READS_AT_ONCE && !this.#failed) {
      const index = this.#next++;
      this.#underWay++;
      try {
        this.#store.readInPlace(keys[index], this.#snapshot, this, index);
      } catch (error) {
        // There is no memory for a value, and it may be an earlier answer that has come here.
        this.#failed = true;
        this.#settled.reject(toLsmError(error, 'answering reads'));
      }
    }
    this.#isStarting = false;
    if (this.#underWay === 0 && !this.#failed) this.#settled.resolve(this.#values);
  }
}
