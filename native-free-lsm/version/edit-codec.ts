import { Packr } from 'msgpackr/pack';
import { LsmError } from '../errors.ts';
import { ownBytes } from '../format/copy.ts';
import {
  FRAME_HEADER_BYTES,
  frameBytes,
  frameLength,
  frameTag,
  payloadStart,
  writeFrameHeader,
} from '../format/frame.ts';
import { unpackable } from '../format/message-pack.ts';
import { isLastKey, LAST_KEY, type TableMetadata } from '../sstable/table-metadata.ts';
import type { VersionEdit } from './version.ts';

/**
 * Encodes version edits as MessagePack arrays, by position (FORMAT.md names the fields). `msgpackr/pack` and not
 * `msgpackr`, which would look for its native part.
 */
const packr = new Packr({ useRecords: false });

/** The tags of a manifest's frames: the first frame is a snapshot, all others are edits. */
export const ManifestTag = { snapshot: 1, edit: 2 } as const;
/** What is added to the tag of a frame in which a table has range tombstones: earlier versions do not know them. */
const RANGED = 2;
export type ManifestTag = (typeof ManifestTag)[keyof typeof ManifestTag];

const TABLE_FIELDS = 12;
const RANGED_TABLE_FIELDS = 13;
/** Which of them is the largest key. */
const LARGEST_KEY_FIELD = 7;
const EDIT_FIELDS = 5;

/** The body of a manifest's batch: one frame. */
export function encodeFrame(edit: VersionEdit, tag: ManifestTag): Uint8Array {
  const isRanged = edit.added.some(({ rangeTombstones }) => rangeTombstones !== undefined);
  const payload = packr.pack([
    edit.added.map(isRanged ? rangedTableToArray : tableToArray),
    edit.removed,
    edit.oldestGeneration ?? null,
    edit.nextFileId ?? null,
    edit.begunGeneration ?? null,
  ]);
  const body = new Uint8Array(frameBytes(payload.length));
  writeFrameHeader(body, 0, payload.length, isRanged ? tag + RANGED : tag);
  body.set(payload, payloadStart(0));
  return body;
}

/**
 * @throws Error that says what is wrong with the frame in `bytes[start, end)`; the caller names the place. LsmError
 *   UNSUPPORTED_FORMAT when its tag is of a later version
 */
export function decodeFrame(bytes: Uint8Array, start: number, end: number, tag: ManifestTag): VersionEdit {
  if (end - start < FRAME_HEADER_BYTES) throw new Error('the batch has no frame');
  const payload = payloadStart(start);
  const payloadEnd = payload + frameLength(bytes, start);
  if (payloadEnd > end) throw new Error('the frame leaves its batch');
  const found = frameTag(bytes, start);
  if (found > ManifestTag.edit + RANGED) {
    throw new LsmError('UNSUPPORTED_FORMAT', `a frame of tag ${found}, which this version does not know`);
  }
  const isRanged = found === tag + RANGED;
  if (found !== tag && !isRanged) throw new Error(`tag ${found} where ${tag} was expected`);
  return decodeEdit(bytes.subarray(payload, payloadEnd), isRanged);
}

function decodeEdit(payload: Uint8Array, isRanged: boolean): VersionEdit {
  const fields = arrayOf(packr.unpack(unpackable(payload)), EDIT_FIELDS);
  return {
    added: arrayOf(fields[0]).map(isRanged ? rangedTableFromArray : tableFromArray),
    removed: arrayOf(fields[1]).map(wholeNumber),
    ...(fields[2] === null ? {} : { oldestGeneration: wholeNumber(fields[2]) }),
    ...(fields[3] === null ? {} : { nextFileId: wholeNumber(fields[3]) }),
    ...(fields[4] === null ? {} : { begunGeneration: wholeNumber(fields[4]) }),
  };
}

function tableToArray(table: TableMetadata): unknown[] {
  return [
    table.id,
    table.level,
    table.fileSizeBytes,
    table.entries,
    table.tombstones,
    table.rawSizeBytes,
    table.smallestKey,
    table.largestKey,
    table.smallestTimestamp,
    table.largestTimestamp,
    table.smallestExpiryMs,
    table.damagedAt ?? null,
  ];
}

/** The largest key is null where a range tombstone has no end. */
function rangedTableToArray(table: TableMetadata): unknown[] {
  const fields = tableToArray(table);
  if (isLastKey(table.largestKey)) fields[LARGEST_KEY_FIELD] = null;
  return [...fields, table.rangeTombstones ?? 0];
}

function rangedTableFromArray(value: unknown): TableMetadata {
  const fields = arrayOf(value, RANGED_TABLE_FIELDS);
  const rangeTombstones = wholeNumber(fields.pop());
  fields[LARGEST_KEY_FIELD] ??= LAST_KEY;
  const table = tableFromArray(fields);
  return rangeTombstones === 0 ? table : { ...table, rangeTombstones };
}

function tableFromArray(value: unknown): TableMetadata {
  const fields = arrayOf(value, TABLE_FIELDS);
  return {
    id: wholeNumber(fields[0]),
    level: wholeNumber(fields[1]),
    fileSizeBytes: wholeNumber(fields[2]),
    entries: wholeNumber(fields[3]),
    tombstones: wholeNumber(fields[4]),
    rawSizeBytes: wholeNumber(fields[5]),
    smallestKey: bytesOf(fields[6]),
    largestKey: bytesOf(fields[7]),
    smallestTimestamp: wholeNumber(fields[8]),
    largestTimestamp: wholeNumber(fields[9]),
    smallestExpiryMs: wholeNumber(fields[10]),
    ...(fields[11] === null ? {} : { damagedAt: wholeNumber(fields[11]) }),
  };
}

function arrayOf(value: unknown, length?: number): unknown[] {
  if (Array.isArray(value) && (length === undefined || value.length === length)) return value;
  throw new Error(`expected an array${length === undefined ? '' : ` of ${length}`}`);
}

function wholeNumber(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new Error('expected a whole number');
}

/** A copy, because what was unpacked is a view of the file's bytes, which are not kept. */
function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return ownBytes(value, 0, value.length);
  throw new Error('expected bytes');
}
