/**
 * What the owners of a slot ask each other in a round: the body and the answer of the RPC operation `antiEntropy`, as
 * `src/rpc/FORMAT.md` draws them. Pure.
 */
import { protocolError } from '../../errors.ts';
import { bytesOf, clipText, Fields, packFields } from './message-fields.ts';
import {
  type AskedRange,
  decodeFingerprints,
  decodeRanges,
  decodeSlots,
  decodeWords,
  encodeFingerprints,
  encodeRanges,
  encodeSlots,
  encodeWords,
  type SlotFingerprint,
} from './packed-lists.ts';

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

const MAX_NODES = 1_024;
/** An answer that says no more than that it is one. */
export const DONE = new Uint8Array(0);

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
  return packFields([request.kind, ...fieldsOf(request)]);
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
      const scope = scopeOf(fields);
      return { kind, ...scope, round: fields.uint(), timestamp: fields.uint() };
    }
    case RoundMessage.compare: {
      const scope = scopeOf(fields);
      return { kind, ...scope, root: decodeWords(fields.bytes()) };
    }
    case RoundMessage.leaves: {
      const scope = scopeOf(fields);
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
      const scope = scopeOf(fields);
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

function scopeOf(fields: Fields): RoundScope {
  const leader = fields.text();
  const first = fields.slot();
  const last = fields.slot();
  const skipped = fields.list();
  if (skipped.length > MAX_NODES || skipped.some((id) => typeof id !== 'string'))
    throw protocolError('a round message with invalid nodes');
  return { leader, first, last, skipped: skipped as readonly string[] };
}

/** The records that were asked for, and the fingerprints for which there was no room. */
export function encodeRecords(
  records: readonly KeyAndRecord[],
  left: readonly SlotFingerprint[],
): Uint8Array {
  return packFields([encodeFingerprints(left), records.flatMap(({ key, record }) => [key, record])]);
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
  return packFields([stored, bytes, failed, encodeFingerprints(dead), encodeFingerprints(left), waitMs]);
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
  return packFields([repair, stretches, left, clipText(obstacle)]);
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
