import { compareRecordVersions } from '../format/record.ts';
import type { CursorIterator } from '../iterator/cursor-iterator.ts';
import type { RecordWalk } from '../iterator/record-iterator.ts';
import type { BlockCursor } from '../sstable/block.ts';

/** Above the largest number of bytes that two keys may have in common. */
const OFFSET_LIMIT = 0x1_0000;
/** A byte and one, below the offset. */
const VALUE_BITS = 9;
/** Of a key that is the one it is coded by. */
const SAME_KEY = 0;
/** Of a source that has ended: above every other one. */
const ENDED = 0x7fff_ffff;

/**
 * Merges tables into one walk, with each key once in its newest version. Sources are given newest first: of equal
 * versions, the earliest source's is kept.
 *
 * It is a tournament of the sources in which every match remembers its loser: when the winner moves on, only the matches
 * on its way are played again, one for each level of the tree (Knuth, *The Art of Computer Programming* 3, 5.4.1: a tree
 * of losers). Keys are compared by *offset-value codes* (Conner 1977; Do, Graefe and Naughton, "Efficient sorting,
 * duplicate removal, grouping, and aggregation", 2022): what a key has behind the bytes in common with the one that has
 * been shown last, as one number. A block says how many bytes that are for each of its keys, and where two codes differ
 * nothing else is looked at: the one that has less in common, or the larger byte behind that, is the larger key, and as
 * it lost, its code stays right with respect to the key that beat it. Where they are equal the bytes behind are compared.
 *
 *   bits 9…  0x10000 less the bytes in common   bits 0…8  the byte behind them, and one
 *   0        the same key
 */
export class TableMerge implements RecordWalk {
  valid = false;
  keyBytes: Uint8Array = new Uint8Array(0);
  readonly keyStart = 0;
  keyEnd = 0;
  recordBytes: Uint8Array = new Uint8Array(0);
  recordStart = 0;
  recordEnd = 0;
  readonly #sources: readonly CursorIterator<BlockCursor>[];
  readonly #cursors: readonly BlockCursor[];
  readonly #codes: Int32Array;
  /**
   * The sources that lost, by match: that of match 1 is the last one, the winners of 2n and 2n + 1 meet in n, and source s
   * enters at what would be match `sources + s`. `#losers[0]` is who won it all.
   */
  readonly #losers: Int32Array;

  constructor(sources: readonly CursorIterator<BlockCursor>[]) {
    this.#sources = sources;
    this.#cursors = sources.map((source) => source.cursor);
    this.#codes = new Int32Array(sources.length);
    this.#losers = new Int32Array(Math.max(1, sources.length));
  }

  seekToFirst(): void {
    const { length } = this.#sources;
    this.valid = false;
    for (let source = 0; source < length; source++) {
      this.#sources[source].seekToFirst();
      // By the empty key, with which none has anything in common.
      this.#codes[source] = this.#codeOf(source, 0);
    }
    if (length === 0) return;
    this.#losers[0] = this.#winnerOf(1);
    this.#show();
  }

  next(): void {
    this.valid = false;
    // Older versions are those of the key that was shown.
    do this.#advance();
    while (this.#codes[this.#losers[0]] === SAME_KEY);
    this.#show();
  }

  /** Plays the matches below `match` and that itself. */
  #winnerOf(match: number): number {
    const sources = this.#sources.length;
    if (match >= sources) return match - sources;
    const left = this.#winnerOf(2 * match);
    const right = this.#winnerOf(2 * match + 1);
    const leftWins = this.#beats(left, right);
    this.#losers[match] = leftWins ? right : left;
    return leftWins ? left : right;
  }

  /** Moves the winner to its next entry, and finds the new one. */
  #advance(): void {
    const losers = this.#losers;
    const codes = this.#codes;
    let winner = losers[0];
    const cursor = this.#cursors[winner];
    const length = cursor.keyEnd;
    this.#sources[winner].next();
    const { sharedBytes } = cursor;
    codes[winner] =
      cursor.valid && sharedBytes === length && cursor.keyEnd === length
        ? SAME_KEY
        : this.#codeOf(winner, sharedBytes);
    for (let match = (this.#sources.length + winner) >>> 1; match > 0; match >>>= 1) {
      const loser = losers[match];
      if (codes[winner] < codes[loser] || (codes[winner] === codes[loser] && this.#beats(winner, loser)))
        continue;
      losers[match] = winner;
      winner = loser;
    }
    losers[0] = winner;
  }

  /** @param shared bytes in common with the key by which it is coded, which is another one */
  #codeOf(source: number, shared: number): number {
    const cursor = this.#cursors[source];
    if (!cursor.valid) return ENDED;
    // Nothing behind them: the empty key, or one that is not above the one before it, which no table may have.
    const value = shared < cursor.keyEnd ? cursor.keyBytes[shared] + 1 : 0;
    return ((OFFSET_LIMIT - shared) << VALUE_BITS) | value;
  }

  /** Whether the entry of `a` comes before that of `b`; the loser's code is then one by the winner's key. */
  #beats(a: number, b: number): boolean {
    const codes = this.#codes;
    const code = codes[a];
    if (code !== codes[b]) return code < codes[b];
    if (code === ENDED) return true;
    const left = this.#cursors[a];
    const right = this.#cursors[b];
    if (code !== SAME_KEY) {
      const leftBytes = left.keyBytes;
      const rightBytes = right.keyBytes;
      const common = Math.min(left.keyEnd, right.keyEnd);
      // The byte that the codes hold is the same, too.
      let at = OFFSET_LIMIT - (code >>> VALUE_BITS) + 1;
      while (at < common && leftBytes[at] === rightBytes[at]) at++;
      if (at < common) {
        const leftWins = leftBytes[at] < rightBytes[at];
        this.#recode(leftWins ? b : a, at);
        return leftWins;
      }
      if (left.keyEnd !== right.keyEnd) {
        const leftWins = left.keyEnd < right.keyEnd;
        this.#recode(leftWins ? b : a, at);
        return leftWins;
      }
    }
    const versions = compareRecordVersions(
      left.recordBytes,
      left.recordStart,
      right.recordBytes,
      right.recordStart,
    );
    const leftWins = versions === 0 ? a < b : versions > 0;
    codes[leftWins ? b : a] = SAME_KEY;
    return leftWins;
  }

  #recode(source: number, shared: number): void {
    this.#codes[source] = this.#codeOf(source, shared);
  }

  #show(): void {
    const cursor = this.#cursors[this.#losers[0]];
    if (!cursor.valid) return;
    this.keyBytes = cursor.keyBytes;
    this.keyEnd = cursor.keyEnd;
    this.recordBytes = cursor.recordBytes;
    this.recordStart = cursor.recordStart;
    this.recordEnd = cursor.recordEnd;
    this.valid = true;
  }
}
