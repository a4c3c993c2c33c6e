/** The lines in which a node's requests wait: what is served at different rates does not wait for one another. */
import { type Clock, loopIdleMs } from '../clock.ts';
import { PacedRefusals } from './paced-refusals.ts';
import { type LineFigures, WaitingLine } from './waiting-line.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A body of up to this is read before it waits: it comes with the head of its request or right behind it. */
export const SMALL_BODY_BYTES = 16 * KIB;
/** Enough to keep two cores busy over a local disk. */
const MIN_SERVED_REQUESTS = 128;
/** Enough for ten thousand a second over a tenth of a second. */
const MAX_SERVED_REQUESTS = 1024;
const MAX_SERVED_BYTES = 8 * MIB;
/** Each takes up to a few hundredths of a core. */
const REFUSALS_PER_SECOND = 500;
const BODY_REFUSALS_PER_SECOND = 100;
/** Each holds its connection and its request. */
const MAX_WAITING_REFUSALS = 8192;
/** Each holds what was parsed of its body before it was paused, too: up to 64 KiB or a little more. */
const MAX_WAITING_BODY_REFUSALS = 2048;
/**
 * How much the last value read counts in what the next is expected to have: more when it was longer, because what is
 * expected too short costs memory, and too long only time.
 */
const LONGER_WEIGHT = 1 / 2;
const SHORTER_WEIGHT = 1 / 16;

export class Lines {
  readonly reads: WaitingLine;
  /** Those whose body is small, and deletions. */
  readonly smallWrites: WaitingLine;
  readonly largeWrites: WaitingLine;
  /** Of requests without a body that is still to be read. */
  readonly refusals: PacedRefusals;
  /** Of the others: their connections end with them. */
  readonly bodyRefusals: PacedRefusals;
  #expectedReadBytes = 0;

  /** @param timeoutMs from a request's arrival to its answer */
  constructor(timeoutMs: number, clock: Clock) {
    const limits = {
      minRequests: MIN_SERVED_REQUESTS,
      maxRequests: MAX_SERVED_REQUESTS,
      maxBytes: MAX_SERVED_BYTES,
      timeoutMs,
    };
    this.reads = new WaitingLine(limits, clock, loopIdleMs);
    this.smallWrites = new WaitingLine(limits, clock, loopIdleMs);
    this.largeWrites = new WaitingLine(limits, clock, loopIdleMs);
    this.refusals = new PacedRefusals(REFUSALS_PER_SECOND, timeoutMs, MAX_WAITING_REFUSALS, clock);
    this.bodyRefusals = new PacedRefusals(
      BODY_REFUSALS_PER_SECOND,
      timeoutMs,
      MAX_WAITING_BODY_REFUSALS,
      clock,
    );
  }

  /** How long a value is shows only when it is read. */
  get expectedReadBytes(): number {
    return this.#expectedReadBytes;
  }

  /** @param bytes of a value that was read; 0 when there was none */
  noteRead(bytes: number): void {
    const weight = bytes > this.#expectedReadBytes ? LONGER_WEIGHT : SHORTER_WEIGHT;
    this.#expectedReadBytes += weight * (bytes - this.#expectedReadBytes);
  }

  get figures(): Readonly<Record<string, LineFigures>> {
    const { reads, smallWrites, largeWrites } = this;
    return { reads: reads.figures, smallWrites: smallWrites.figures, largeWrites: largeWrites.figures };
  }
}
