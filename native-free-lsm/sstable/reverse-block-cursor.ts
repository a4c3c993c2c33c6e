import { compareBytes, copyBytes } from '../format/bytes.ts';
import { withRoom } from '../format/copy.ts';
import { readUint32 } from '../format/integers.ts';
import { readVarint, varintBytes } from '../format/varint.ts';
import type { RecordCursor } from '../iterator/record-iterator.ts';
import { findRestart, RESTART_BYTES } from './block.ts';
import { commonPrefixBytes } from './separator.ts';

/**
 * What is noted of an entry: how many bytes its key leaves out, and where in the block its own key bytes start, and its
 * record starts and ends.
 */
const SHARED = 0;
const OWN = 1;
const RECORD = 2;
const END = 3;
const NOTE_WORDS = 4;

/**
 * Steps through the entries of one block from the last to the first, and puts their keys together in a buffer of its
 * own. Like BlockCursor it trusts no length: `fault` says why it stopped too early.
 *
 * Entries can only be found going forward, from one restart point to the next. So the places of the entries between two
 * restart points are noted in one walk, and then taken from the last. What a key shares with the key before it, that one
 * has as well: a step back fetches only its other bytes, from the entries in which they stand.
 */
export class ReverseBlockCursor implements RecordCursor {
  valid = false;
  /** The current key is `keyBytes[0, keyEnd)`. */
  keyBytes: Uint8Array = new Uint8Array(256);
  readonly keyStart = 0;
  keyEnd = 0;
  /** The block. */
  recordBytes: Uint8Array = new Uint8Array(0);
  recordStart = 0;
  recordEnd = 0;
  fault: string | undefined = undefined;
  #start = 0;
  #entriesEnd = 0;
  #restarts = 0;
  /** The first key of the block, which stands whole. */
  #firstKeyStart = 0;
  #firstKeyEnd = 0;
  /** The restart point whose entries are noted. */
  #restart = 0;
  #notes = new Int32Array(16 * NOTE_WORDS);
  /** Where the note of the current entry is. */
  #note = 0;

  /** Starts on the block `bytes[start, end)`, in which `blockFault` found nothing. It is at no entry then. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    this.recordBytes = bytes;
    this.#start = start;
    this.#restarts = readUint32(bytes, end - RESTART_BYTES);
    this.#entriesEnd = end - RESTART_BYTES - this.#restarts * RESTART_BYTES;
    this.clear();
    const unshared = readVarint(bytes, start + 1);
    const recordAt = start + 1 + varintBytes(unshared);
    this.#firstKeyStart = recordAt + varintBytes(readVarint(bytes, recordAt));
    // Whether it fits is found out when the entries are noted; until then the key only must not leave the block.
    this.#firstKeyEnd = Math.min(this.#firstKeyStart + unshared, this.#entriesEnd);
  }

  clear(): void {
    this.valid = false;
    this.fault = undefined;
  }

  /** Moves to the last entry. */
  seekToFirst(): void {
    this.#enter(this.#restarts - 1, 0);
  }

  /** Moves to the last entry below `key[start, end)`; it is invalid when this block has none. */
  seek(key: Uint8Array, start: number, end: number): void {
    this.valid = false;
    const bytes = this.recordBytes;
    const firstStart = this.#firstKeyStart;
    const firstEnd = this.#firstKeyEnd;
    if (compareBytes(bytes, firstStart, firstEnd, key, start, end) >= 0) return;
    const matched = commonPrefixBytes(bytes, firstStart, firstEnd, key, start, end);
    const restarts = this.#restarts;
    this.#enter(findRestart(bytes, this.#start, this.#entriesEnd, restarts, key, start, end, matched), 0);
    while (this.valid && compareBytes(this.keyBytes, 0, this.keyEnd, key, start, end) >= 0) this.next();
  }

