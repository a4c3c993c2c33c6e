/** What a cursor reads blocks into. */
export interface WindowSource {
  take(lengthBytes: number): Uint8Array;
  /** Takes back a piece that a larger one has replaced. */
  giveBack(bytes: Uint8Array): void;
}

/** Memory of its own for each window. */
export const OWN_WINDOWS: WindowSource = {
  take: (lengthBytes) => new Uint8Array(lengthBytes),
  giveBack: () => undefined,
};

const MAX_KEPT = 16;

/**
 * Memory for the windows of cursors that all end together: those of one page of a scan, or of one merge. It is used again
 * for the next one, as it would be collected late where it is garbage: such a thread makes little other garbage.
 */
export class WindowMemory implements WindowSource {
  readonly #maxKeptBytes: number;
  readonly #taken: Uint8Array[] = [];
  readonly #free: Uint8Array[] = [];

  /** @param maxKeptBytes larger pieces are for single blocks, and are not kept */
  constructor(maxKeptBytes: number) {
    this.#maxKeptBytes = maxKeptBytes;
  }

  take(lengthBytes: number): Uint8Array {
    const at = this.#free.findIndex((bytes) => bytes.length >= lengthBytes);
    const bytes = at < 0 ? new Uint8Array(lengthBytes) : this.#free.splice(at, 1)[0];
    this.#taken.push(bytes);
    return bytes;
  }

  giveBack(bytes: Uint8Array): void {
    const at = this.#taken.indexOf(bytes);
    if (at < 0) return;
    this.#taken.splice(at, 1);
    this.#keep(bytes);
  }

  /** Call it when nobody uses any of the windows any more. */
  releaseAll(): void {
    for (const bytes of this.#taken) this.#keep(bytes);
    this.#taken.length = 0;
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length <= this.#maxKeptBytes && this.#free.length < MAX_KEPT) this.#free.push(bytes);
  }
}
