import { copyBytes } from '../format/bytes.ts';
import { writeUint32, writeUint53 } from '../format/integers.ts';
import { RingConsumer, RingProducer } from '../shared/ring.ts';
import type { TableLookup } from '../sstable/table-set.ts';
import type { RoleHandle } from '../threads/executor.ts';
import { GET_HEADER_BYTES, NO_CACHE, PAGE_HEADER_BYTES, PageFlag, ReaderOp } from '../threads/protocol.ts';
import type { SuperVersion } from './super-versions.ts';

export const READER_REQUEST_RING_BYTES = 1024 * 1024;

/** Where a read stands in time: the tables of a super-version, and the memtables down from `generation`. */
export interface ReadPoint {
  readonly superVersionId: number;
  readonly generation: number;
  /** Entries of `generation` at this offset and above are later than the point. */
  readonly limit: number;
}

/** A consistent picture to read from; held until `expired` or released. */
export interface SnapshotPoint extends ReadPoint {
  readonly superVersion: SuperVersion;
}

/** Main's end of one reader thread: its two rings and its handle. */
export class ReaderChannel {
  readonly requests: RingProducer;
  readonly responses: RingConsumer;
  readonly requestRing: SharedArrayBuffer;
  readonly responseRing: SharedArrayBuffer;
  readonly thread: number;
  /** Index in the epoch domain. */
  epoch = -1;
  handle: RoleHandle | undefined;

  constructor(requestRing: SharedArrayBuffer, responseRing: SharedArrayBuffer, thread: number) {
    this.requestRing = requestRing;
    this.responseRing = responseRing;
    this.requests = new RingProducer(requestRing);
    this.responses = new RingConsumer(responseRing);
    this.thread = thread;
  }

  get queued(): number {
    return (this.requests.framesPushed - this.requests.framesCompleted) >>> 0;
  }

  /** Asks for a key from the block `lookup` stands at on; false when the ring is full. */
  pushGet(
    tag: number,
    superVersionId: number,
    key: Uint8Array,
    hash: number,
    lookup: TableLookup,
    cacheStart: number,
  ): boolean {
    const at = this.requests.reserve(GET_HEADER_BYTES + key.length);
    if (at === -1) return false;
    const { bytes } = this.requests;
    bytes[at] = ReaderOp.get;
    bytes[at + 1] = 0;
    bytes[at + 2] = key.length;
    bytes[at + 3] = key.length >>> 8;
    writeUint32(bytes, at + 4, superVersionId);
    writeUint32(bytes, at + 8, hash);
    writeUint32(bytes, at + 12, lookup.level);
    writeUint32(bytes, at + 16, lookup.index);
    writeUint32(bytes, at + 20, lookup.ordinal);
    writeUint32(bytes, at + 24, cacheStart < 0 ? NO_CACHE : cacheStart);
    copyBytes(key, 0, key.length, bytes, at + GET_HEADER_BYTES);
    this.requests.push(tag);
    return true;
  }

  pushPage(tag: number, point: ReadPoint, page: PageRequest): boolean {
    const { start, end } = page;
    const at = this.requests.reserve(PAGE_HEADER_BYTES + start.length + (end?.length ?? 0));
    if (at === -1) return false;
    const { bytes } = this.requests;
    bytes[at] = ReaderOp.page;
    bytes[at + 1] =
      (end === null ? 0 : PageFlag.hasEnd) | (page.includeTombstones ? PageFlag.includeTombstones : 0);
    bytes[at + 2] = start.length;
    bytes[at + 3] = start.length >>> 8;
    writeUint32(bytes, at + 4, point.superVersionId);
    writeUint32(bytes, at + 8, point.generation);
    writeUint32(bytes, at + 12, point.limit);
    writeUint32(bytes, at + 16, page.maxBytes);
    writeUint32(bytes, at + 20, page.maxEntries);
    const endLength = end?.length ?? 0;
    bytes[at + 24] = endLength;
    bytes[at + 25] = endLength >>> 8;
    bytes[at + 26] = page.encoder;
    bytes[at + 27] = page.encoder >>> 8;
    writeUint53(bytes, at + 28, page.nowMs);
    bytes.set(start, at + PAGE_HEADER_BYTES);
    if (end !== null) bytes.set(end, at + PAGE_HEADER_BYTES + start.length);
    this.requests.push(tag);
    return true;
  }
}

export interface PageRequest {
  /** Inclusive; empty: from the first key. */
  readonly start: Uint8Array;
  /** Exclusive; null: to the last key. */
  readonly end: Uint8Array | null;
  /** At least one entry is looked at, however large it is. */
  readonly maxBytes: number;
  /** Entries looked at, those that are passed over included. */
  readonly maxEntries: number;
  /** Without an encoder only: what is encoded is for clients. */
  readonly includeTombstones: boolean;
  /** Of the option `entryEncoders`, counted from 1: what encodes the entries; 0: packed, see iterator/page.ts. */
  readonly encoder: number;
  /** With an encoder: what expires then or before, in ms since the Unix epoch, is left out. */
  readonly nowMs: number;
}
