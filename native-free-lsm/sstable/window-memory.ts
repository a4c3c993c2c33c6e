/** What a cursor reads blocks into. */
export interface WindowSource {
  take(lengthBytes: number): Uint8Array;
}

/** Memory of its own for each window. */
export const OWN_WINDOWS: WindowSource = { take: (lengthBytes) => new Uint8Array(lengthBytes) };

/** Larger pieces are for single blocks, and are not kept. */
const MAX_KEPT_BYTES = 128 * 1024;
const MAX_KEPT = 16;

/**
 * Memory for the windows of cursors that all end together: those of one page of a scan. It is used again for the next
 * one, as it would be collected late where it is garbage: a reader thread makes little other garbage.
 */
export class WindowMemory implements WindowSource {
  readonly #taken: Uint8Array[] = [];
  readonly #free: Uint8Array[] = [];

  take(lengthBytes: number): Uint8Array {
    const at = this.#free.findIndex((bytes) => bytes.length >= lengthBytes);
    const bytes = at < 0 ? new Uint8Array(lengthBytes) : this.#free.splice(at, 1)[0];
    this.#taken.push(bytes);
    return bytes;
  }

  /** Call it when nobody uses any of the windows any more. */
  releaseAll(): void {
    for (const bytes of this.#taken)
      if (bytes.length <= MAX_KEPT_BYTES && this.#free.length < MAX_KEPT) this.#free.push(bytes);
    this.#taken.length = 0;
  }
}
