import { recordExpiryMs, recordValueStart } from '../../native-free-lsm/index.ts';
import type { RangePage } from './storage-engine.ts';

/** The entries of a page as clients see them: values without header, nothing expired. To be walked once, and disposed of. */
export class EntryPage implements Disposable {
  readonly bytes: Uint8Array;
  readonly usedBytes: number;
  /** At most so many. */
  readonly entries: number;
  readonly done: boolean;
  readonly resumeAfter: Uint8Array | null;
  /** The current entry: key `bytes[keyStart, keyEnd)`, value `bytes[valueStart, valueEnd)`. */
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  readonly #page: RangePage;
  readonly #nowMs: number;

  /** @param nowMs what expires then or before is left out */
  constructor(page: RangePage, nowMs: number) {
    this.bytes = page.bytes;
    this.usedBytes = page.usedBytes;
    this.entries = page.entries;
    this.done = page.done;
    this.resumeAfter = page.resumeAfter;
    this.#page = page;
    this.#nowMs = nowMs;
  }

  /** Moves to the next entry; false behind the last. */
  next(): boolean {
    const page = this.#page;
    const { bytes } = this;
    while (page.next()) {
      const expiryMs = recordExpiryMs(bytes, page.recordStart);
      if (expiryMs !== 0 && expiryMs <= this.#nowMs) continue;
      this.keyStart = page.keyStart;
      this.keyEnd = page.keyEnd;
      this.valueStart = recordValueStart(bytes, page.recordStart);
      this.valueEnd = page.recordEnd;
      return true;
    }
    return false;
  }

  [Symbol.dispose](): void {
    this.#page[Symbol.dispose]();
  }
}
