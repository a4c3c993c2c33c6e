import { frameTag, nextFrame } from '../format/frame.ts';
import { type HashSeed, hashBytes } from '../format/hash.ts';
import { OperationCursor } from '../log/write-operation.ts';
import type { Memtable } from '../memtable/memtable.ts';
import type { RingConsumer } from '../shared/ring.ts';
import type { CurrentVersion } from './current-version.ts';
import { toLsmError } from './protocol/errors.ts';
import { WriteCode } from './protocol/writer-messages.ts';
import type { StaleWriteFilter } from './stale-write-filter.ts';
import { enterFrame } from './write-run.ts';

/**
 * Judges the writes of a run that depend on what their keys have, before the run is logged. One that is not met is
 * marked as dropped in the run's own bytes, so that a replay passes it over; the log need not be judged again.
 *
 * What is judged is what readers see: all runs before this one. So where an earlier write of the same run may change a
 * key, the run is cut before the condition on it. Conditions on different keys, and those on one key that are not met,
 * are in one run, with one sync.
 */
export class ConditionalWrites {
  readonly #current: CurrentVersion;
  readonly #hashSeed: HashSeed;
  readonly #cursor = new OperationCursor();
  /** Hashes of the keys that the run changes. Of two keys with one hash the second only has the run cut early. */
  readonly #changed = new Set<number>();
  /** Whether the run has a range tombstone: it may change any key. */
  #changesAny = false;
  /** Of the condition that was judged last. */
  #metTimestamp = 0;

  constructor(current: CurrentVersion, hashSeed: HashSeed) {
    this.#current = current;
    this.#hashSeed = hashSeed;
  }

  /** @param answers is told what became of those that are not met */
  judge(run: RingConsumer, memtable: Memtable, generation: number, answers: StaleWriteFilter): void {
    const { bytes } = run;
    this.#changed.clear();
    this.#changesAny = false;
    let frames = 0;
    for (let at = run.runStart; at < run.runEnd; at = nextFrame(bytes, at)) {
      const hasConditions = enterFrame(this.#cursor, bytes, at).conditions > 0;
      if (hasConditions && this.#dependsOnRun(bytes)) {
        run.cutRun(at, frames);
        return;
      }
      if (!hasConditions || this.#isMet(bytes, at, memtable, generation, answers))
        this.#noteChanges(bytes, at);
      frames++;
    }
  }

  #dependsOnRun(bytes: Uint8Array): boolean {
    if (this.#changesAny) return true;
    while (this.#cursor.nextCondition()) if (this.#changed.has(this.#hash(bytes))) return true;
    return false;
  }

  #isMet(
    bytes: Uint8Array,
    frame: number,
    memtable: Memtable,
    generation: number,
    answers: StaleWriteFilter,
  ): boolean {
    try {
      const unmet = this.#firstUnmet(bytes, frame, memtable, generation);
      if (unmet === -1) return true;
      answers.note(frameTag(bytes, frame), WriteCode.unmet, this.#metTimestamp, unmet);
    } catch (error) {
      answers.noteFailed(frameTag(bytes, frame), toLsmError(error, 'looking for the current version'));
    }
    const cursor = enterFrame(this.#cursor, bytes, frame);
    while (cursor.next()) cursor.drop();
    return false;
  }

  /** The number of the first condition that is not met; -1: all are. */
  #firstUnmet(bytes: Uint8Array, frame: number, memtable: Memtable, generation: number): number {
    const cursor = enterFrame(this.#cursor, bytes, frame);
    for (let condition = 0; cursor.nextCondition(); condition++) {
      this.#metTimestamp = this.#current.timestampOf(
        memtable,
        generation,
        bytes,
        cursor.keyStart,
        cursor.keyEnd,
        this.#hash(bytes),
        cursor.conditionNowMs,
      );
      if (this.#metTimestamp !== cursor.conditionTimestamp) return condition;
    }
    return -1;
  }

  #noteChanges(bytes: Uint8Array, frame: number): void {
    const cursor = enterFrame(this.#cursor, bytes, frame);
    while (cursor.next()) {
      if (cursor.isRange) this.#changesAny = true;
      else this.#changed.add(this.#hash(bytes));
    }
  }

  #hash(bytes: Uint8Array): number {
    return hashBytes(bytes, this.#cursor.keyStart, this.#cursor.keyEnd, this.#hashSeed);
  }
}
