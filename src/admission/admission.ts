/**
 * What a node has taken on and how much more it takes, through whatever door it came: requests, the bytes of their
 * bodies and of answers that wait for their reader, and scans. A request that goes beyond a bound is refused before its
 * body is read, so that overload costs little and memory stays bounded. Within the bounds requests wait in lines. There
 * is one for each kind, because kinds are served at different rates and must not wait for one another.
 */
import { type Clock, loopIdleMs } from '../clock.ts';
import { PacedRefusals } from './paced-refusals.ts';
import { type ScanFigures, ScanSlots } from './scan-slots.ts';
import { type LineFigures, WaitingLine } from './waiting-line.ts';

/** What a client that is refused is told. */
export const OVERLOADED_SENTENCE = 'The node has more requests than it serves at a time: try again later.';
export const BEHIND_SENTENCE =
  'The node has more to do than it could do in time, and has done nothing for this request: try again later.';
export const DRAINING_SENTENCE = 'The node is stopping: ask another one.';

export interface AdmissionLimits {
  readonly maxRequestsInFlight: number;
  /** At least the largest value, which would never be let in otherwise. */
  readonly maxBytesInFlight: number;
  /** From the arrival of a request for an entity to its answer, less what the client takes to send a large body. */
  readonly answerTimeoutMs: number;
}

export interface AdmissionFigures {
  readonly requestsInFlight: number;
  readonly bytesInFlight: number;
  readonly rangesInFlight: number;
  /** Since the start, scans included. */
  readonly admitted: number;
  readonly refused: number;
  readonly lines: Readonly<Record<string, LineFigures>>;
  readonly scans: ScanFigures;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** A value of up to this is read before it waits: it comes with the head of its request or right behind it. */
export const SMALL_VALUE_BYTES = 16 * KIB;
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
 * How much the value that was read last counts in how long the next is expected to be. It counts more when it was longer
 * than expected: to expect too little costs memory, to expect too much costs only time.
 */
const LONGER_WEIGHT = 1 / 2;
const SHORTER_WEIGHT = 1 / 16;

export class Admission {
  readonly reads: WaitingLine;
  /** PUTs whose value is small, and deletions. */
  readonly smallWrites: WaitingLine;
  readonly largeWrites: WaitingLine;
  /** Refuses requests that have no body, or whose body has been read. */
  readonly refusals: PacedRefusals;
  /** Refuses the others: their connections end with their answers. */
  readonly bodyRefusals: PacedRefusals;
  readonly scans: ScanSlots;
  readonly #maxRequests: number;
  readonly #maxBytes: number;
  #requests = 0;
  #bytes = 0;
  #ranges = 0;
  /** Answers given early while their request's body is still read and thrown away. */
  #lingering = 0;
  #admitted = 0;
  #refused = 0;
  #isDraining = false;
  #onIdle: (() => void) | null = null;
  #expectedReadBytes = 0;

  constructor(limits: AdmissionLimits, clock: Clock) {
    const { answerTimeoutMs: timeoutMs } = limits;
    this.#maxRequests = limits.maxRequestsInFlight;
    this.#maxBytes = limits.maxBytesInFlight;
    const ofLine = {
      minRequests: MIN_SERVED_REQUESTS,
      maxRequests: MAX_SERVED_REQUESTS,
      maxBytes: MAX_SERVED_BYTES,
      timeoutMs,
    };
    this.reads = new WaitingLine(ofLine, clock, loopIdleMs);
    this.smallWrites = new WaitingLine(ofLine, clock, loopIdleMs);
    this.largeWrites = new WaitingLine(ofLine, clock, loopIdleMs);
    this.refusals = new PacedRefusals(REFUSALS_PER_SECOND, timeoutMs, MAX_WAITING_REFUSALS, clock);
    this.bodyRefusals = new PacedRefusals(
      BODY_REFUSALS_PER_SECOND,
      timeoutMs,
      MAX_WAITING_BODY_REFUSALS,
      clock,
    );
    this.scans = new ScanSlots(timeoutMs / 2, clock);
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Half of the bytes are in flight. The rest is for requests whose turn has come. */
  get isHalfFull(): boolean {
    return this.#bytes >= this.#maxBytes / 2;
  }

  get figures(): AdmissionFigures {
    return {
      requestsInFlight: this.#requests,
      bytesInFlight: this.#bytes,
      rangesInFlight: this.#ranges,
      admitted: this.#admitted,
      refused: this.#refused,
      lines: {
        reads: this.reads.figures,
        smallWrites: this.smallWrites.figures,
        largeWrites: this.largeWrites.figures,
      },
      scans: this.scans.figures,
    };
  }

  /** How long the next value that is read is expected to be: it is known only when it has been read. */
  get expectedReadBytes(): number {
    return this.#expectedReadBytes;
  }

  /** @param bytes of a value that was read; 0 when there was none */
  noteRead(bytes: number): void {
    const weight = bytes > this.#expectedReadBytes ? LONGER_WEIGHT : SHORTER_WEIGHT;
    this.#expectedReadBytes += weight * (bytes - this.#expectedReadBytes);
  }

  /** @param bodyBytes 0 where there is no body, or its length is not known yet */
  admitRequest(bodyBytes: number): boolean {
    if (this.#requests >= this.#maxRequests || this.#bytes + bodyBytes > this.#maxBytes) {
      this.#refused++;
      return false;
    }
    this.#requests++;
    this.#bytes += bodyBytes;
    this.#admitted++;
    return true;
  }

  /** @param bodyBytes all that was reserved for it */
  releaseRequest(bodyBytes: number): void {
    this.#requests--;
    this.#bytes -= bodyBytes;
    this.#noticeIdle();
  }

  /** More bytes for a request that was admitted. */
  reserveBytes(bytes: number): boolean {
    if (this.#bytes + bytes > this.#maxBytes) {
      this.#refused++;
      return false;
    }
    this.#bytes += bytes;
    return true;
  }

  releaseBytes(bytes: number): void {
    this.#bytes -= bytes;
    this.#noticeIdle();
  }

  /** How many there may be at a time is decided by `scans`. */
  beginRange(): void {
    this.#ranges++;
    this.#admitted++;
  }

  endRange(): void {
    this.#ranges--;
    this.#noticeIdle();
  }

  countRefused(): void {
    this.#refused++;
  }

  beginLingering(): void {
    this.#lingering++;
  }

  endLingering(): void {
    this.#lingering--;
    this.#noticeIdle();
  }

  /**
   * Whoever waits to be refused is refused now; new requests are for the doors to refuse.
   * @param onIdle called once, when all that was taken on has ended: at once if there is nothing
   */
  drain(onIdle: () => void): void {
    this.scans.flush();
    this.refusals.flush();
    this.bodyRefusals.flush();
    this.#isDraining = true;
    this.#onIdle = onIdle;
    this.#noticeIdle();
  }

  #noticeIdle(): void {
    const onIdle = this.#onIdle;
    if (onIdle === null) return;
    if (this.#requests + this.#bytes + this.#ranges + this.#lingering > 0) return;
    this.#onIdle = null;
    onIdle();
  }
}
