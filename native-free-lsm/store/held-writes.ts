import { recordTimestamp } from '../format/record.ts';
import type { QueuedWrite } from './queued-write.ts';
import type { KeyedRecord } from './sinks.ts';

/** Below every timestamp. */
const NOT_HELD = -1;

interface HeldWrite {
  readonly write: QueuedWrite;
  readonly sinceMs: number;
}

/**
 * Writes that are held back, in the order in which they came, and why:
 *
 * - those that are not newer than what comes into tables by another way than the writer's;
 * - conditional ones, for as long as a large batch is under way that was called before them, as they must see it;
 * - whatever comes behind such a conditional write and touches its keys: it would be seen by it, and was called later;
 * - a deletion of a range, while anything is held back by its keys: it may touch any of them; and all that comes behind a
 *   deletion of a range that is held back, as that must be newer than all before it, and older than all behind it;
 * - a batch without puts, which waits for all that came before it.
 *
 * Pure.
 */
export class HeldWrites {
  #upTo = NOT_HELD;
  /** Numbers of the large batches that are under way, the one that was called first before the others. */
  readonly #batches = new Set<number>();
  #lastBatch = 0;
  #writes: HeldWrite[] = [];
  /** What those that wait for a large batch touch. */
  readonly #keys = new Set<string>();
  /** Whether a deletion of a range is among them. */
  #hasRange = false;

  get count(): number {
    return this.#writes.length;
  }

  /** Whether nothing is held back, and no put that comes would be. */
  get isIdle(): boolean {
    return this.#writes.length === 0 && this.#upTo === NOT_HELD;
  }

  /** From now on writes of a timestamp up to this one are held back. */
  holdUpTo(timestamp: number): void {
    this.#upTo = timestamp;
  }

  releaseUpTo(): void {
    this.#upTo = NOT_HELD;
  }

  /** A large batch is called. @returns its number */
  batchBegun(): number {
    this.#batches.add(++this.#lastBatch);
    return this.#lastBatch;
  }

  /** It is answered, or about to be. */
  batchEnded(batch: number): void {
    this.#batches.delete(batch);
  }

  /** Whether any large batch is under way. */
  get hasBatches(): boolean {
    return this.#batches.size > 0;
  }

  /** The last large batch that was called. */
  get lastBatch(): number {
    return this.#lastBatch;
  }

  /** Whether a single put is to be held back now. */
  holdsPut(key: Uint8Array, record: Uint8Array): boolean {
    if (this.#hasRange) return true;
    if (this.#upTo !== NOT_HELD && recordTimestamp(record, 0) <= this.#upTo) return true;
    return this.#keys.size > 0 && this.#keys.has(textOf(key));
  }

  /** Whether a write that comes now, behind all that are held back, is to be held back, too. */
  holds(write: QueuedWrite): boolean {
    const { conditions, puts } = write;
    if (puts.length === 0) return this.#writes.length > 0;
    if (this.#hasRange || (write.hasRange && this.#keys.size > 0)) return true;
    if (this.#waitsForBatch(write) || this.#touches(puts) || this.#touches(conditions)) return true;
    return this.#upTo !== NOT_HELD && puts.some(({ record }) => recordTimestamp(record, 0) <= this.#upTo);
  }

  /** @param sinceMs when it came */
  add(write: QueuedWrite, sinceMs: number): void {
    this.#writes.push({ write, sinceMs });
    if (write.hasRange) this.#hasRange = true;
    if (this.#batches.size === 0) return;
    for (const { key } of write.conditions) this.#keys.add(textOf(key));
    for (const { key } of write.puts) this.#keys.add(textOf(key));
  }

  /** Takes out those that are held back for no reason any more. */
  takeReleased(): QueuedWrite[] {
    const released: QueuedWrite[] = [];
    for (const { sinceMs, write } of this.#takeAll()) {
      if (this.holds(write)) this.add(write, sinceMs);
      else released.push(write);
    }
    return released;
  }

  /** Takes out those that have been held back since this time, or for longer. */
  takeHeldSince(timeMs: number): QueuedWrite[] {
    const late: QueuedWrite[] = [];
    for (const { sinceMs, write } of this.#takeAll()) {
      if (sinceMs > timeMs) this.add(write, sinceMs);
      else late.push(write);
    }
    return late;
  }

  takeAll(): QueuedWrite[] {
    return this.#takeAll().map(({ write }) => write);
  }

  #takeAll(): HeldWrite[] {
    const writes = this.#writes;
    this.#writes = [];
    this.#keys.clear();
    this.#hasRange = false;
    return writes;
  }

  #waitsForBatch({ behind, conditions }: QueuedWrite): boolean {
    if (conditions.length === 0) return false;
    // A set keeps the order of its numbers, so the first is the least.
    for (const batch of this.#batches) return batch <= behind;
    return false;
  }

  #touches(keyed: readonly KeyedRecord[]): boolean {
    return this.#keys.size > 0 && keyed.some(({ key }) => this.#keys.has(textOf(key)));
  }
}

function textOf({ buffer, byteLength, byteOffset }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
}
