import type { PageCall } from './page-call.ts';
import type { ReadSink } from './sinks.ts';
import type { SnapshotPoint } from './store-snapshot.ts';

export const MAX_ASKED_READS = 16_384;
/** In the place of the key of a page, and of a read that is over. */
export const NO_KEY = new Uint8Array(0);
/** In the place of the sink of a page, which has a promise, of a block that is loaded, and of a read that is over. */
export const NO_SINK: ReadSink = { onRead: () => undefined };

/** A read, a page, or a block for the cache that a reader thread has been asked for. */
export class AskedRead {
  key: Uint8Array = NO_KEY;
  snapshot: SnapshotPoint | null = null;
  sink: ReadSink = NO_SINK;
  token = 0;
  /** What has a smaller timestamp is hidden by a range tombstone. */
  cover = 0;
  /** When set, it is a page that was asked for, and of the fields above only the snapshot has a meaning. */
  page: PageCall | null = null;
  /** How many threads have died while they had it. */
  deaths = 0;
  /** Index of the thread's channel. */
  channel = 0;
  /** The place that the cache has reserved for the read's block; -1: none. */
  cacheSlot = -1;

  /** Whether it is a block that is only to be in the cache. */
  get isBlockLoad(): boolean {
    return this.page === null && this.sink === NO_SINK;
  }

  /** The read is over, and must keep nothing alive until the object is used again. */
  clear(): void {
    this.key = NO_KEY;
    this.snapshot = null;
    this.sink = NO_SINK;
    this.cover = 0;
    this.page = null;
    this.cacheSlot = -1;
  }
}
