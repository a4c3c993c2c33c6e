/** A thread alone writes a flush out of a compaction. */
const MAX_SPARE = 2;

/**
 * What this thread needs for each table that it writes, and uses again, because it writes one table after another. As
 * garbage it would be collected late, since a thread with little other garbage seldom collects any.
 */
export class Spares<Piece> {
  readonly #pieces: Piece[] = [];
  readonly #make: () => Piece;

  constructor(make: () => Piece) {
    this.#make = make;
  }

  /** A piece that nobody else uses, with anything in it. */
  take(): Piece {
    return this.#pieces.pop() ?? this.#make();
  }

  /** Call it once, when the piece is not used any more. */
  giveBack(piece: Piece): void {
    if (this.#pieces.length < MAX_SPARE) this.#pieces.push(piece);
  }
}
