import { LsmError } from '../errors.ts';
import type { ReadPoint } from '../threads/protocol/reader-messages.ts';
import type { SuperVersion } from './super-versions.ts';

/** A consistent view to read from; it is held until `expired` or released. */
export interface SnapshotPoint extends ReadPoint {
  readonly superVersion: SuperVersion;
}

/** A view of one moment; release it when you are done. */
export class StoreSnapshot {
  /** Undefined once it is released or given up. */
  point: SnapshotPoint | undefined;
  readonly #onEnd: (snapshot: StoreSnapshot, point: SnapshotPoint) => void;

  constructor(point: SnapshotPoint, onEnd: (snapshot: StoreSnapshot, point: SnapshotPoint) => void) {
    this.point = point;
    this.#onEnd = onEnd;
  }

  /** Ends the view, and frees what it holds; once more does nothing. */
  release(): void {
    const { point } = this;
    if (point === undefined) return;
    this.point = undefined;
    this.#onEnd(this, point);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

export const SNAPSHOT_EXPIRED = new LsmError(
  'SNAPSHOT_EXPIRED',
  'the snapshot was released, or given up because too many were held or the disk failed: take a new one',
);
