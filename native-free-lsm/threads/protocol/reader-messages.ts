/**
 * What main and a reader thread say to each other: payloads of frames in their two rings. The tag of a request's frame
 * names the request and comes back with its answer. Integers are little-endian, without padding between them.
 *
 * Requests, from main:
 *   read            u8 1, u8 0, u16 key length, u32 super-version, u32 hash, key
 *   continued read  u8 2, u8 0, u16 key length, u32 super-version, u32 hash,
 *                   u32 level, u32 index, u32 ordinal, u32 cache start (0xffffffff: none), key
 *   page            u8 3, u8 flags, u16 start length, u32 super-version, u32 generation, u32 memtable limit,
 *                   u32 max bytes, u32 max entries, u32 limit, u16 end length, u16 encoder, u53 now, start, end
 *   wake            u8 4; there is no answer
 *   block load      u8 5, u8 0, u16 0, u32 super-version, u32 level, u32 index, u32 ordinal, u32 cache start
 *
 * Answers, from the thread:
 *   of a read       u8 status, u8 1 if the block is in its cache place, u16 0, record; of a block load: absent
 *   of a page       u8 1, u8 1 if it is not the last page, u16 resume key length, entries, resume key
 *   failed          u8 2, u8 0, u16 0, error (errors.ts)
 *
 * Encoding and decoding make no objects: what is decoded goes into one that the reader of the ring keeps. Pure.
 */
import { copyBytes } from '../../format/bytes.ts';
import { readUint32, readUint53, writeUint32, writeUint53 } from '../../format/integers.ts';

export const ReaderRequestKind = {
  /** Look everywhere: a table in quarantine may hold the key, so that versions decide. */
  read: 1,
  /** Go on from the block that memory did not have. */
  continuedRead: 2,
  page: 3,
  /** Look at your messages, and at the word that stops you. */
  wake: 4,
  /** Put a block into its place in the cache. */
  blockLoad: 5,
} as const;

const READ_HEADER_BYTES = 12;
const CONTINUED_READ_HEADER_BYTES = 28;
const NO_CACHE_PLACE = 0xffff_ffff;
const PAGE_HEADER_BYTES = 40;
const PageFlag = { hasEnd: 1, includeTombstones: 2, reverse: 4, keysOnly: 8, skipsDamage: 16 } as const;
const NO_LIMIT = 0xffff_ffff;
export const WAKE_BYTES = 1;
export const BLOCK_LOAD_BYTES = 24;

export function readerRequestKind(source: Uint8Array, at: number): number {
  return source[at];
}

/** A read or a continued read, as decoded. */
export class ReadRequest {
  superVersionId = 0;
  hash = 0;
  keyStart = 0;
  keyEnd = 0;
  isContinued = false;
  /** Of a continued read: the place of the block to go on from, as TableLookup has it. */
  level = 0;
  index = 0;
  ordinal = 0;
  /** Where the cache has room for that block; -1: nowhere. */
  cacheStart = -1;
}

export function readBytes(keyBytes: number): number {
  return READ_HEADER_BYTES + keyBytes;
}

export function encodeRead(
  target: Uint8Array,
  at: number,
  superVersionId: number,
  hash: number,
  key: Uint8Array,
): void {
  encodeReadHead(target, at, ReaderRequestKind.read, superVersionId, hash, key.length);
  copyBytes(key, 0, key.length, target, at + READ_HEADER_BYTES);
}

export function continuedReadBytes(keyBytes: number): number {
  return CONTINUED_READ_HEADER_BYTES + keyBytes;
}

/** @param cacheStart -1: the cache has no room for the block */
export function encodeContinuedRead(
  target: Uint8Array,
  at: number,
  superVersionId: number,
  hash: number,
  level: number,
  index: number,
  ordinal: number,
  cacheStart: number,
  key: Uint8Array,
): void {
  encodeReadHead(target, at, ReaderRequestKind.continuedRead, superVersionId, hash, key.length);
  writeUint32(target, at + 12, level);
  writeUint32(target, at + 16, index);
  writeUint32(target, at + 20, ordinal);
  writeUint32(target, at + 24, cacheStart < 0 ? NO_CACHE_PLACE : cacheStart);
  copyBytes(key, 0, key.length, target, at + CONTINUED_READ_HEADER_BYTES);
}

function encodeReadHead(
  target: Uint8Array,
  at: number,
  kind: number,
  superVersionId: number,
  hash: number,
  keyBytes: number,
): void {
  target[at] = kind;
  target[at + 1] = 0;
  target[at + 2] = keyBytes;
  target[at + 3] = keyBytes >>> 8;
  writeUint32(target, at + 4, superVersionId);
  writeUint32(target, at + 8, hash);
}

