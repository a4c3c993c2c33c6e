import { FreeList } from './free-list.ts';
import type { PageCall } from './page-call.ts';
import type { SnapshotPoint } from './reader-channel.ts';
import type { ReadSink } from './sinks.ts';

export const MAX_ASKED_READS = 16_384;

/**
 * Reads and pages that a reader thread has been asked for, by place: the number that its answer comes back with. Columns
 * instead of objects, as every read from disk passes through here.
 */
export class AskedReads {
  /** Null: the place is free, or a page has it. */
  readonly sinks: (ReadSink | null)[] = new Array(MAX_ASKED_READS).fill(null);
  readonly keys: (Uint8Array | null)[] = new Array(MAX_ASKED_READS).fill(null);
  readonly tokens = new Float64Array(MAX_ASKED_READS);
  /** Cache slot reserved for the read's block, -1: none. */
  readonly slots = new Int32Array(MAX_ASKED_READS);
  readonly snapshots: (SnapshotPoint | null)[] = new Array(MAX_ASKED_READS).fill(null);
  /** Index of the thread's channel. */
  readonly channels = new Uint8Array(MAX_ASKED_READS);
  /** Threads that died with the read in their ring. */
  readonly deaths = new Uint8Array(MAX_ASKED_READS);
  readonly pages = new Map<number, PageCall>();
  readonly #places = new FreeList(MAX_ASKED_READS);

  get count(): number {
    return this.#places.used;
  }

  /** A free place, to be filled; -1 when there is none. */
  take(): number {
    return this.#places.take();
  }

  /** Of a place that was not filled. */
  giveBack(place: number): void {
    this.#places.give(place);
  }

  free(place: number): void {
    this.sinks[place] = null;
    this.keys[place] = null;
    this.snapshots[place] = null;
    this.slots[place] = -1;
    this.pages.delete(place);
    this.#places.give(place);
  }

  /** The places of what the thread of a channel has not answered. */
  ofChannel(channel: number): number[] {
    const places: number[] = [];
    for (let place = 0; place < MAX_ASKED_READS; place++) {
      const isUsed = this.sinks[place] !== null || this.pages.has(place);
      if (isUsed && this.channels[place] === channel) places.push(place);
    }
    return places;
  }
}
