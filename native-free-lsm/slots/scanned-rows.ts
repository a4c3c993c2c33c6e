import { Fingerprinter, slotOfFingerprint } from '../format/fingerprint.ts';
import type { HashSeed } from '../format/hash.ts';
import { recordFlags, recordFrom, recordTimestamp, recordWriter } from '../format/record.ts';
import { SLOT_COUNT } from '../format/slot.ts';
import type { SlotRows } from './slot-rows.ts';
import type { SlotSet } from './slot-set.ts';
import type { TableBlocks } from './table-blocks.ts';

/**
 * The versions of some slots in tables that have no slot versions to be used, or none of this seed: all their entries
 * are read. Who asks for few slots at a time keeps its memory small.
 */
export class ScannedRows {
  readonly #fingerprinter: Fingerprinter;
  readonly #slots: SlotSet;
  /** By slot, one more than its row that was added last. */
  readonly #heads = new Int32Array(SLOT_COUNT);
  readonly #rows: {
    readonly high: number;
    readonly low: number;
    readonly timestamp: number;
    readonly writer: number;
    readonly from: number;
    readonly flags: number;
    readonly source: number;
    readonly block: number;
    readonly next: number;
  }[] = [];

  constructor(seed: HashSeed, slots: SlotSet) {
    this.#fingerprinter = new Fingerprinter(seed);
    this.#slots = slots;
  }

  /**
   * @param beforeBlock called before each block, of which there may be very many; what it throws ends the reading
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  read(blocks: TableBlocks, source: number, beforeBlock: () => void): void {
    const fingerprinter = this.#fingerprinter;
    for (let block = 0; block < blocks.count; block++) {
      beforeBlock();
      for (const cursor = blocks.enter(block); cursor.valid; cursor.next()) {
        const { keyBytes, keyEnd, recordBytes: record, recordStart: at } = cursor;
        const from = recordFrom(record, at);
        if (from === 0) continue;
        fingerprinter.take(keyBytes, 0, keyEnd);
        const { high, low } = fingerprinter;
        const slot = slotOfFingerprint(high);
        if (!this.#slots.has(slot)) continue;
        const version = { timestamp: recordTimestamp(record, at), writer: recordWriter(record, at) };
        const rest = { from, flags: recordFlags(record, at), source, block, next: this.#heads[slot] };
        this.#rows.push({ high, low, ...version, ...rest });
        this.#heads[slot] = this.#rows.length;
      }
      blocks.requireWhole();
    }
  }

  /** @returns how many versions it has added */
  collect(slot: number, rows: SlotRows): number {
    let found = 0;
    for (let number = this.#heads[slot]; number !== 0; found++) {
      const row = this.#rows[number - 1];
      rows.add(row.high, row.low, row.timestamp, row.writer, row.from, row.flags, row.source, row.block);
      number = row.next;
    }
    return found;
  }
}
