import { AbstractSnapshot } from 'abstract-level';
import type { Snapshot } from '../readable-engine.ts';

/** An explicit snapshot of a database. */
export class LevelSnapshot extends AbstractSnapshot {
  readonly held: Snapshot;

  /** @param options of abstract-level, which names the owner */
  constructor(options: object, held: Snapshot) {
    // The declarations leave out what a database passes on.
    super(...([options] as unknown as []));
    this.held = held;
  }

  /** Called by abstract-level once no read uses it any more. */
  async _close(): Promise<void> {
    this.held.release();
  }
}
