import type { EntryPage } from '../../src/http/services.ts';

/** A page of entries given as text. */
export class FakePage implements EntryPage {
  readonly bytes: Uint8Array;
  readonly usedBytes: number;
  readonly entries: number;
  readonly done: boolean;
  readonly resumeAfter: Uint8Array | null;
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  readonly #lengths: readonly (readonly [number, number])[];
  #next = 0;

  constructor(entries: readonly (readonly [string | Uint8Array, string | Uint8Array])[], done: boolean) {
    const parts = entries.map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const);
    this.bytes = Buffer.concat(parts.flat());
    this.usedBytes = this.bytes.length;
    this.entries = parts.length;
    this.done = done;
    this.resumeAfter = done ? null : parts[parts.length - 1][0];
    this.#lengths = parts.map(([key, value]) => [key.length, value.length]);
  }

  next(): boolean {
    if (this.#next === this.#lengths.length) return false;
    const [keyLength, valueLength] = this.#lengths[this.#next++];
    this.keyStart = this.valueEnd;
    this.keyEnd = this.keyStart + keyLength;
    this.valueStart = this.keyEnd;
    this.valueEnd = this.valueStart + valueLength;
    return true;
  }

  [Symbol.dispose](): void {
    // What is used after it shows.
    this.bytes.fill(0xff);
  }
}
