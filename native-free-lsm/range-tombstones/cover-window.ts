import { compareBytes } from '../format/bytes.ts';
import type { RangeFragments } from './fragments.ts';

/** What hides keys around one key: from `from` to before `until` the newest range tombstone has one timestamp. */
export class CoverWindow {
  /** What has a smaller timestamp is hidden; 0: nothing is. */
  timestamp = 0;
  /** Null: the window begins with the first key. */
  from: Uint8Array | null = null;
  /** Null: the window goes to the last key. */
  until: Uint8Array | null = null;
  #isOpen = false;

  /** All keys, none of which is hidden, before it is narrowed. */
  open(): void {
    this.timestamp = 0;
    this.from = null;
    this.until = null;
    this.#isOpen = true;
  }

  /** Whether the key lies in it; false before it was opened. */
  has(key: Uint8Array, start: number, end: number): boolean {
    const { from, until } = this;
    if (!this.#isOpen) return false;
    if (from !== null && compareBytes(from, 0, from.length, key, start, end) > 0) return false;
    return until === null || compareBytes(until, 0, until.length, key, start, end) > 0;
  }

  /** Adds what these say of a key that lies in the window. */
  narrow(fragments: RangeFragments, key: Uint8Array, start: number, end: number): void {
    const index = fragments.firstEndingAbove(key, start, end);
    if (index < fragments.count) {
      const first = fragments.start(index);
      if (compareBytes(first, 0, first.length, key, start, end) <= 0) {
        this.timestamp = Math.max(this.timestamp, fragments.timestamp(index));
        this.#beginAt(first);
        this.#endAt(fragments.end(index));
        return;
      }
      this.#endAt(first);
    }
    if (index > 0) this.#beginAt(fragments.end(index - 1));
  }

  #beginAt(key: Uint8Array | null): void {
    if (key !== null && (this.from === null || Buffer.compare(key, this.from) > 0)) this.from = key;
  }

  #endAt(key: Uint8Array | null): void {
    if (key !== null && (this.until === null || Buffer.compare(key, this.until) < 0)) this.until = key;
  }
}
