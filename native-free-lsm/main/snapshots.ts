import type { EpochDomain } from '../shared/epochs.ts';
import type { ReadPoint } from './read-lane.ts';
import { StoreSnapshot } from './store-snapshot.ts';
import type { Views } from './views.ts';

/**
 * The snapshots that are held, oldest first. Each pins a view, and so the memtables that the view reads; they must
 * not keep writers waiting for memory: the oldest is given up before that.
 */
export class Snapshots {
  readonly #views: Views;
  readonly #epochs: EpochDomain;
  readonly #held = new Set<StoreSnapshot>();

  constructor(views: Views, epochs: EpochDomain) {
    this.#views = views;
    this.#epochs = epochs;
  }

  take(point: ReadPoint): StoreSnapshot {
    const view = this.#views.pin();
    const snapshot = new StoreSnapshot({ ...point, view }, (ended) => {
      this.#held.delete(ended);
      // Reads that name it may still be in a ring.
      this.#epochs.retire(() => this.#views.unpin(view));
      this.#views.collect();
    });
    this.#held.add(snapshot);
    return snapshot;
  }

  /** Gives up those that pin more than `maxSealed` memtables below the active one. */
  expire(activeGeneration: number, maxSealed: number): void {
    for (const snapshot of this.#held) {
      const pinned = snapshot.point?.view.table.oldestGeneration ?? activeGeneration;
      if (activeGeneration - pinned > maxSealed) snapshot.release();
    }
  }

  /** Gives up the oldest that pins memtables which are in tables by now: an opening may have found many. */
  giveUpOne(): void {
    const { oldestGeneration } = this.#views.current;
    for (const snapshot of this.#held) {
      if ((snapshot.point?.view.table.oldestGeneration ?? oldestGeneration) >= oldestGeneration) continue;
      snapshot.release();
      return;
    }
  }

  releaseAll(): void {
    for (const snapshot of [...this.#held]) snapshot.release();
  }
}
