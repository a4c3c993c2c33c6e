/**
 * Gathers what the sources of a copy send until it is worth a table: a *span* is all entries of all sources between
 * two keys. A run is what one source has sent. Pure.
 */
import {
  compareBytes,
  copyBytes,
  type PackedPiece,
  Page,
  recordFault,
  recordFrom,
  recordTimestamp,
} from '../../../native-free-lsm/index.ts';
import { isOwnKey } from '../own-records.ts';

const FIRST_ARENA_BYTES = 1024 * 1024;
const ENTRY_HEADER_BYTES = 8;

export interface Span {
  /** Where the entries lie, until the next span is cut. */
  readonly memory: SharedArrayBuffer;
  readonly runs: readonly (readonly PackedPiece[])[];
  readonly bytes: number;
  readonly entries: number;
  /** No record in the runs has a larger one. */
  readonly largestTimestamp: number;
  /** Packed entries that are too new to be in the runs, in no order. */
  readonly fresh: Uint8Array;
  /** Inclusive. */
  readonly start: Uint8Array;
  /** Exclusive; null: to the last key. */
  readonly end: Uint8Array | null;
}

export class SpanBuilder {
  readonly #maxKeyBytes: number;
  #memory = new SharedArrayBuffer(FIRST_ARENA_BYTES);
  /** Of the span before, which may be under way. */
  #spare = new SharedArrayBuffer(FIRST_ARENA_BYTES);
  #used = 0;
  #runs: PackedPiece[][];
  #fresh: Uint8Array[] = [];
  #freshBytes = 0;
  #largestTimestamp = 0;
  #entries = 0;

  /** @param maxKeyBytes of a key that a client can have */
  constructor(runs: number, maxKeyBytes: number) {
    this.#maxKeyBytes = maxKeyBytes;
    this.#runs = Array.from({ length: runs }, () => []);
  }

  /** Bytes of all entries that it holds, the fresh ones included. */
  get bytes(): number {
    return this.#used + this.#freshBytes;
  }

  /**
   * Adds the next entries of a run, which are copied: a page must not stay in memory for one of them.
   * @param page packed as a page of a scan, in key order
   * @param freshFrom entries with this timestamp or a later one are fresh
   * @returns how many no node could have written; they are left out
   */
  add(run: number, page: Uint8Array, freshFrom: number): number {
    const walk = new Page(page, page.length, null);
    let malformed = 0;
    // What is kept lies together nearly always.
    let keptFrom = 0;
    let keptTo = 0;
    while (walk.next()) {
      const { keyStart, keyEnd, recordStart, recordEnd } = walk;
      const start = keyStart - ENTRY_HEADER_BYTES;
      if (isSound(page, keyStart, keyEnd, recordStart, recordEnd, this.#maxKeyBytes)) {
        this.#entries++;
        const timestamp = recordTimestamp(page, recordStart);
        if (timestamp < freshFrom) {
          if (timestamp > this.#largestTimestamp) this.#largestTimestamp = timestamp;
          keptTo = recordEnd;
          continue;
        }
        this.#fresh.push(Uint8Array.from(page.subarray(start, recordEnd)));
        this.#freshBytes += recordEnd - start;
      } else malformed++;
      this.#keep(run, page, keptFrom, keptTo);
      keptFrom = recordEnd;
      keptTo = recordEnd;
    }
    this.#keep(run, page, keptFrom, keptTo);
    return malformed;
  }

  /**
   * The span between the two keys; what lies behind stays for the next one. The span before must have been written.
   * @param end exclusive; null: everything is taken
   */
  cut(start: Uint8Array, end: Uint8Array | null): Span {
    const memory = this.#memory;
    const bytes = new Uint8Array(memory);
    const runs = this.#runs.map((pieces) => piecesBelow(bytes, pieces, end));
    const behind = this.#runs.map((pieces, run) => piecesBehind(pieces, runs[run]));
    const span = {
      memory,
      runs,
      bytes: sizeOf(runs),
      entries: this.#entries,
      largestTimestamp: this.#largestTimestamp,
      fresh: Buffer.concat(this.#fresh),
      start,
      end,
    };
    this.#memory = this.#spare;
    this.#spare = memory;
    this.#used = 0;
    this.#entries = 0;
    this.#fresh = [];
    this.#freshBytes = 0;
    this.#runs = runs.map(() => []);
    for (const [run, pieces] of behind.entries())
      for (const piece of pieces) this.#keep(run, bytes, piece.start, piece.end);
    return span;
  }

  #keep(run: number, from: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    this.#makeRoom(end - start);
    const at = this.#used;
    copyBytes(from, start, end, new Uint8Array(this.#memory), at);
    this.#used += end - start;
    const pieces = this.#runs[run];
    pieces.push({ start: at, end: this.#used });
  }

  #makeRoom(bytes: number): void {
    if (this.#used + bytes <= this.#memory.byteLength) return;
    const before = new Uint8Array(this.#memory, 0, this.#used);
    this.#memory = new SharedArrayBuffer(Math.max(this.#memory.byteLength * 2, this.#used + bytes));
    new Uint8Array(this.#memory).set(before);
  }
}

function isSound(
  page: Uint8Array,
  keyStart: number,
  keyEnd: number,
  recordStart: number,
  recordEnd: number,
  maxKeyBytes: number,
): boolean {
  const keyBytes = keyEnd - keyStart;
  return (
    keyBytes > 0 &&
    keyBytes <= maxKeyBytes &&
    !isOwnKey(page, keyStart) &&
    recordFault(page, recordStart, recordEnd) === undefined &&
    recordFrom(page, recordStart) > 0
  );
}

/** The parts of the pieces whose keys are below `end`. */
function piecesBelow(
  bytes: Uint8Array,
  pieces: readonly PackedPiece[],
  end: Uint8Array | null,
): PackedPiece[] {
  if (end === null) return [...pieces];
  const below: PackedPiece[] = [];
  for (const [index, piece] of pieces.entries()) {
    // A piece whose successor begins below the end is below it as a whole.
    const next = pieces[index + 1];
    const cut = next !== undefined && isBelow(bytes, next.start, end) ? piece.end : cutOf(bytes, piece, end);
    if (cut > piece.start) below.push({ start: piece.start, end: cut });
    if (cut < piece.end) break;
  }
  return below;
}

/** Where the first entry begins whose key is not below `end`. */
function cutOf(bytes: Uint8Array, piece: PackedPiece, end: Uint8Array): number {
  let at = piece.start;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  while (at < piece.end && isBelow(bytes, at, end))
    at += ENTRY_HEADER_BYTES + view.readUInt32LE(at) + view.readUInt32LE(at + 4);
  return at;
}

function isBelow(bytes: Uint8Array, entry: number, end: Uint8Array): boolean {
  const keyStart = entry + ENTRY_HEADER_BYTES;
  const keyBytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readUInt32LE(entry);
  return compareBytes(bytes, keyStart, keyStart + keyBytes, end, 0, end.length) < 0;
}

/** What is left of the pieces when those below are taken off. */
function piecesBehind(pieces: readonly PackedPiece[], below: readonly PackedPiece[]): PackedPiece[] {
  const last = below.at(-1);
  if (last === undefined) return [...pieces];
  const rest = pieces.slice(below.length);
  const cutPiece = pieces[below.length - 1];
  return last.end < cutPiece.end ? [{ start: last.end, end: cutPiece.end }, ...rest] : rest;
}

function sizeOf(runs: readonly (readonly PackedPiece[])[]): number {
  let bytes = 0;
  for (const pieces of runs) for (const { start, end } of pieces) bytes += end - start;
  return bytes;
}
