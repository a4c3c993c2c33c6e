/**
 * What this node has promised about each slot, in the order in which a round over the slot goes (DESIGN.md has the
 * proof):
 *
 * - *closed* at W for a round: the node notices a write at or below W that comes from now on. Such a write is taken,
 *   and the close is broken: the round cannot settle the slot.
 * - *barred* at W: the node takes no such write any more, ever. The promise is durable before it is given.
 * - *settled* at W: all owners are barred at W, and each had every version up to W that it must have. From now on what
 *   is up to W and hides nothing may be purged. The engine reads these timestamps: they are its watermarks.
 *
 * A slot of which nobody knows any more what was promised is *held*: no write of it is taken until it is barred later than
 * any promise can have been.
 *
 * A settled slot is barred at the same timestamp or a later one. A close is forgotten when the process ends, so that a
 * node that was started again since settles nothing of the round. Pure.
 */

export const Judgement = {
  /** The write may be stored. */
  take: 0,
  /** Its timestamp lies at or below the barrier, above what is settled. */
  barred: 1,
  /** Its timestamp is settled. */
  settled: 2,
} as const;
export type Judgement = (typeof Judgement)[keyof typeof Judgement];

/** In place of the timestamp of a barrier: nobody knows it, and no write is taken. */
const HELD = Number.POSITIVE_INFINITY;

export class SlotPromises {
  /** No write above it has to be judged: the latest timestamp of any promise. */
  highest = 0;
  readonly #closed: Float64Array;
  readonly #rounds: Float64Array;
  readonly #barred: Float64Array;
  readonly #settled: Float64Array;
  readonly #watermarks: Float64Array;
  #brokenCloses = 0;

  /**
   * @param watermarks for each slot, what is settled as the engine's threads see it: this is their only writer, and
   *   never lowers one
   */
  constructor(watermarks: Float64Array) {
    this.#watermarks = watermarks;
    this.#settled = new Float64Array(watermarks.length);
    this.#closed = new Float64Array(watermarks.length);
    this.#rounds = new Float64Array(watermarks.length);
    this.#barred = new Float64Array(watermarks.length);
  }

  /** How often a late write has broken a close. */
  get brokenCloses(): number {
    return this.#brokenCloses;
  }

  barredAt(slot: number): number {
    return this.#barred[slot];
  }

  /** Of so many slots, for as long as nothing is barred. */
  barredFrom(first: number, count: number): Float64Array {
    return this.#barred.subarray(first, first + count);
  }

  settledAt(slot: number): number {
    return this.#settled[slot];
  }

  /** What becomes of a write that is not part of a round. One that is taken breaks a close at or above it. */
  judge(slot: number, timestamp: number): Judgement {
    if (timestamp <= this.#settled[slot]) return Judgement.settled;
    if (timestamp <= this.#barred[slot]) return Judgement.barred;
    if (timestamp <= this.#closed[slot]) {
      this.#closed[slot] = 0;
      this.#brokenCloses++;
    }
    return Judgement.take;
  }

  /** A later close of the slot takes the place of an earlier one, which can settle nothing any more. */
  close(slot: number, round: number, timestamp: number): void {
    this.#closed[slot] = timestamp;
    this.#rounds[slot] = round;
    this.#raise(timestamp);
  }

  /** Whether the slot is closed for this round at this timestamp, and no write has broken that. */
  isClosed(slot: number, round: number, timestamp: number): boolean {
    return this.#closed[slot] === timestamp && this.#rounds[slot] === round && timestamp > 0;
  }

  /** From now on; the caller makes it durable before it tells anybody. */
  bar(slot: number, timestamp: number): void {
    if (timestamp <= this.#barred[slot]) return;
    this.#barred[slot] = timestamp;
    this.#raise(timestamp);
  }

  /** What was promised of the slot cannot be read. */
  hold(slot: number): void {
    this.#barred[slot] = HELD;
    this.#raise(HELD);
  }

  /** No promise of the slots that are held was later than this; the caller makes that durable. */
  barHeld(timestamp: number): void {
    this.highest = 0;
    for (let slot = 0; slot < this.#barred.length; slot++) {
      if (this.#barred[slot] === HELD) this.#barred[slot] = timestamp;
      this.#raise(Math.max(this.#barred[slot], this.#closed[slot]));
    }
  }

  /** The caller has made it durable. */
  settle(slot: number, timestamp: number): void {
    if (timestamp > this.#settled[slot]) this.#settled[slot] = timestamp;
    if (timestamp > this.#watermarks[slot]) this.#watermarks[slot] = timestamp;
    this.bar(slot, timestamp);
  }

  /**
   * What was settled is no longer known to be true of this node's data: it says so of nothing any more. Barriers stay,
   * and so do the watermarks: nothing that was purged by them can have hidden anything.
   */
  unsettle(): void {
    this.#settled.fill(0);
  }

  #raise(timestamp: number): void {
    if (timestamp > this.highest) this.highest = timestamp;
  }
}
