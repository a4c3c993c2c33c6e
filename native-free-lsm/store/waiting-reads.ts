import { ENGINE_WAITS } from '../shared/main-waits.ts';
import type { PageCall } from './page-call.ts';
import type { ReadSink } from './sinks.ts';
import type { SnapshotPoint } from './store-snapshot.ts';

/** About what a waiting read takes besides its keys: the object, its place here, the promise behind its sink. */
const READ_BYTES = 256;

/** A read or a page for which the readers' rings have no room. */
export interface WaitingRead {
  readonly key: Uint8Array;
  readonly snapshot: SnapshotPoint | null;
  readonly sink: ReadSink;
  readonly token: number;
  /** When set, it is a page that waits, and of the fields above only the snapshot has a meaning. */
  readonly page: PageCall | null;
  /** How many threads have died while they had it. */
  readonly deaths: number;
}

/** Reads that wait for room in a ring, in the order in which they arrived, up to a bound in bytes. */
export class WaitingReads {
  readonly #maxBytes: number;
  #reads: (WaitingRead | undefined)[] = [];
  /** Index in `#reads` of the first one that still waits; the places before it are empty. */
  #next = 0;
  #bytes = 0;
  /** Undefined while none waits. One that is taken out and put back has waited on. */
  #waitBeganMs: number | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#reads.length - this.#next;
  }

  /** Returns false when it exceeds the bound. */
  add(read: WaitingRead): boolean {
    const bytes = bytesOf(read);
    if (this.#bytes + bytes > this.#maxBytes) return false;
    this.#bytes += bytes;
    this.#reads.push(read);
    this.#waitBeganMs ??= ENGINE_WAITS.reads.begin();
    return true;
  }

  /** Takes the first one out; undefined when there is none, and with that the wait is over. */
  takeFirst(): WaitingRead | undefined {
    // The rest is moved up when half of the places are empty, so that each read is moved about once.
    if (this.#next * 2 > this.#reads.length) {
      this.#reads = this.#reads.slice(this.#next);
      this.#next = 0;
    }
    const read = this.#reads[this.#next];
    if (read === undefined) {
      this.#endWait();
      return undefined;
    }
    this.#reads[this.#next++] = undefined;
    this.#bytes -= bytesOf(read);
    return read;
  }

  /** Puts the read that was taken last back to the front. Allowed only while nothing was added or taken since. */
  putBack(read: WaitingRead): void {
    this.#reads[--this.#next] = read;
    this.#bytes += bytesOf(read);
  }

  takeAll(): WaitingRead[] {
    const all = this.#reads.slice(this.#next) as WaitingRead[];
    this.#endWait();
    this.#reads = [];
    this.#next = 0;
    this.#bytes = 0;
    return all;
  }

  #endWait(): void {
    if (this.#waitBeganMs === undefined) return;
    ENGINE_WAITS.reads.end(this.#waitBeganMs);
    this.#waitBeganMs = undefined;
  }
}

function bytesOf({ key, page }: WaitingRead): number {
  if (page === null) return READ_BYTES + key.length;
  return READ_BYTES + page.request.start.length + (page.request.end?.length ?? 0);
}