export function decodeRead(source: Uint8Array, at: number, into: ReadRequest): void {
  into.superVersionId = readUint32(source, at + 4);
  into.hash = readUint32(source, at + 8);
  into.isContinued = source[at] === ReaderRequestKind.continuedRead;
  into.keyStart = at + READ_HEADER_BYTES;
  if (into.isContinued) {
    into.keyStart = at + CONTINUED_READ_HEADER_BYTES;
    into.level = readUint32(source, at + 12);
    into.index = readUint32(source, at + 16);
    into.ordinal = readUint32(source, at + 20);
    const cacheStart = readUint32(source, at + 24);
    into.cacheStart = cacheStart === NO_CACHE_PLACE ? -1 : cacheStart;
  }
  into.keyEnd = into.keyStart + (source[at + 2] | (source[at + 3] << 8));
}

/** Where a read stands in time: the tables of a super-version, and the memtables down from `generation`. */
export interface ReadPoint {
  readonly superVersionId: number;
  readonly generation: number;
  /** Entries of `generation` at this offset and above are later than the point. */
  readonly limit: number;
}

/** A page of a scan, as it is asked for. */
export interface PageRequest {
  /** Inclusive; empty: the first key. */
  readonly start: Uint8Array;
  /** Exclusive; null: behind the last key. */
  readonly end: Uint8Array | null;
  /** At least one entry is looked at, however large it is. */
  readonly maxBytes: number;
  /** How many entries may be looked at, including those that are skipped. */
  readonly maxEntries: number;
  /** Only without an encoder: what is encoded is for clients. */
  readonly includeTombstones: boolean;
  /** The number, from 1, of one of the option `entryEncoders`; 0: entries are packed as iterator/page.ts draws them. */
  readonly encoder: number;
  /** With an encoder: entries that have expired by this time, in ms since the Unix epoch, are left out. */
  readonly nowMs: number;
  /**
   * Whether what cannot be read is left out; left out: the page fails. An older record of a key may show in place of one
   * that cannot be read, so this is for callers alone to whom that does no harm. Only from `start` on.
   */
  readonly skipsDamage?: boolean;
}

/** A page in either order. */
export interface ScanPageRequest extends PageRequest {
  /** Whether the page is of the last keys before `end`, in descending order; left out: of the first ones from `start`. */
  readonly reverse?: boolean;
  /** Only without an encoder: of each record the header alone. */
  readonly keysOnly?: boolean;
  /** The most entries that the page may have; left out: as many as it has room for. */
  readonly limit?: number;
}

/** The same with its point in time, as decoded. */
export class PointedPageRequest {
  superVersionId = 0;
  generation = 0;
  memtableLimit = 0;
  startStart = 0;
  startEnd = 0;
  hasEnd = false;
  endStart = 0;
  endEnd = 0;
  maxBytes = 0;
  maxEntries = 0;
  includeTombstones = false;
  encoder = 0;
  nowMs = 0;
  reverse = false;
  keysOnly = false;
  skipsDamage = false;
  limit = NO_LIMIT;
}

export function pageRequestBytes({ start, end }: ScanPageRequest): number {
  return PAGE_HEADER_BYTES + start.length + (end === null ? 0 : end.length);
}

export function encodePageRequest(
  target: Uint8Array,
  at: number,
  point: ReadPoint,
  request: ScanPageRequest,
): void {
  const { start, end, includeTombstones, encoder } = request;
  const endLength = end === null ? 0 : end.length;
  target[at] = ReaderRequestKind.page;
  target[at + 1] =
    (end === null ? 0 : PageFlag.hasEnd) |
    (includeTombstones ? PageFlag.includeTombstones : 0) |
    (request.reverse ? PageFlag.reverse : 0) |
    (request.keysOnly ? PageFlag.keysOnly : 0) |
    (request.skipsDamage ? PageFlag.skipsDamage : 0);
  target[at + 2] = start.length;
  target[at + 3] = start.length >>> 8;
  writeUint32(target, at + 4, point.superVersionId);
  writeUint32(target, at + 8, point.generation);
  writeUint32(target, at + 12, point.limit);
  writeUint32(target, at + 16, request.maxBytes);
  writeUint32(target, at + 20, request.maxEntries);
  writeUint32(target, at + 24, Math.min(request.limit ?? NO_LIMIT, NO_LIMIT));
  target[at + 28] = endLength;
  target[at + 29] = endLength >>> 8;
  target[at + 30] = encoder;
  target[at + 31] = encoder >>> 8;
  writeUint53(target, at + 32, request.nowMs);
  copyBytes(start, 0, start.length, target, at + PAGE_HEADER_BYTES);
  if (end !== null) copyBytes(end, 0, endLength, target, at + PAGE_HEADER_BYTES + start.length);
}

