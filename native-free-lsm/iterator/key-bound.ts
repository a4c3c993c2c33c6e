import { compareBytes } from '../format/bytes.ts';

/** An exclusive upper bound of a scan, or none. One object is used again and again. */
export class KeyBound {
  isSet = false;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;

  set(bytes: Uint8Array, start: number, end: number): void {
    this.isSet = true;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  clear(): void {
    this.isSet = false;
  }

  /** Whether `key[start, end)` is below the bound. */
  admits(key: Uint8Array, start: number, end: number): boolean {
    return !this.isSet || compareBytes(key, start, end, this.bytes, this.start, this.end) < 0;
  }
}
