/**
 * What the owners of a slot ask each other in a round: the body and the answer of the RPC operation `antiEntropy`, as
 * `src/rpc/FORMAT.md` draws them. Bodies and some answers are msgpack arrays; lists of numbers in them are bytes,
 * little-endian. Pure.
 */
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { SLOT_COUNT } from '../../../native-free-lsm/index.ts';
import { protocolError } from '../../errors.ts';
import { DIGEST_BYTES } from './digest-tree.ts';
import { FAN_OUT, MAX_DEPTH, type SlotRange, type VersionEntry } from './version-list.ts';

/** Append only; zero is reserved. */
export const RoundMessage = {
  close: 1,
  compare: 2,
  leaves: 3,
  versions: 4,
  records: 5,
  fetch: 6,
  bar: 7,
  settle: 8,
  start: 9,
  progress: 10,
} as const;
export type RoundMessage = (typeof RoundMessage)[keyof typeof RoundMessage];

const MAX_TEXT_LENGTH = 512;
const MAX_NODES = 1_024;
const RANGE_BYTES = 17;
const ENTRY_BYTES = 20;
const FINGERPRINT_BYTES = 8;
const SLOT_BYTES = 2;
/** Kind, what is settled, and the number of entries. */
const RANGE_HEAD_BYTES = 1 + 8 + 4;
const FOLDS_BYTES = DIGEST_BYTES * FAN_OUT;
const RangeKind = { list: 1, folds: 2 } as const;
const EMPTY = new Uint8Array(0);

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/** Which slots a round is about: of those from `first` to `last`, the ones that the leader leads. */
export interface RoundScope {
  readonly leader: string;
  readonly first: number;
  readonly last: number;
  /** Nodes that are away: a slot's leader is the first of its owners that is none of these. */
  readonly skipped: readonly string[];
}

/** A round and the timestamp up to which it settles. */
export interface RoundPoint {
  readonly round: number;
  readonly timestamp: number;
}

/** A range of a slot, and up to where the asker may have purged. */
export interface AskedRange extends SlotRange {
  readonly purgeableTo: number;
}

/** What an owner holds of a range. */
export type ToldRange = { readonly settled: number } & (
  | { readonly entries: readonly VersionEntry[]; readonly folds: null }
  | { readonly entries: null; readonly folds: Uint32Array }
);

/** A key's fingerprint, with its slot. */
export interface SlotFingerprint {
  readonly slot: number;
  readonly fingerprint: number;
}

export interface KeyAndRecord {
  readonly key: Uint8Array;
  readonly record: Uint8Array;
}

export type RoundRequest =
  | (RoundScope & RoundPoint & { readonly kind: typeof RoundMessage.close })
  | (RoundScope & { readonly kind: typeof RoundMessage.compare; readonly root: Uint32Array })
  | (RoundScope & { readonly kind: typeof RoundMessage.leaves; readonly groups: Uint16Array })
  | {
      readonly kind: typeof RoundMessage.versions;
      readonly round: number;
      readonly maxBytes: number;
      readonly ranges: readonly AskedRange[];
    }
  | {
      readonly kind: typeof RoundMessage.records;
      readonly maxBytes: number;
      readonly wanted: readonly SlotFingerprint[];
    }
  | {
      readonly kind: typeof RoundMessage.fetch;
      readonly leader: string;
      readonly wanted: readonly SlotFingerprint[];
    }
  | (RoundScope &
      RoundPoint & {
        readonly kind: typeof RoundMessage.bar | typeof RoundMessage.settle;
        /** The slots of the scope that the round leaves as they are. */
        readonly excluded: Uint16Array;
      })
  | { readonly kind: typeof RoundMessage.start; readonly first: number; readonly last: number }
  | { readonly kind: typeof RoundMessage.progress; readonly repair: number };

export function encodeRequest(request: RoundRequest): Uint8Array {
  return packr.pack([request.kind, ...fieldsOf(request)]);
}

function fieldsOf(request: RoundRequest): unknown[] {
  switch (request.kind) {
    case RoundMessage.close:
      return [...scopeFields(request), request.round, request.timestamp];
    case RoundMessage.compare:
      return [...scopeFields(request), encodeWords(request.root)];
    case RoundMessage.leaves:
      return [...scopeFields(request), encodeSlots(request.groups)];
    case RoundMessage.versions:
      return [request.round, request.maxBytes, encodeRanges(request.ranges)];
    case RoundMessage.records:
      return [request.maxBytes, encodeFingerprints(request.wanted)];
    case RoundMessage.fetch:
      return [request.leader, encodeFingerprints(request.wanted)];
    case RoundMessage.start:
      return [request.first, request.last];
    case RoundMessage.progress:
      return [request.repair];
    default:
      return [...scopeFields(request), request.round, request.timestamp, encodeSlots(request.excluded)];
  }
}