export function decodePageRequest(source: Uint8Array, at: number, into: PointedPageRequest): void {
  const flags = source[at + 1];
  into.superVersionId = readUint32(source, at + 4);
  into.generation = readUint32(source, at + 8);
  into.memtableLimit = readUint32(source, at + 12);
  into.maxBytes = readUint32(source, at + 16);
  into.maxEntries = readUint32(source, at + 20);
  into.limit = readUint32(source, at + 24);
  into.includeTombstones = (flags & PageFlag.includeTombstones) !== 0;
  into.reverse = (flags & PageFlag.reverse) !== 0;
  into.keysOnly = (flags & PageFlag.keysOnly) !== 0;
  into.skipsDamage = (flags & PageFlag.skipsDamage) !== 0;
  into.encoder = source[at + 30] | (source[at + 31] << 8);
  into.nowMs = readUint53(source, at + 32);
  into.startStart = at + PAGE_HEADER_BYTES;
  into.startEnd = into.startStart + (source[at + 2] | (source[at + 3] << 8));
  into.hasEnd = (flags & PageFlag.hasEnd) !== 0;
  into.endStart = into.startEnd;
  into.endEnd = into.endStart + (source[at + 28] | (source[at + 29] << 8));
}

/** A block to be put into the cache, as decoded. */
export class BlockLoadRequest {
  superVersionId = 0;
  level = 0;
  index = 0;
  ordinal = 0;
  cacheStart = 0;
}

export function encodeBlockLoad(
  target: Uint8Array,
  at: number,
  superVersionId: number,
  level: number,
  index: number,
  ordinal: number,
  cacheStart: number,
): void {
  writeUint32(target, at, ReaderRequestKind.blockLoad);
  writeUint32(target, at + 4, superVersionId);
  writeUint32(target, at + 8, level);
  writeUint32(target, at + 12, index);
  writeUint32(target, at + 16, ordinal);
  writeUint32(target, at + 20, cacheStart);
}

export function decodeBlockLoad(source: Uint8Array, at: number, into: BlockLoadRequest): void {
  into.superVersionId = readUint32(source, at + 4);
  into.level = readUint32(source, at + 8);
  into.index = readUint32(source, at + 12);
  into.ordinal = readUint32(source, at + 16);
  into.cacheStart = readUint32(source, at + 20);
}

export function encodeWake(target: Uint8Array, at: number): void {
  target[at] = ReaderRequestKind.wake;
}

export const AnswerStatus = { absent: 0, found: 1, failed: 2 } as const;
export type AnswerStatus = (typeof AnswerStatus)[keyof typeof AnswerStatus];

const ANSWER_HEADER_BYTES = 4;

/** Any answer of a reader, as decoded. */
export class ReaderAnswer {
  status = 0;
  /** Of a read: its block now lies in the place that the cache had for it. */
  isCached = false;
  /** Of a page: the scan goes on behind it. */
  hasMore = false;
  /** The record, the entries of the page, or the error. */
  bodyStart = 0;
  bodyEnd = 0;
  /** Of a page that is not the last: the key to go on from is `[bodyEnd, resumeEnd)`. */
  resumeEnd = 0;
}

/** @param bodyBytes with a resume key, if there is one */
export function answerBytes(bodyBytes: number): number {
  return ANSWER_HEADER_BYTES + bodyBytes;
}

/** The answer to a read, or a failure of either kind of request, whose body is an error. */
export function encodeAnswer(
  target: Uint8Array,
  at: number,
  status: AnswerStatus,
  isCached: boolean,
  body: Uint8Array,
  start: number,
  end: number,
): void {
  encodeAnswerHead(target, at, status, isCached ? 1 : 0, 0);
  copyBytes(body, start, end, target, at + ANSWER_HEADER_BYTES);
}

/** Where the entries of a page begin: they are written first, and the rest around them by `encodePageAnswer`. */
export function pageEntriesStart(at: number): number {
  return at + ANSWER_HEADER_BYTES;
}

/**
 * Completes the answer whose entries end at `entriesEnd`, with the key `key[keyStart, keyEnd)` to go on from, if there is
 * more.
 * @returns the offset behind the answer
 */
export function encodePageAnswer(
  target: Uint8Array,
  at: number,
  entriesEnd: number,
  hasMore: boolean,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
): number {
  const resumeBytes = hasMore ? keyEnd - keyStart : 0;
  encodeAnswerHead(target, at, AnswerStatus.found, hasMore ? 1 : 0, resumeBytes);
  copyBytes(key, keyStart, keyStart + resumeBytes, target, entriesEnd);
  return entriesEnd + resumeBytes;
}

function encodeAnswerHead(
  target: Uint8Array,
  at: number,
  status: AnswerStatus,
  mark: number,
  resumeBytes: number,
): void {
  target[at] = status;
  target[at + 1] = mark;
  target[at + 2] = resumeBytes;
  target[at + 3] = resumeBytes >>> 8;
}

/** The answer in `source[at, end)`. */
export function decodeAnswer(source: Uint8Array, at: number, end: number, into: ReaderAnswer): void {
  into.status = source[at];
  into.isCached = source[at + 1] !== 0;
  into.hasMore = into.isCached;
  into.bodyStart = at + ANSWER_HEADER_BYTES;
  into.bodyEnd = end - (source[at + 2] | (source[at + 3] << 8));
  into.resumeEnd = end;
}
