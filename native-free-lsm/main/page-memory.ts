import { copyBytes } from '../format/bytes.ts';
import type { PageMemoryOwner } from '../iterator/page.ts';

/** Pages are of a few sizes, and there are about two for each scan under way. */
const MAX_KEPT = 8;
const SMALLEST_BYTES = 64 * 1024;
/** One with a huge record must not hold its memory for good. */
const MAX_KEPT_BYTES = 1024 * 1024;

/** Memory for pages, used again and again. The sizes of what is kept are powers of two. */
export class PageMemory implements PageMemoryOwner {
  readonly #free: Uint8Array[] = [];

  /** A piece of memory that begins with a copy of `source[start, end)`. */
  copy(source: Uint8Array, start: number, end: number): Uint8Array {
    const bytes = this.#take(end - start);
    copyBytes(source, start, end, bytes, 0);
    return bytes;
  }

  give(bytes: Uint8Array): void {
    if (bytes.length > MAX_KEPT_BYTES) return;
    if (this.#free.length === MAX_KEPT) this.#free.shift();
    this.#free.push(bytes);
  }

  #take(lengthBytes: number): Uint8Array {
    const at = this.#free.findLastIndex((bytes) => bytes.length >= lengthBytes);
    if (at >= 0) return this.#free.splice(at, 1)[0];
    // One that will not be kept is as large as it must be.
    if (lengthBytes > MAX_KEPT_BYTES) return Buffer.allocUnsafeSlow(lengthBytes);
    let size = SMALLEST_BYTES;
    while (size < lengthBytes) size *= 2;
    return Buffer.allocUnsafeSlow(size);
  }
}
