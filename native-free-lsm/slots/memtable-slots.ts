import { Fingerprinter, slotOfFingerprint } from '../format/fingerprint.ts';
import type { HashSeed } from '../format/hash.ts';
import { recordFlags, recordFrom, recordTimestamp, recordWriter } from '../format/record.ts';
import { SLOT_COUNT, slotOf } from '../format/slot.ts';
import { allocationsStart } from '../memtable/arena-layout.ts';
import type { ArrivalCursor } from '../memtable/arrival-cursor.ts';
import { Memtable } from '../memtable/memtable.ts';
import type { SlotRows } from './slot-rows.ts';
import type { SlotSet } from './slot-set.ts';

/**
 * The keys of a memtable by slot, in shared memory beside its arena: jobs go on where the one before has ended, so each
 * key is hashed once, and the writer does nothing for it. One job at a time writes and reads it, and the message that
 * brings it the memory orders its accesses after those of the job before. Words of 32 bits:
 *
 *   0       generation of the memtable whose keys these are
 *   1       offset in the arena up to which entries have been looked at
 *   2       rows
 *   3       tombstones and values with an expiry among the entries that were looked at
 *   4 ...   by slot, one more than its row that was added last; 0: none
 *   ...     rows: fingerprint high, low, key node, one more than the row of the same slot before; 0: none
 */
const Word = { generation: 0, lookedAt: 1, rows: 2, purgeable: 3, heads: 4 } as const;
const ROWS_AT = Word.heads + SLOT_COUNT;
const ROW_WORDS = 4;
/** A key node with its first record takes more. */
const LEAST_KEY_BYTES = 40;

export function createMemtableSlots(arenaBytes: number): SharedArrayBuffer {
  const rows = Math.ceil((arenaBytes - allocationsStart(arenaBytes)) / LEAST_KEY_BYTES);
  return new SharedArrayBuffer((ROWS_AT + Math.max(0, rows) * ROW_WORDS) * 4);
}

/**
 * Whether a memtable has so many tombstones and values with an expiry that it is worth to have it flushed for them, as
 * far as a job has looked.
 */
export function isMostlyPurgeable(slots: SharedArrayBuffer, generation: number): boolean {
  const words = new Int32Array(slots);
  // A job may be at it: these are hints, and nothing is ordered by them.
  if (Atomics.load(words, Word.generation) !== generation) return false;
  // Hints, too.
  const [purgeable, rows] = [Atomics.load(words, Word.purgeable), Atomics.load(words, Word.rows)];
  return purgeable > 0 && purgeable * 4 >= rows;
}

/** A memtable as a job sees it. Plain data. */
export interface MemtableView {
  readonly generation: number;
  readonly arena: SharedArrayBuffer;
  /** Entries below it are visible. */
  readonly limit: number;
  readonly slots: SharedArrayBuffer;
}

/** The newest versions below a limit of one memtable, by slot. */
export class MemtableSlots {
  readonly #view: MemtableView;
  readonly #words: Int32Array;
  readonly #arrivals: ArrivalCursor;
  readonly #fingerprinter: Fingerprinter;

  constructor(view: MemtableView, seed: HashSeed) {
    this.#view = view;
    this.#words = new Int32Array(view.slots);
    this.#arrivals = new Memtable(view.arena).arrivals();
    this.#fingerprinter = new Fingerprinter(seed);
    if (this.#words[Word.generation] === view.generation) return;
    this.#words.fill(0, 0, ROWS_AT);
    this.#words[Word.generation] = view.generation;
    this.#words[Word.lookedAt] = this.#arrivals.next;
  }

  /** Takes the entries that have come since the last look, and marks their slots. */
  look(changed: SlotSet): void {
    const words = this.#words;
    const arrivals = this.#arrivals;
    const { bytes } = arrivals;
    arrivals.moveTo(words[Word.lookedAt]);
    while (arrivals.advance(this.#view.limit)) {
      const { isFirst, keyEnd, keyStart, node, recordStart } = arrivals;
      if (recordFrom(bytes, recordStart) === 0) continue;
      if (recordFlags(bytes, recordStart) !== 0) words[Word.purgeable]++;
      if (isFirst) changed.add(this.#addRow(bytes, keyStart, keyEnd, node));
      else changed.add(slotOf(bytes, keyStart, keyEnd));
    }
    words[Word.lookedAt] = arrivals.next;
  }

  /** @returns how many versions it has added */
  collect(slot: number, rows: SlotRows, source: number): number {
    const words = this.#words;
    const arrivals = this.#arrivals;
    const { bytes } = arrivals;
    let found = 0;
    for (let row = words[Word.heads + slot]; row !== 0; found++) {
      const at = ROWS_AT + (row - 1) * ROW_WORDS;
      const node = words[at + 2];
      const record = arrivals.newestRecord(node, this.#view.limit);
      rows.add(
        words[at] >>> 0,
        words[at + 1] >>> 0,
        recordTimestamp(bytes, record),
        recordWriter(bytes, record),
        recordFrom(bytes, record),
        recordFlags(bytes, record),
        source,
        node,
      );
      row = words[at + 3];
    }
    return found;
  }

  key(node: number): Uint8Array {
    return this.#arrivals.bytes.slice(this.#arrivals.keyStartOf(node), this.#arrivals.keyEndOf(node));
  }

  record(node: number): Uint8Array {
    const start = this.#arrivals.newestRecord(node, this.#view.limit);
    return this.#arrivals.bytes.slice(start, this.#arrivals.recordEnd(start));
  }

  #addRow(bytes: Uint8Array, keyStart: number, keyEnd: number, node: number): number {
    const words = this.#words;
    const fingerprinter = this.#fingerprinter;
    fingerprinter.take(bytes, keyStart, keyEnd);
    const slot = slotOfFingerprint(fingerprinter.high);
    const row = words[Word.rows]++;
    const at = ROWS_AT + row * ROW_WORDS;
    words[at] = fingerprinter.high;
    words[at + 1] = fingerprinter.low;
    words[at + 2] = node;
    words[at + 3] = words[Word.heads + slot];
    words[Word.heads + slot] = row + 1;
    return slot;
  }
}