/** @throws QuorateError PROTOCOL */
export function decodeRequest(body: Uint8Array): RoundRequest {
  const fields = new Fields(body);
  const kind = fields.uint();
  const request = requestOf(kind, fields);
  fields.finish();
  return request;
}

function requestOf(kind: number, fields: Fields): RoundRequest {
  switch (kind) {
    case RoundMessage.close: {
      const scope = fields.scope();
      return { kind, ...scope, round: fields.uint(), timestamp: fields.uint() };
    }
    case RoundMessage.compare: {
      const scope = fields.scope();
      return { kind, ...scope, root: decodeWords(fields.bytes()) };
    }
    case RoundMessage.leaves: {
      const scope = fields.scope();
      return { kind, ...scope, groups: decodeSlots(fields.bytes()) };
    }
    case RoundMessage.versions:
      return {
        kind,
        round: fields.uint(),
        maxBytes: fields.uint(),
        ranges: decodeRanges(fields.bytes()),
      };
    case RoundMessage.records:
      return { kind, maxBytes: fields.uint(), wanted: decodeFingerprints(fields.bytes()) };
    case RoundMessage.fetch:
      return { kind, leader: fields.text(), wanted: decodeFingerprints(fields.bytes()) };
    case RoundMessage.bar:
    case RoundMessage.settle: {
      const scope = fields.scope();
      const point = { round: fields.uint(), timestamp: fields.uint() };
      return { kind, ...scope, ...point, excluded: decodeSlots(fields.bytes()) };
    }
    case RoundMessage.start:
      return { kind, first: fields.slot(), last: fields.slot() };
    case RoundMessage.progress:
      return { kind, repair: fields.uint() };
    default:
      throw protocolError(`a round message of kind ${kind}`);
  }
}

function scopeFields({ leader, first, last, skipped }: RoundScope): unknown[] {
  return [leader, first, last, skipped];
}

/** The records that were asked for, and the fingerprints for which there was no room. */
export function encodeRecords(
  records: readonly KeyAndRecord[],
  left: readonly SlotFingerprint[],
): Uint8Array {
  return packr.pack([encodeFingerprints(left), records.flatMap(({ key, record }) => [key, record])]);
}

export function decodeRecords(answer: Uint8Array): {
  readonly records: readonly KeyAndRecord[];
  readonly left: readonly SlotFingerprint[];
} {
  const fields = new Fields(answer);
  const left = decodeFingerprints(fields.bytes());
  const flat = fields.list();
  fields.finish();
  const records: KeyAndRecord[] = [];
  for (let at = 0; at < flat.length; at += 2)
    records.push({ key: bytesOf(flat[at]), record: bytesOf(flat[at + 1]) });
  return { records, left };
}

/** How a fetch went: what is stored now, and what was not stored because it is settled that it is gone. */
export interface FetchResult {
  readonly stored: number;
  readonly bytes: number;
  readonly failed: number;
  readonly dead: readonly SlotFingerprint[];
  /** For these there was no time. */
  readonly left: readonly SlotFingerprint[];
  /** In how many whole ms the rate allows for more of them; 0: now. */
  readonly waitMs: number;
}

export function encodeFetchResult({ stored, bytes, failed, dead, left, waitMs }: FetchResult): Uint8Array {
  return packr.pack([stored, bytes, failed, encodeFingerprints(dead), encodeFingerprints(left), waitMs]);
}

export function decodeFetchResult(answer: Uint8Array): FetchResult {
  const fields = new Fields(answer);
  const result = {
    stored: fields.uint(),
    bytes: fields.uint(),
    failed: fields.uint(),
    dead: decodeFingerprints(fields.bytes()),
    left: decodeFingerprints(fields.bytes()),
    waitMs: fields.uint(),
  };
  fields.finish();
  return result;
}

/** How far a node has come with its part of a repair that another node was asked for. */
export interface RepairPart {
  /** The number that the node has given it. */
  readonly repair: number;
  readonly stretches: number;
  readonly left: number;
  /** Why slots are not settled; empty: all are, so far. */
  readonly obstacle: string;
}

