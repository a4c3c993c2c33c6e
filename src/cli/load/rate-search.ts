/**
 * Looks for the highest rate that holds: doubles it until it does not, halves the gap until that is small, and then
 * wants the best to hold once more. Pure: whoever owns it runs the probes.
 */
type Probe = { readonly ratePerSecond: number; readonly isConfirming: boolean };

/** The search ends when the gap is this part of the rate. */
const GAP_SHARE = 0.05;
/** Each time the best does not hold again, it is lowered by so much. */
const STEP_DOWN = 0.95;
const MAX_CONFIRMING_PROBES = 4;
const LEAST_RATE = 1;

export class RateSearch {
  #held = 0;
  #failed = Number.POSITIVE_INFINITY;
  #next: number;
  #confirming = 0;
  #isOver = false;

  /** @param startRate the first to be tried */
  constructor(startRate: number) {
    this.#next = Math.max(Math.round(startRate), LEAST_RATE);
  }

  /** The rate found, confirmed; 0: none held. Known once `next` gives null. */
  get found(): number {
    return this.#held;
  }

  /** What to try; null: the search is over. */
  next(): Probe | null {
    if (this.#isOver) return null;
    return { ratePerSecond: this.#next, isConfirming: this.#confirming > 0 };
  }

  /** @param holds whether the probe that `next` named held */
  report(holds: boolean): void {
    if (this.#confirming > 0) this.#onConfirmed(holds);
    else if (holds) {
      this.#held = this.#next;
      this.#goOn(this.#held * 2);
    } else {
      this.#failed = this.#next;
      this.#goOn(this.#next / 2);
    }
  }

  /** @param wanted where one bound is not known yet */
  #goOn(wanted: number): void {
    const isBounded = this.#held > 0 && this.#failed < Number.POSITIVE_INFINITY;
    const next = Math.round(isBounded ? (this.#held + this.#failed) / 2 : wanted);
    const isClose = isBounded && this.#failed - this.#held <= Math.max(this.#held * GAP_SHARE, LEAST_RATE);
    if (isClose || next === this.#held || next === this.#failed) {
      this.#confirming = 1;
      this.#next = this.#held;
    } else if (next < LEAST_RATE) this.#isOver = true;
    else this.#next = next;
  }

  #onConfirmed(holds: boolean): void {
    if (holds) {
      this.#held = this.#next;
      this.#isOver = true;
      return;
    }
    this.#next = Math.max(Math.round(this.#next * STEP_DOWN), LEAST_RATE);
    if (++this.#confirming <= MAX_CONFIRMING_PROBES) return;
    this.#held = 0;
    this.#isOver = true;
  }
}
