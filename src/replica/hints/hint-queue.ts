/**
 * What is remembered for one node, oldest first: a page that is being filled, and those that are stored or being stored.
 * A key that waits in one of the last pages is not noted twice: its newest record is delivered, whatever was written
 * since. That holds only until the delivery of its page begins, as from then on its record may have been read. Pure.
 */
import { emptyPageBytes, encodeHintPage, hintBytes, MAX_HINT_PAGE_BYTES } from './hint-page.ts';

/** What a page takes besides its value: its key and header in the store, and what is kept of it in memory. */
export const PAGE_OVERHEAD_BYTES = 128;
/** What is kept of the keys in the last pages, so that a key is noted once. */
const MAX_RECENT_BYTES = 1024 * 1024;

export interface StoredPage {
  readonly number: number;
  readonly createdMs: number;
  /** How many keys are in it. */
  count: number;
  /** With PAGE_OVERHEAD_BYTES. */
  bytes: number;
}

/** A page that is full or due, to be stored. */
export interface SealedPage {
  readonly page: StoredPage;
  readonly value: Uint8Array;
}

export class HintQueue {
  readonly nodeId: string;
  readonly #stored: StoredPage[] = [];
  /** Of the page that is being filled, by name. */
  #open = new Map<string, Uint8Array>();
  #openBytes = 0;
  #openCreatedMs = 0;
  #nextNumber = 1;
  /** The keys of the last pages with the number of the page: those of the oldest first. */
  readonly #recent = new Map<string, number>();
  #recentBytes = 0;
  /** Of all pages. */
  #bytes = 0;
  #keys = 0;

  constructor(nodeId: string) {
    this.nodeId = nodeId;
  }

  /** With the page that is being filled. */
  get bytes(): number {
    return this.#bytes + (this.#open.size > 0 ? this.#openBytes + PAGE_OVERHEAD_BYTES : 0);
  }

  get keys(): number {
    return this.#keys + this.#open.size;
  }

  get isFilling(): boolean {
    return this.#open.size > 0;
  }

  /** The oldest page that is sealed. */
  get first(): StoredPage | undefined {
    return this.#stored[0];
  }

  /** Since the Unix epoch, when its oldest hint came; 0: it has none. */
  get oldestMs(): number {
    return this.first?.createdMs ?? (this.isFilling ? this.#openCreatedMs : 0);
  }

  /** A page was found when the node started; they come in the order of their numbers. */
  load(page: StoredPage): void {
    this.#stored.push(page);
    this.#bytes += page.bytes;
    this.#keys += page.count;
    this.#nextNumber = Math.max(this.#nextNumber, page.number + 1);
  }

  /** Whether the key waits already, where it need not be noted again. */
  has(key: Uint8Array): boolean {
    const name = nameOf(key);
    return this.#open.has(name) || this.#recent.has(name);
  }

  /** Whether the page that is being filled has no room for the key: seal it first. */
  isFullFor(key: Uint8Array): boolean {
    return this.isFilling && this.#openBytes + hintBytes(key) > MAX_HINT_PAGE_BYTES;
  }

  /** @param key one that it has not; copied */
  add(key: Uint8Array, nowMs: number): void {
    if (!this.isFilling) {
      this.#openBytes = emptyPageBytes();
      this.#openCreatedMs = nowMs;
      // Later than any that a start before has made and this one could not read.
      this.#nextNumber = Math.max(this.#nextNumber, Math.floor(nowMs));
    }
    const name = nameOf(key);
    this.#open.set(name, Uint8Array.from(key));
    this.#openBytes += hintBytes(key);
    this.#recent.set(name, this.#nextNumber);
    this.#recentBytes += name.length;
    for (const [oldest] of this.#recent) {
      if (this.#recentBytes <= MAX_RECENT_BYTES) break;
      this.#recent.delete(oldest);
      this.#recentBytes -= oldest.length;
    }
  }

  /** Ends the page that is being filled. Null: there is none. */
  seal(): SealedPage | null {
    if (!this.isFilling) return null;
    const value = encodeHintPage(this.#openCreatedMs, this.#open.values(), this.#openBytes);
    const page = {
      number: this.#nextNumber++,
      createdMs: this.#openCreatedMs,
      count: this.#open.size,
      bytes: value.length + PAGE_OVERHEAD_BYTES,
    };
    this.#stored.push(page);
    this.#bytes += page.bytes;
    this.#keys += page.count;
    this.#open = new Map();
    return { page, value };
  }

  /** Its keys are about to be delivered, or are lost: what comes for them from now on is noted again. */
  release(page: StoredPage, keys: readonly Uint8Array[]): void {
    for (const key of keys) {
      const name = nameOf(key);
      if (this.#recent.get(name) !== page.number) continue;
      this.#recent.delete(name);
      this.#recentBytes -= name.length;
    }
  }

  holds(page: StoredPage): boolean {
    return this.#stored.includes(page);
  }

  /** Some of its keys are delivered. */
  shrink(page: StoredPage, count: number, valueBytes: number): void {
    this.#keys += count - page.count;
    this.#bytes += valueBytes + PAGE_OVERHEAD_BYTES - page.bytes;
    page.count = count;
    page.bytes = valueBytes + PAGE_OVERHEAD_BYTES;
  }

  remove(page: StoredPage): void {
    const at = this.#stored.indexOf(page);
    if (at < 0) return;
    this.#stored.splice(at, 1);
    this.#bytes -= page.bytes;
    this.#keys -= page.count;
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
