import { LsmError } from '../errors.ts';
import type { ReadPoint } from '../threads/protocol/reader-messages.ts';
import type { SuperVersion } from './super-versions.ts';

/** A consistent view to read from; it is held until `expired` or released. */
export interface SnapshotPoint extends ReadPoint {
  readonly superVersion: SuperVersion;
}

const RELEASED = new LsmError(
  'SNAPSHOT_EXPIRED',
  'the snapshot was released, or its engine closed: take a new one',
);

/** A view of one moment; release it when you are done. */
export class StoreSnapshot {
  /** Undefined once it is released or given up. */
  point: SnapshotPoint | undefined;
  readonly #onEnd: (snapshot: StoreSnapshot, point: SnapshotPoint) => void;
  #fault = RELEASED;

  constructor(point: SnapshotPoint, onEnd: (snapshot: StoreSnapshot, point: SnapshotPoint) => void) {
    this.point = point;
    this.#onEnd = onEnd;
  }

  /** What reads fail with once it has no point. */
  get fault(): LsmError {
    return this.#fault;
  }

  /** Ends the view, and frees what it holds; once more does nothing. */
  release(): void {
    this.giveUp(RELEASED);
  }

  /** As `release`, but not by its owner, who finds out why. @param fault SNAPSHOT_EXPIRED */
  giveUp(fault: LsmError): void {
    const { point } = this;
    if (point === undefined) return;
    this.point = undefined;
    this.#fault = fault;
    this.#onEnd(this, point);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
