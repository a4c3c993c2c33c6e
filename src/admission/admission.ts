/**
 * What a node has taken on and how much more it takes: requests, the bytes of their bodies and of answers that
 * wait for their reader, and scans. A request that goes beyond a bound is refused before its body is read, so
 * that overload costs little and memory stays bounded. Pure.
 */
export interface AdmissionLimits {
  readonly maxRequestsInFlight: number;
  /** Must hold the largest value, or none of that size would ever be let in. */
  readonly maxBytesInFlight: number;
}

export interface AdmissionFigures {
  readonly requestsInFlight: number;
  readonly bytesInFlight: number;
  readonly rangesInFlight: number;
  /** Since the start, scans included. */
  readonly admitted: number;
  readonly refused: number;
}

export class Admission {
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

  constructor(limits: AdmissionLimits) {
    this.#maxRequests = limits.maxRequestsInFlight;
    this.#maxBytes = limits.maxBytesInFlight;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Half of the bytes are in flight: the rest is for those whose turn it is. */
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
    };
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

  /** How many there are at a time is for the slots of scans to say. */
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

  /** @param onIdle called once, when all that was taken on has ended: at once if there is nothing */
  drain(onIdle: () => void): void {
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
