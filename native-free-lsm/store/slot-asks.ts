import type { SlotSet } from '../slots/slot-set.ts';
import type { SlotVersions } from '../slots/slot-versions.ts';
import type { KeyedRecord } from './sinks.ts';

/** Something asked of slots, and its promise. When the signal is aborted nobody waits for it any more. */
abstract class SlotAsk<Answer> {
  readonly promise: Promise<Answer>;
  readonly #settle: PromiseWithResolvers<Answer> = Promise.withResolvers();
  readonly #signal: AbortSignal | undefined;
  #isOver = false;

  constructor(signal: AbortSignal | undefined) {
    this.promise = this.#settle.promise;
    this.#signal = signal;
    if (signal?.aborted) this.#giveUp();
    else signal?.addEventListener('abort', this.#giveUp, { once: true });
  }

  /** Whether it is answered, or nobody waits for it any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  resolve(answer: Answer): void {
    this.#end();
    this.#settle.resolve(answer);
  }

  reject(error: Error): void {
    this.#end();
    this.#settle.reject(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#signal?.removeEventListener('abort', this.#giveUp);
  }

  readonly #giveUp = (): void => this.reject(this.#signal?.reason as Error);
}

export class DigestsAsk extends SlotAsk<Uint32Array> {
  readonly slots: Uint16Array;
  readonly minFroms: Uint8Array;
  readonly #sums: Uint32Array;
  readonly #isFilled: Uint8Array;
  #missing: number;

  constructor(slots: Uint16Array, minFroms: Uint8Array, signal: AbortSignal | undefined) {
    super(signal);
    // In memory of its own, as its caller may go on to use theirs.
    this.slots = slots.slice();
    this.minFroms = minFroms.slice();
    this.#sums = new Uint32Array(slots.length * 2);
    this.#isFilled = new Uint8Array(slots.length);
    this.#missing = slots.length;
  }

  isMissing(index: number): boolean {
    return this.#isFilled[index] === 0;
  }

  /** Takes what `read` knows, and answers once it is whole. */
  fill(read: (slot: number, minFrom: number, target: Uint32Array, at: number) => boolean): void {
    for (let index = 0; index < this.slots.length; index++) {
      if (this.#isFilled[index] === 1) continue;
      if (!read(this.slots[index], this.minFroms[index], this.#sums, index * 2)) continue;
      this.#isFilled[index] = 1;
      this.#missing--;
    }
    if (this.#missing === 0) this.resolve(this.#sums);
  }
}

export class VersionsAsk extends SlotAsk<SlotVersions> {
  readonly slot: number;

  constructor(slot: number, signal: AbortSignal | undefined) {
    super(signal);
    this.slot = slot;
  }
}

/** Asks what is lost in slots, and nothing else. */
export class LostAsk extends SlotAsk<void> {
  /** Those that nobody has looked at since. */
  readonly left: SlotSet;

  constructor(slots: SlotSet, signal: AbortSignal | undefined) {
    super(signal);
    this.left = slots;
  }

  looked(slots: Uint16Array): void {
    for (const slot of slots) this.left.delete(slot);
    if (this.left.isEmpty) this.resolve();
  }
}

export class RecordsAsk extends SlotAsk<KeyedRecord[]> {
  readonly slot: number;
  readonly fingerprints: Uint32Array;
  readonly maxBytes: number;

  constructor(slot: number, fingerprints: Uint32Array, maxBytes: number, signal: AbortSignal | undefined) {
    super(signal);
    this.slot = slot;
    this.fingerprints = fingerprints.slice();
    this.maxBytes = maxBytes;
  }
}
