import { copyBytes } from '../format/bytes.ts';
import { Page, type PageMemoryOwner } from '../iterator/page.ts';
import type { ReaderAnswer } from '../threads/protocol/reader-messages.ts';
import { copyOut } from './memory-search.ts';

/** Pages are of a few sizes, and there are about two for each scan under way. */
const MAX_KEPT = 8;
const SMALLEST_BYTES = 64 * 1024;
/** Smaller pages are a copy each: to keep a piece for them would take longer than to make one. */
const LEAST_KEPT_BYTES = 4 * 1024;
/** The memory of a page with a huge record is not kept. */
const MAX_KEPT_BYTES = 1024 * 1024;

/** Memory for pages, which is used again. The sizes of the pieces that are kept are powers of two. */
export class PageMemory implements PageMemoryOwner {
  readonly #free: Uint8Array[] = [];

  /** The page of an answer, copied out of the ring `bytes`. */
  page(bytes: Uint8Array, { bodyStart, bodyEnd, hasMore, resumeEnd }: ReaderAnswer): Page {
    const resumeAt = hasMore ? Buffer.from(bytes.subarray(bodyEnd, resumeEnd)) : null;
    const usedBytes = bodyEnd - bodyStart;
    if (usedBytes < LEAST_KEPT_BYTES)
      return new Page(copyOut(bytes, bodyStart, bodyEnd), usedBytes, resumeAt);
    const entries = this.#take(usedBytes);
    copyBytes(bytes, bodyStart, bodyEnd, entries, 0);
    return new Page(entries, usedBytes, resumeAt, this);
  }

  give(bytes: Uint8Array): void {
    if (bytes.length > MAX_KEPT_BYTES) return;
    if (this.#free.length === MAX_KEPT) this.#free.shift();
    this.#free.push(bytes);
  }

  #take(lengthBytes: number): Uint8Array {
    const at = this.#free.findLastIndex((bytes) => bytes.length >= lengthBytes);
    if (at >= 0) return this.#free.splice(at, 1)[0];
    // A piece that will not be kept is no larger than needed.
    if (lengthBytes > MAX_KEPT_BYTES) return Buffer.allocUnsafeSlow(lengthBytes);
    let size = SMALLEST_BYTES;
    while (size < lengthBytes) size *= 2;
    return Buffer.allocUnsafeSlow(size);
  }
}
