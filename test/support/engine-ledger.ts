/**
 * What a real engine must show under constant writes: of each key the last acknowledged write, or a later one that was
 * sent. Values are `ownValue`s, so a read shows by itself which write it found. A key has one writer at a time.
 */
import assert from 'node:assert/strict';
import { counterOf } from './own-value.ts';

interface Write {
  readonly counter: number;
  readonly deletes: boolean;
}

interface Batch {
  readonly counter: number;
  readonly keys: readonly number[];
}

/** What a key shows: the write of its value, or the latest write that may have deleted it. */
interface Shown extends Write {
  readonly key: number;
}

const NEVER_WRITTEN: Write = { counter: 0, deletes: true };

export class EngineLedger {
  /** By key, in the order in which they were sent, from the last acknowledged one on. */
  readonly #sent = new Map<number, Write[]>();
  #batches: Batch[] = [];
  #counter: number;
  acknowledged = 0;

  /** @param lastCounter the last write of the writers before */
  constructor(lastCounter = 0) {
    this.#counter = lastCounter;
  }

  get lastCounter(): number {
    return this.#counter;
  }

  /** Takes over a value that somebody else has written and checked. */
  adopt(key: number, value: Uint8Array): void {
    this.#sent.set(key, [{ counter: counterOf(key, value), deletes: false }]);
  }

  /** The number of the next write or batch; numbers ascend. */
  next(): number {
    return ++this.#counter;
  }

  send(key: number, counter: number, deletes: boolean): void {
    this.#counter = Math.max(this.#counter, counter);
    this.#of(key).push({ counter, deletes });
  }

  /** Writes that are there together or not at all, all with one number, each of another key. */
  sendBatch(counter: number, writes: readonly { readonly key: number; readonly deletes: boolean }[]): void {
    for (const { key, deletes } of writes) this.send(key, counter, deletes);
    this.#batches.push({ counter, keys: writes.map(({ key }) => key) });
  }

  acknowledge(key: number, counter: number): void {
    const sent = this.#of(key);
    const at = sent.findIndex((write) => write.counter === counter);
    if (at > 0) this.#sent.set(key, sent.slice(at));
    this.acknowledged++;
  }

  /** The last acknowledged write of a key: a read that begins now must show it or a later one. */
  floor(key: number): number {
    return this.#of(key)[0].counter;
  }

  /**
   * Checks whether a read that began when the floor was `floor` may show this.
   * @throws AssertionError that names the key and the writes
   */
  check(key: number, value: Uint8Array | undefined, floor = this.floor(key)): void {
    const sent = this.#of(key);
    // Some were acknowledged during the read; those in between are not remembered.
    const overtaken = sent[0].counter > floor;
    if (value === undefined) {
      const mayBeGone = overtaken || sent.some(({ deletes }) => deletes);
      assert.ok(mayBeGone, `key ${key} is gone, and write ${floor} was acknowledged`);
      return;
    }
    const counter = counterOf(key, value);
    assert.ok(counter >= floor, `key ${key} shows write ${counter}, and ${floor} was acknowledged`);
    const wasSent = overtaken ? counter <= this.#counter : isPutOf(sent, counter);
    assert.ok(wasSent, `key ${key} shows write ${counter}, which nobody sent`);
  }

  /**
   * Checks every key and every batch once nothing is in flight, and takes what is there as acknowledged.
   * @returns how many keys have a value
   */
  async settle(read: (key: number) => Promise<Uint8Array | undefined>): Promise<number> {
    const shown = new Map<number, Shown>();
    let live = 0;
    for (const [key, sent] of this.#sent) {
      const value = await read(key);
      this.check(key, value);
      if (value === undefined) shown.set(key, { key, ...lastDeletion(sent) });
      else {
        shown.set(key, { key, counter: counterOf(key, value), deletes: false });
        live++;
      }
    }
    for (const batch of this.#batches) checkBatch(batch, shown);
    this.#batches = [];
    for (const [key, { counter, deletes }] of shown) this.#sent.set(key, [{ counter, deletes }]);
    return live;
  }

  #of(key: number): Write[] {
    let sent = this.#sent.get(key);
    if (sent === undefined) {
      sent = [NEVER_WRITTEN];
      this.#sent.set(key, sent);
    }
    return sent;
  }
}

function isPutOf(sent: readonly Write[], counter: number): boolean {
  return sent.some((write) => write.counter === counter && !write.deletes);
}

function lastDeletion(sent: readonly Write[]): Write {
  return sent.findLast(({ deletes }) => deletes) as Write;
}

/** When one value of a batch is shown, every key of the batch shows it or something later. */
function checkBatch({ counter, keys }: Batch, shown: ReadonlyMap<number, Shown>): void {
  const all = keys.map((key) => shown.get(key) as Shown);
  if (!all.some((write) => !write.deletes && write.counter === counter)) return;
  for (const write of all)
    assert.ok(write.counter >= counter, `half of batch ${counter}: key ${write.key} shows ${write.counter}`);
}