  next(): void {
    const shared = this.#notes[this.#note + SHARED];
    if (this.#note > 0) {
      this.#note -= NOTE_WORDS;
      this.#show(shared);
    } else if (this.#restart > 0) {
      // It left out what it shares with the first key, and as keys ascend, the key before it has those bytes as well.
      this.#enter(this.#restart - 1, shared);
    } else this.valid = false;
  }

  /**
   * Moves to the last entry before the next restart point.
   * @param known how many bytes of its key are in `keyBytes` already
   */
  #enter(restart: number, known: number): void {
    this.valid = false;
    const at = this.#restartAt(restart);
    const limit = restart + 1 < this.#restarts ? this.#restartAt(restart + 1) : this.#entriesEnd;
    this.#restart = restart;
    const keyBytesBefore = restart === 0 ? 0 : this.#firstKeyEnd - this.#firstKeyStart;
    if (this.#noteEntries(at, limit, keyBytesBefore)) this.#show(known);
  }

  #restartAt(restart: number): number {
    return this.#start + readUint32(this.recordBytes, this.#entriesEnd + restart * RESTART_BYTES);
  }

  /**
   * Notes the entries of `[from, limit)`, of which there must be one.
   * @param shareable how many bytes the first of them may leave out
   * @returns false when one of them does not fit
   */
  #noteEntries(from: number, limit: number, shareable: number): boolean {
    const bytes = this.recordBytes;
    let at = from;
    let note = 0;
    let keyLength = shareable;
    do {
      // A damaged restart point may lie anywhere.
      if (at < this.#start || at >= limit || limit > this.#entriesEnd) return this.#fail(at);
      let shared = bytes[at];
      let unshared = bytes[at + 1];
      let recordLength = bytes[at + 2];
      let own = at + 3;
      if ((shared | unshared | recordLength) >= 0x80) {
        shared = readVarint(bytes, at);
        own = at + varintBytes(shared);
        unshared = readVarint(bytes, own);
        own += varintBytes(unshared);
        recordLength = readVarint(bytes, own);
        own += varintBytes(recordLength);
      }
      const record = own + unshared;
      const end = record + recordLength;
      const isNegative = (shared | unshared | recordLength) < 0;
      if (isNegative || shared > keyLength || end > limit) return this.#fail(at);
      if (note === this.#notes.length) {
        const larger = new Int32Array(note * 2);
        larger.set(this.#notes);
        this.#notes = larger;
      }
      const notes = this.#notes;
      notes[note + SHARED] = shared;
      notes[note + OWN] = own - this.#start;
      notes[note + RECORD] = record - this.#start;
      notes[note + END] = end - this.#start;
      note += NOTE_WORDS;
      keyLength = shared + unshared;
      at = end;
    } while (at !== limit);
    this.#note = note - NOTE_WORDS;
    return true;
  }

  #fail(at: number): false {
    this.fault = `the entry ${at - this.#start} bytes into the block does not fit in it`;
    return false;
  }

  /** Shows the entry of the current note, whose first `known` key bytes are in `keyBytes` already. */
  #show(known: number): void {
    const notes = this.#notes;
    const bytes = this.recordBytes;
    let note = this.#note;
    let shared = notes[note + SHARED];
    // Of what is missing, the end: the rest stands in entries before this one.
    let missing = shared + notes[note + RECORD] - notes[note + OWN];
    this.keyEnd = missing;
    this.recordStart = this.#start + notes[note + RECORD];
    this.recordEnd = this.#start + notes[note + END];
    const low = Math.min(known, missing);
    this.keyBytes = withRoom(this.keyBytes, low, missing);
    while (missing > low) {
      if (note < 0) {
        copyBytes(bytes, this.#firstKeyStart + low, this.#firstKeyStart + missing, this.keyBytes, low);
        break;
      }
      shared = notes[note + SHARED];
      if (shared < missing) {
        const from = Math.max(shared, low);
        const own = this.#start + notes[note + OWN] - shared;
        copyBytes(bytes, own + from, own + missing, this.keyBytes, from);
        missing = from;
      }
      note -= NOTE_WORDS;
    }
    this.valid = true;
  }
}
