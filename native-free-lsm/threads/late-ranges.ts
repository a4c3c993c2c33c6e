import { frameTag, nextFrame } from '../format/frame.ts';
import { recordTimestamp } from '../format/record.ts';
import { OperationCursor } from '../log/write-operation.ts';
import type { Memtable } from '../memtable/memtable.ts';
import type { RingConsumer } from '../shared/ring.ts';
import { WriteCode } from './protocol/writer-messages.ts';
import type { StaleWriteFilter } from './stale-write-filter.ts';
import type { VersionLookup } from './version-lookup.ts';
import { enterFrame } from './write-run.ts';

/**
 * Finds range tombstones of a run that are not newer than everything that was written before them, and drops them before
 * the run is logged. So of what lies below a range tombstone nothing in its range is newer: a table that has nothing else
 * may begin with a deletion of the first key, and a scan may pass over older tables. Whoever wrote it is told the
 * timestamp that it has to exceed.
 */
export class LateRanges {
  readonly #versions: VersionLookup;
  readonly #cursor = new OperationCursor();

  constructor(versions: VersionLookup) {
    this.#versions = versions;
  }

  /** @param answers is told what became of those that are dropped */
  drop(run: RingConsumer, memtable: Memtable, answers: StaleWriteFilter): void {
    const { bytes, runStart, runEnd } = run;
    let newest = Math.max(memtable.largestTimestamp, this.#versions.largestTimestamp);
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
      const before = newest;
      let isLate = false;
      const cursor = enterFrame(this.#cursor, bytes, at);
      while (cursor.next()) {
        const timestamp = recordTimestamp(bytes, cursor.recordStart);
        isLate ||= cursor.isRange && timestamp <= newest;
        newest = Math.max(newest, timestamp);
      }
      if (!isLate) continue;
      newest = before;
      // A batch is stored whole or not at all.
      const dropped = enterFrame(this.#cursor, bytes, at);
      while (dropped.next()) dropped.drop();
      answers.note(frameTag(bytes, at), WriteCode.stale, newest, 0);
    }
  }
}
