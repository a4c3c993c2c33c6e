import { recordTimestamp } from '../format/record.ts';
import { KeyBound } from '../iterator/key-bound.ts';
import type { MergingIterator } from '../iterator/merging-iterator.ts';
import type { PageBuilder } from '../iterator/page-builder.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { CoverWindow } from './cover-window.ts';
import type { ReadCover } from './read-cover.ts';

/** So many hidden entries in a row are passed one by one, before it pays to have sources seek. */
const STEPS_BEFORE_SEEK = 8;

/**
 * The entries of a merge that no range tombstone hides. Behind a few that are hidden its sources seek to where the cover
 * ends, as far as all that they have is older (the idea: RocksDB's and Pebble's iterators skip what a range tombstone
 * covers): so a scan over a hole reads few blocks of what was there.
 */
export class CoveredIterator implements RecordIterator {
  readonly #merge: MergingIterator;
  readonly #cover: ReadCover;
  readonly #walkBound: KeyBound;
  readonly #isReverse: boolean;
  readonly #onHidden: () => void;
  readonly #window = new CoverWindow();
  readonly #runBound = new KeyBound();

  /**
   * @param bound where the walk ends: nothing beyond it is passed, and it may end at an entry that is hidden
   * @param onHidden called for each entry that is passed because it is hidden; it may throw, and end the walk
   */
  constructor(
    merge: MergingIterator,
    cover: ReadCover,
    bound: KeyBound,
    isReverse: boolean,
    onHidden: () => void = () => undefined,
  ) {
    this.#merge = merge;
    this.#cover = cover;
    this.#walkBound = bound;
    this.#isReverse = isReverse;
    this.#onHidden = onHidden;
  }

  get valid(): boolean {
    return this.#merge.valid;
  }
  get keyBytes(): Uint8Array {
    return this.#merge.keyBytes;
  }
  get keyStart(): number {
    return this.#merge.keyStart;
  }
  get keyEnd(): number {
    return this.#merge.keyEnd;
  }
  get recordBytes(): Uint8Array {
    return this.#merge.recordBytes;
  }
  get recordStart(): number {
    return this.#merge.recordStart;
  }
  get recordEnd(): number {
    return this.#merge.recordEnd;
  }

  seekToFirst(): void {
    this.#merge.seekToFirst();
    this.#settle();
  }

  seek(key: Uint8Array, start: number, end: number): void {
    this.#merge.seek(key, start, end);
    this.#settle();
  }

  next(): void {
    this.#merge.next();
    this.#settle();
  }

  addRun(page: PageBuilder, bound: KeyBound): boolean {
    const merge = this.#merge;
    if (this.#window.timestamp === 0) {
      // Nothing is hidden up to the end of the window, so sources may run.
      const goesOn = merge.addRun(page, this.#boundRun(bound));
      this.#settle();
      return goesOn;
    }
    const { keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd } = merge;
    if (!page.add(keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd)) return false;
    this.next();
    return true;
  }

  #boundRun(bound: KeyBound): KeyBound {
    const edge = this.#isReverse ? this.#window.from : this.#window.until;
    if (edge === null || !bound.admits(edge, 0, edge.length)) return bound;
    if (this.#isReverse) this.#runBound.setAtOrAbove(edge, 0, edge.length);
    else this.#runBound.setBelow(edge, 0, edge.length);
    return this.#runBound;
  }

  /** Moves past entries that are hidden. */
  #settle(): void {
    const merge = this.#merge;
    const window = this.#window;
    let passed = 0;
    while (merge.valid) {
      const { keyBytes, keyStart, keyEnd } = merge;
      if (!this.#walkBound.admits(keyBytes, keyStart, keyEnd)) return;
      if (!window.has(keyBytes, keyStart, keyEnd)) {
        this.#cover.moveTo(window, keyBytes, keyStart, keyEnd);
        passed = 0;
      }
      if (window.timestamp === 0) return;
      if (recordTimestamp(merge.recordBytes, merge.recordStart) >= window.timestamp) return;
      this.#onHidden();
      if (++passed < STEPS_BEFORE_SEEK) merge.next();
      else {
        merge.passHidden(window);
        passed = 0;
      }
    }
  }
}