export function encodePart({ repair, stretches, left, obstacle }: RepairPart): Uint8Array {
  return packr.pack([repair, stretches, left, obstacle.slice(0, MAX_TEXT_LENGTH)]);
}

export function decodePart(answer: Uint8Array): RepairPart {
  const fields = new Fields(answer);
  const part = {
    repair: fields.uint(),
    stretches: fields.uint(),
    left: fields.uint(),
    obstacle: fields.text(),
  };
  fields.finish();
  return part;
}

export function toldBytes(told: ToldRange): number {
  return RANGE_HEAD_BYTES + (told.entries === null ? FOLDS_BYTES : told.entries.length * ENTRY_BYTES);
}

/** Answers the first ranges that were asked about: as many as there was room for. */
export function encodeTold(ranges: readonly ToldRange[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(ranges.reduce((sum, told) => sum + toldBytes(told), 0));
  let at = 0;
  for (const { settled, entries, folds } of ranges) {
    at = bytes.writeUInt8(entries === null ? RangeKind.folds : RangeKind.list, at);
    at = bytes.writeDoubleLE(settled, at);
    at = bytes.writeUInt32LE(entries === null ? FAN_OUT : entries.length, at);
    if (entries === null) at += encodeWords(folds).copy(bytes, at);
    else for (const entry of entries) at = writeEntry(bytes, at, entry);
  }
  return bytes;
}

export function decodeTold(answer: Uint8Array): ToldRange[] {
  const bytes = bufferOf(answer);
  const ranges: ToldRange[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < RANGE_HEAD_BYTES) throw protocolError('a told range that ends in its head');
    const kind = bytes[at];
    const settled = bytes.readDoubleLE(at + 1);
    const count = bytes.readUInt32LE(at + 9);
    at += RANGE_HEAD_BYTES;
    const size = count * (kind === RangeKind.list ? ENTRY_BYTES : DIGEST_BYTES);
    if (bytes.length - at < size) throw protocolError('a told range that ends early');
    if (kind === RangeKind.list)
      ranges.push({ settled, entries: readEntries(bytes, at, count), folds: null });
    else if (kind === RangeKind.folds && count === FAN_OUT)
      ranges.push({ settled, entries: null, folds: decodeWords(bytes.subarray(at, at + size)) });
    else throw protocolError(`a told range of kind ${kind}`);
    at += size;
  }
  return ranges;
}

function writeEntry(bytes: Buffer, start: number, entry: VersionEntry): number {
  let at = bytes.writeUIntLE(entry.fingerprint, start, 6);
  at = bytes.writeUInt32LE(entry.timestamp % 0x1_0000_0000, at);
  at = bytes.writeUIntLE(Math.floor(entry.timestamp / 0x1_0000_0000), at, 3);
  at = bytes.writeUInt32LE(entry.writer, at);
  at = bytes.writeUInt16LE(entry.from, at);
  return bytes.writeUInt8(entry.flags, at);
}

function readEntries(bytes: Buffer, start: number, count: number): VersionEntry[] {
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * ENTRY_BYTES;
    return {
      fingerprint: bytes.readUIntLE(at, 6),
      timestamp: bytes.readUInt32LE(at + 6) + bytes.readUIntLE(at + 10, 3) * 0x1_0000_0000,
      writer: bytes.readUInt32LE(at + 13),
      from: bytes.readUInt16LE(at + 17),
      flags: bytes.readUInt8(at + 19),
    };
  });
}

function encodeRanges(ranges: readonly AskedRange[]): Buffer {
  const bytes = Buffer.allocUnsafe(ranges.length * RANGE_BYTES);
  let at = 0;
  for (const { slot, depth, prefix, purgeableTo } of ranges) {
    at = bytes.writeUInt16LE(slot, at);
    at = bytes.writeUInt8(depth, at);
    at = bytes.writeUIntLE(prefix, at, MAX_DEPTH);
    at = bytes.writeDoubleLE(purgeableTo, at);
  }
  return bytes;
}

