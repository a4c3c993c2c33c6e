import { describe, invalidArgument } from '../arguments.ts';
import { LsmError } from '../errors.ts';
import type { EpochDomain } from '../shared/epochs.ts';
import type { ReadPoint } from '../threads/protocol/reader-messages.ts';
import { type SnapshotPoint, StoreSnapshot } from './store-snapshot.ts';
import type { SuperVersion, SuperVersions } from './super-versions.ts';

/**
 * The snapshots that are held, oldest first. Each pins a super-version, and so the memtables that belong to it. They
 * must not keep writers waiting for memory: SnapshotKeeper moves them to super-versions without memtables before that.
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
    const snapshot = new StoreSnapshot({ ...point, superVersion }, (ended, last) => {
      this.#held.delete(ended);
      this.#retire(last.superVersion);
      this.#superVersions.collect();
    });
    this.#held.add(snapshot);
    return snapshot;
  }

  /** Why nothing can be read from it; undefined when reads are possible. */
  fault(snapshot: unknown): LsmError | undefined {
    if (!(snapshot instanceof StoreSnapshot))
      return invalidArgument(`snapshot must be one that snapshot() gave, not ${describe(snapshot)}`);
    if (snapshot.point === undefined) return snapshot.fault;
    // It names super-versions and memtables of its own engine.
    return this.#held.has(snapshot)
      ? undefined
      : invalidArgument('snapshot must be of this engine, not of another');
  }

  /** Of the snapshots that pin memtables, the point of the oldest. */
  oldest(): SnapshotPoint | undefined {
    for (const { point } of this.#held) if (point !== undefined && !isKept(point)) return point;
    return undefined;
  }

  /** How many are held. */
  get count(): number {
    return this.#held.size;
  }

  /** How many different moments are read from tables alone. */
  get keptMoments(): number {
    const moments = new Set<SuperVersion>();
    for (const { point } of this.#held)
      if (point !== undefined && isKept(point)) moments.add(point.superVersion);
    return moments.size;
  }

  /** Has the snapshots of a moment read from another super-version, which has the same without memtables. */
  move(from: SnapshotPoint, superVersion: SuperVersion): void {
    const point = { ...from, superVersionId: superVersion.tables.id, superVersion };
    for (const snapshot of this.#of(from)) {
      snapshot.point = point;
      this.#superVersions.hold(superVersion);
      this.#retire(from.superVersion);
    }
    this.#superVersions.collect();
  }

  /** Gives the snapshots of a moment up. @param why the end of a sentence */
  giveUp(point: SnapshotPoint, why: string): void {
    const fault = new LsmError('SNAPSHOT_EXPIRED', `the snapshot was given up, as ${why}`);
    for (const snapshot of this.#of(point)) snapshot.giveUp(fault);
  }

  releaseAll(): void {
    for (const snapshot of [...this.#held]) snapshot.release();
  }

  #of({ generation, limit, superVersion }: SnapshotPoint): StoreSnapshot[] {
    return [...this.#held].filter(
      ({ point }) =>
        point?.superVersion === superVersion && point.generation === generation && point.limit === limit,
    );
  }

  #retire(superVersion: SuperVersion): void {
    // Reads that name it may still be in a ring.
    this.#epochs.retire(() => this.#superVersions.unpin(superVersion));
  }
}

/** Whether all that the moment has is in tables. */
function isKept({ generation, superVersion }: SnapshotPoint): boolean {
  return superVersion.tables.oldestGeneration > generation;
}
