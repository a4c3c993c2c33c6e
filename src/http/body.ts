/** The body of a request: what the headers say of it, and its bytes, put together from the pieces that arrive. Pure. */
import type { IncomingMessage } from 'node:http';

/** A chunked body: its length is known at its end. */
const UNKNOWN_LENGTH = -1;
/** A transfer coding other than chunked, whose bytes would not be the value's. */
export const UNSUPPORTED_CODING = -2;
export const UNSUPPORTED_CODING_SENTENCE =
  'The body has a Transfer-Encoding other than chunked: send the value as it is.';

const SMALLEST_BLOCK_BYTES = 4096;
const EMPTY = Buffer.alloc(0);

export class BodyCollector {
  readonly #limitBytes: number;
  readonly #isLengthKnown: boolean;
  #block: Buffer = EMPTY;
  #length = 0;

  /** @param declaredBytes the Content-Length, or -1 for a chunked body @param limitBytes longest body allowed */
  constructor(declaredBytes: number, limitBytes: number) {
    this.#isLengthKnown = declaredBytes >= 0;
    this.#limitBytes = this.#isLengthKnown ? declaredBytes : limitBytes;
  }

  /**
   * What has to be reserved for it. A block for a body of known length is memory only as far as it is filled: the
   * system gives pages when they are written.
   */
  get heldBytes(): number {
    return this.#isLengthKnown ? this.#length : this.#block.length;
  }

  /** @param piece kept as it is where it is the whole body @returns false when it goes beyond the limit */
  add(piece: Buffer): boolean {
    const length = this.#length + piece.length;
    if (length > this.#limitBytes) return false;
    if (this.#length === 0 && (!this.#isLengthKnown || length === this.#limitBytes)) {
      this.#block = piece;
    } else {
      if (length > this.#block.length) this.#grow(length);
      this.#block.set(piece, this.#length);
    }
    this.#length = length;
    return true;
  }

  bytes(): Buffer {
    return this.#length === this.#block.length ? this.#block : this.#block.subarray(0, this.#length);
  }

  /** One block that doubles, not a list: a body of one-byte chunks would cost a hundred times its length. */
  #grow(length: number): void {
    const size = this.#isLengthKnown
      ? this.#limitBytes
      : Math.max(length, 2 * this.#block.length, SMALLEST_BLOCK_BYTES);
    const block = Buffer.allocUnsafeSlow(Math.min(size, this.#limitBytes));
    this.#block.copy(block, 0, 0, this.#length);
    this.#block = block;
  }
}

/** @returns bytes (0 without a body), UNKNOWN_LENGTH or UNSUPPORTED_CODING */
export function declaredBodyBytes(request: IncomingMessage): number {
  const { headers } = request;
  const coding = headers['transfer-encoding'];
  if (coding !== undefined) return /^chunked$/i.test(coding) ? UNKNOWN_LENGTH : UNSUPPORTED_CODING;
  const length = headers['content-length'];
  return length === undefined ? 0 : Number(length);
}
