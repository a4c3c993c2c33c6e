/** New pieces have one of eight sizes between a power of two and the next, so that later tables fit as well. */
const SIZES_PER_OCTAVE = 8;
const LEAST_BYTES = 1024;
/** A piece that is larger than this many times what is needed is left for others. */
const MAX_WASTE = 2;

/** Shared memory that a job was lent for what it loads of its tables; see store/table-memory.ts. */
export class LentMemory {
  readonly #pieces: readonly SharedArrayBuffer[];
  readonly #left: Set<number>;

  constructor(pieces: readonly SharedArrayBuffer[]) {
    this.#pieces = pieces;
    this.#left = new Set(pieces.keys());
  }

  /** Which of the pieces were not needed. */
  get left(): number[] {
    return [...this.#left];
  }

  /** The smallest piece that fits, or a new one. It may be larger than asked for, and there may be anything in it. */
  take(lengthBytes: number): SharedArrayBuffer {
    const size = pieceBytes(lengthBytes);
    let best = -1;
    let bestBytes = size * MAX_WASTE + 1;
    for (const place of this.#left) {
      const { byteLength } = this.#pieces[place];
      if (byteLength < lengthBytes || byteLength >= bestBytes) continue;
      best = place;
      bestBytes = byteLength;
    }
    if (best < 0) return new SharedArrayBuffer(size);
    this.#left.delete(best);
    return this.#pieces[best];
  }
}

function pieceBytes(lengthBytes: number): number {
  const needed = Math.max(lengthBytes, LEAST_BYTES);
  const step = 2 ** Math.floor(Math.log2(needed)) / SIZES_PER_OCTAVE;
  return Math.ceil(needed / step) * step;
}