function decodeRanges(bytes: Buffer): AskedRange[] {
  return Array.from({ length: countOf(bytes, RANGE_BYTES) }, (_, index) => {
    const at = index * RANGE_BYTES;
    const depth = bytes.readUInt8(at + 2);
    const prefix = bytes.readUIntLE(at + 3, MAX_DEPTH);
    if (depth > MAX_DEPTH || prefix >= FAN_OUT ** depth) throw protocolError(`a range of depth ${depth}`);
    return { slot: bytes.readUInt16LE(at), depth, prefix, purgeableTo: bytes.readDoubleLE(at + 9) };
  });
}

function encodeFingerprints(wanted: readonly SlotFingerprint[]): Buffer {
  const bytes = Buffer.allocUnsafe(wanted.length * FINGERPRINT_BYTES);
  let at = 0;
  for (const { slot, fingerprint } of wanted)
    at = bytes.writeUIntLE(fingerprint, bytes.writeUInt16LE(slot, at), MAX_DEPTH);
  return bytes;
}

function decodeFingerprints(bytes: Buffer): SlotFingerprint[] {
  return Array.from({ length: countOf(bytes, FINGERPRINT_BYTES) }, (_, index) => ({
    slot: bytes.readUInt16LE(index * FINGERPRINT_BYTES),
    fingerprint: bytes.readUIntLE(index * FINGERPRINT_BYTES + SLOT_BYTES, MAX_DEPTH),
  }));
}

export function encodeSlots(slots: Uint16Array): Buffer {
  const bytes = Buffer.allocUnsafe(slots.length * SLOT_BYTES);
  for (const [index, slot] of slots.entries()) bytes.writeUInt16LE(slot, index * SLOT_BYTES);
  return bytes;
}

export function decodeSlots(answer: Uint8Array): Uint16Array {
  const bytes = bufferOf(answer);
  return Uint16Array.from({ length: countOf(bytes, SLOT_BYTES) }, (_, index) =>
    bytes.readUInt16LE(index * SLOT_BYTES),
  );
}

export function encodeWords(words: Uint32Array): Buffer {
  const bytes = Buffer.allocUnsafe(words.length * 4);
  for (const [index, word] of words.entries()) bytes.writeUInt32LE(word, index * 4);
  return bytes;
}

/** Pairs of words. */
export function decodeWords(answer: Uint8Array): Uint32Array {
  const bytes = bufferOf(answer);
  const pairs = countOf(bytes, DIGEST_BYTES);
  return Uint32Array.from({ length: 2 * pairs }, (_, index) => bytes.readUInt32LE(index * 4));
}

/** An answer that says no more than that it is one. */
export const DONE: Uint8Array = EMPTY;

function countOf(bytes: Uint8Array, size: number): number {
  if (bytes.length % size !== 0) throw protocolError(`${bytes.length} bytes are no list of ${size} each`);
  return bytes.length / size;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function bytesOf(value: unknown): Buffer {
  if (value instanceof Uint8Array) return bufferOf(value);
  throw protocolError('a round message whose bytes are none');
}

/** Takes one field after the other of a msgpack array. */
class Fields {
  readonly #fields: readonly unknown[];
  #at = 0;

  constructor(body: Uint8Array) {
    let decoded: unknown;
    try {
      decoded = unpackr.unpack(body);
    } catch {
      decoded = null;
    }
    if (!Array.isArray(decoded)) throw protocolError('a round message that is no array');
    this.#fields = decoded;
  }

  uint(): number {
    const value = this.#take();
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw protocolError('a round message whose number is none');
  }

  slot(): number {
    const slot = this.uint();
    if (slot < SLOT_COUNT) return slot;
    throw protocolError(`a round message about slot ${slot}`);
  }

  text(): string {
    const value = this.#take();
    if (typeof value === 'string' && value.length <= MAX_TEXT_LENGTH) return value;
    throw protocolError('a round message whose text is none');
  }

  bytes(): Buffer {
    return bytesOf(this.#take());
  }

  list(): readonly unknown[] {
    const value = this.#take();
    if (Array.isArray(value)) return value;
    throw protocolError('a round message whose list is none');
  }

  scope(): RoundScope {
    const leader = this.text();
    const first = this.slot();
    const last = this.slot();
    const skipped = this.list();
    if (skipped.length > MAX_NODES || skipped.some((id) => typeof id !== 'string'))
      throw protocolError('a round message with invalid nodes');
    return { leader, first, last, skipped: skipped as readonly string[] };
  }

  finish(): void {
    if (this.#at !== this.#fields.length)
      throw protocolError('a round message with more than it should have');
  }

  #take(): unknown {
    return this.#fields[this.#at++];
  }
}
