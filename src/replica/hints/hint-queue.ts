/**
 * What is remembered for one node, oldest first: a page that is being filled, and those that are stored or being stored.
 * A key that waits in one of the last pages is not noted twice: its newest record is delivered, whatever was written
 * since. That holds only until the delivery of its page begins, as from then on its record may have been read. Pure.
 */
import { emptyPageBytes, encodeHintPage, hintBytes, MAX_HINT_PAGE_BYTES } from './hint-page.ts';

/** What a page takes besides its value: its key and header in the store, and what is kept of it in memory. */
const PAGE_OVERHEAD_BYTES = 128;
/** What is kept of the keys in the last pages, so that a key is noted once. */
const MAX_RECENT_BYTES = 1024 * 1024;

/** The longest time for which a page is passed by that the node takes nothing of. */
const MAX_PASS_MS = 300_000;
const FIRST_PASS_MS = 1_000;

export class StoredPage {
  readonly number: number;
  /** By the time of hints. */
  readonly createdMs: number;
  /** How many keys are in it. */
  count: number;
  /** With PAGE_OVERHEAD_BYTES. */
  bytes: number;
  /** How often in a row nothing of it was taken. */
  failures = 0;
  /** With which of its keys the next attempt begins. */
  firstKey = 0;
  /** How often in a row it was passed by, and until when it is, in the monotonic time. */
  passes = 0;
  passedUntilMs = 0;

  constructor(number: number, createdMs: number, count: number, valueBytes: number) {
    this.number = number;
    this.createdMs = createdMs;
    this.count = count;
    this.bytes = valueBytes + PAGE_OVERHEAD_BYTES;
  }
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

  /** The oldest page that is not passed by. */
  due(nowMs: number): StoredPage | undefined {
    return this.#stored.find(({ passedUntilMs }) => passedUntilMs <= nowMs);
  }

  /**
   * The node takes nothing of this page, and may take others: it is passed by, for longer and longer.
   * @returns false: there is no other
   */
  passBy(page: StoredPage, nowMs: number): boolean {
    const { passedUntilMs } = page;
    page.passedUntilMs = nowMs + Math.min(FIRST_PASS_MS * 2 ** page.passes, MAX_PASS_MS);
    if (this.due(nowMs) === undefined) {
      page.passedUntilMs = passedUntilMs;
      return false;
    }
    page.passes++;
    return true;
  }

  /** The node takes nothing at all: no page is to blame. */
  recall(nowMs: number): void {
    for (const page of this.#stored) {
      if (page.passedUntilMs <= nowMs) continue;
      page.passedUntilMs = 0;
      page.passes--;
    }
  }

  /** When its oldest hint came, by the time of hints; null: it has none. */
  get oldestMs(): number | null {
    return this.first?.createdMs ?? (this.isFilling ? this.#openCreatedMs : null);
  }

  /** A page was found when the node started; they come in the order of their numbers. */
  load(number: number, createdMs: number, count: number, valueBytes: number): void {
    const page = new StoredPage(number, createdMs, count, valueBytes);
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

  /**
   * @param key one that it has not; copied
   * @param nowMs by the time of hints
   * @param leastNumber of a page that begins with it
   */
  add(key: Uint8Array, nowMs: number, leastNumber: number): void {
    if (!this.isFilling) {
      this.#openBytes = emptyPageBytes();
      this.#openCreatedMs = nowMs;
      // Later than any that a start before has made and this one could not read.
      this.#nextNumber = Math.max(this.#nextNumber, leastNumber);
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
    const page = new StoredPage(this.#nextNumber++, this.#openCreatedMs, this.#open.size, value.length);
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

  /** The same where nobody knows its keys any more. */
  releaseAll({ number }: StoredPage): void {
    for (const [name, of] of this.#recent) {
      if (of !== number) continue;
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
