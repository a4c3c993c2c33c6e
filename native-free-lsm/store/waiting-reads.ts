import type { PageCall } from './page-call.ts';
import type { ReadSink } from './sinks.ts';
import type { SnapshotPoint } from './store-snapshot.ts';

/** What a read that waits takes besides its keys, about: the object, its place here, a promise behind its sink. */
const READ_BYTES = 256;

/** A read or a page for which there is no place in the readers' rings. */
export interface WaitingRead {
  readonly key: Uint8Array;
  readonly snapshot: SnapshotPoint | null;
  readonly sink: ReadSink;
  readonly token: number;
  /** Set: it is a page that waits, and none of the above but the snapshot means anything. */
  readonly page: PageCall | null;
  /** Threads that died with it in hand. */
  readonly deaths: number;
}

/** Reads that wait for their turn, in the order in which they came, up to a bound in bytes. */
export class WaitingReads {
  readonly #maxBytes: number;
  #reads: (WaitingRead | undefined)[] = [];
  /** Of `#reads`: those before it have gone, and their places are empty. */
  #next = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#reads.length - this.#next;
  }

  /** False: there is no room for it. */
  add(read: WaitingRead): boolean {
    const bytes = bytesOf(read);
    if (this.#bytes + bytes > this.#maxBytes) return false;
    this.#bytes += bytes;
    this.#reads.push(read);
    return true;
  }

  /** Undefined when there is none. */
  takeFirst(): WaitingRead | undefined {
    // Moved up now and then, so that each is moved once on average.
    if (this.#next * 2 > this.#reads.length) {
      this.#reads = this.#reads.slice(this.#next);
      this.#next = 0;
    }
    const read = this.#reads[this.#next];
    if (read === undefined) return undefined;
    this.#reads[this.#next++] = undefined;
    this.#bytes -= bytesOf(read);
    return read;
  }

  /** Gives the one taken last its place before all others again: only while nothing was added or taken since. */
  putBack(read: WaitingRead): void {
    this.#reads[--this.#next] = read;
    this.#bytes += bytesOf(read);
  }

  takeAll(): WaitingRead[] {
    const all = this.#reads.slice(this.#next) as WaitingRead[];
    this.#reads = [];
    this.#next = 0;
    this.#bytes = 0;
    return all;
  }
}

function bytesOf({ key, page }: WaitingRead): number {
  if (page === null) return READ_BYTES + key.length;
  return READ_BYTES + page.request.start.length + (page.request.end?.length ?? 0);
}
