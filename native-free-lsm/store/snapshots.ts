import { describe, invalidArgument } from '../arguments.ts';
import type { LsmError } from '../errors.ts';
import type { EpochDomain } from '../shared/epochs.ts';
import type { ReadPoint } from '../threads/protocol/reader-messages.ts';
import { SNAPSHOT_EXPIRED, StoreSnapshot } from './store-snapshot.ts';
import type { SuperVersions } from './super-versions.ts';

/**
 * The snapshots that are held, oldest first. Each pins a super-version, and so the memtables that belong to it. They
 * must not keep writers waiting for memory: the oldest is given up before that.
 */
export class Snapshots {
  readonly #superVersions: SuperVersions;
  readonly #epochs: EpochDomain;
  readonly #held = new Set<StoreSnapshot>();

  constructor(superVersions: SuperVersions, epochs: EpochDomain) {
    this.#superVersions = superVersions;
    this.#epochs = epochs;
  }

  take(point: ReadPoint): StoreSnapshot {
    const superVersion = this.#superVersions.pin();
    const snapshot = new StoreSnapshot({ ...point, superVersion }, (ended) => {
      this.#held.delete(ended);
      // Reads that name it may still be in a ring.
      this.#epochs.retire(() => this.#superVersions.unpin(superVersion));
      this.#superVersions.collect();
    });
    this.#held.add(snapshot);
    return snapshot;
  }

  /** Why nothing can be read from it; undefined when reads are possible. */
  fault(snapshot: unknown): LsmError | undefined {
    if (!(snapshot instanceof StoreSnapshot))
      return invalidArgument(`snapshot must be one that snapshot() gave, not ${describe(snapshot)}`);
    if (snapshot.point === undefined) return SNAPSHOT_EXPIRED;
    // It names super-versions and memtables of its own engine.
    return this.#held.has(snapshot)
      ? undefined
      : invalidArgument('snapshot must be of this engine, not of another');
  }

  /** Gives up the snapshots that pin more than `maxSealed` memtables below the active one. */
  expire(activeGeneration: number, maxSealed: number): void {
    for (const snapshot of this.#held) {
      const pinned = snapshot.point?.superVersion.tables.oldestGeneration ?? activeGeneration;
      if (activeGeneration - pinned > maxSealed) snapshot.release();
    }
  }

  /** Gives up the oldest snapshot that pins memtables which are in tables by now: an opening may have found many. */
  giveUpOne(): void {
    const { oldestGeneration } = this.#superVersions.current;
    for (const snapshot of this.#held) {
      if ((snapshot.point?.superVersion.tables.oldestGeneration ?? oldestGeneration) >= oldestGeneration)
        continue;
      snapshot.release();
      return;
    }
  }

  releaseAll(): void {
    for (const snapshot of [...this.#held]) snapshot.release();
  }
}
