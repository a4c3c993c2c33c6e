import { fieldsFault, folderFault, rangeFault, refuse, stringFault, wholeNumberFault } from '../arguments.ts';
import { corruption, LsmError } from '../errors.ts';
import { compareBytes } from '../format/bytes.ts';
import { ownBytes } from '../format/copy.ts';
import {
  isLive,
  isTombstone,
  recordExpiryMs,
  recordFrom,
  recordTimestamp,
  recordValueStart,
  recordWriter,
} from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { visitPuts } from '../log/batch-puts.ts';
import { BatchKind, FileMagic } from '../log/log-format.ts';
import type { TableProperties } from '../sstable/properties.ts';
import { readCurrent } from '../version/current-file.ts';
import { parseFileName } from '../version/file-names.ts';
import type { VersionEdit } from '../version/version.ts';
import { findBlocks } from './block-finder.ts';
import { BlockReader } from './block-reader.ts';
import { type Damage, damageOf, openFile } from './folder.ts';
import { openBatches, surveyLog } from './log-survey.ts';
import { manifestEdits } from './manifest-survey.ts';
import { openLive } from './stat.ts';
import { blocksOf, surveyTable } from './table-survey.ts';

/** A record with its key, decoded. */
export interface DumpedRecord {
  readonly type: 'entry';
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly timestamp: number;
  readonly writer: number;
  readonly from: number;
  readonly isTombstone: boolean;
  /** In ms since the Unix epoch; 0: never. */
  readonly expiryMs: number;
}

/** A deletion of all keys from `start` to before `end`, null: to the last, that have a smaller timestamp. */
interface DumpedRange {
  readonly type: 'rangeTombstone';
  readonly start: Uint8Array;
  readonly end: Uint8Array | null;
  readonly timestamp: number;
}

type BatchName = 'data' | 'cleanClose' | 'continued' | 'unknown';

/** What a file has, piece by piece, in the order of the file; offsets and lengths are in bytes. */
export type DumpItem =
  | DumpedRecord
  | DumpedRange
  | { readonly type: 'current'; readonly manifest: number }
  | {
      readonly type: 'edit';
      readonly offset: number;
      readonly isSnapshot: boolean;
      readonly edit: VersionEdit;
    }
  | {
      readonly type: 'batch';
      readonly offset: number;
      readonly lengthBytes: number;
      readonly kind: BatchName;
      readonly syncedBytes: number;
    }
  | { readonly type: 'torn'; readonly offset: number; readonly lengthBytes: number }
  | { readonly type: 'properties'; readonly properties: TableProperties }
  /** What compares this table with other engines': its rows are those of the entries. */
  | {
      readonly type: 'slotVersions';
      readonly rows: number;
      readonly pieces: number;
      readonly sizeBytes: number;
    }
  | {
      readonly type: 'block';
      readonly ordinal: number;
      readonly offset: number;
      readonly diskBytes: number;
      readonly memoryBytes: number;
    }
  | { readonly type: 'damage'; readonly damage: Damage };

/** The keys to look at. */
export interface KeyRange {
  /** Inclusive; undefined: from the first. */
  readonly start?: Uint8Array | undefined;
  /** Exclusive; undefined: to the last. */
  readonly end?: Uint8Array | undefined;
}

function keyRangeFault(range: KeyRange): LsmError | undefined {
  return fieldsFault('range', range, ['start', 'end']) ?? rangeFault('range', range);
}

/**
 * The entries that a read would find, in key order.
 * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR as soon as a read would
 */
export function* dumpEntries(
  fs: FileSystem,
  directory: string,
  range: KeyRange,
  nowMs: number,
): Generator<DumpedRecord, void, void> {
  refuse(keyRangeFault(range) ?? wholeNumberFault('nowMs', nowMs, 0));
  const { start = NOTHING, end } = range;
  using live = openLive(fs, directory);
  const { iterator } = live;
  for (iterator.seek(start, 0, start.length); iterator.valid; iterator.next()) {
    const { keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd } = iterator;
    if (end !== undefined && compareBytes(keyBytes, keyStart, keyEnd, end, 0, end.length) >= 0) return;
    if (isLive(recordBytes, recordStart, nowMs)) {
      yield recordOf(keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd);
    }
  }
}

/**
 * Everything in one file, whatever happened to the rest of the folder. Damage is reported at its place.
 * @param name as in the folder, `000007.log`
 * @throws LsmError INVALID_ARGUMENT when no engine gives a file that name, CORRUPTION when it is missing
 */
export function* dumpFile(
  fs: FileSystem,
  directory: string,
  name: string,
  range: KeyRange,
): Generator<DumpItem, void, void> {
  refuse(folderFault(fs, directory) ?? stringFault('name', name) ?? keyRangeFault(range));
  const file = parseFileName(name);
  const path = `${directory}/${name}`;
  if (file !== undefined && !fs.existsSync(path)) throw corruption(path, 0, 'the file is missing');
  switch (file?.kind) {
    case 'current':
      yield* dumpCurrent(fs, directory, path);
      return;
    case 'manifest':
      yield* dumpManifest(fs, path, file.number);
      return;
    case 'log':
      yield* dumpLog(fs, path, file.number, range);
      return;
    case 'table':
      yield* dumpTable(fs, path, range);
      return;
    default:
      throw new LsmError(
        'INVALID_ARGUMENT',
        `${name} is no file that can be shown: name CURRENT, MANIFEST-000001 or the like, 000007.log or 000012.sst`,
      );
  }
}

const NOTHING = new Uint8Array(0);

function* dumpCurrent(fs: FileSystem, directory: string, path: string): Generator<DumpItem, void, void> {
  try {
    const manifest = readCurrent(fs, directory);
    if (manifest !== undefined) yield { type: 'current', manifest };
  } catch (error) {
    yield { type: 'damage', damage: damageOf(error, path) };
  }
}

function* dumpManifest(fs: FileSystem, path: string, number: number): Generator<DumpItem, void, void> {
  const { edits, damages, survey } = manifestEdits(fs, path, number);
  for (const { batch, isSnapshot, edit } of edits) {
    yield { type: 'edit', offset: batch.offset, isSnapshot, edit };
  }
  for (const damage of damages) yield { type: 'damage', damage };
  for (const { offset, lengthBytes, isTorn } of survey.gaps) {
    if (isTorn && damages.length === 0) yield { type: 'torn', offset, lengthBytes };
  }
}

function* dumpLog(
  fs: FileSystem,
  path: string,
  generation: number,
  range: KeyRange,
): Generator<DumpItem, void, void> {
  const survey = surveyLog(fs, path, FileMagic.log, generation);
  for (const damage of survey.damages) yield { type: 'damage', damage };
  using log = openBatches(fs, path, generation);
  for (const batch of survey.batches) {
    const { offset, lengthBytes, syncedBytes } = batch;
    yield { type: 'batch', offset, lengthBytes, kind: kindName(batch.kind), syncedBytes };
    if (batch.kind !== BatchKind.data || !log.reader.moveTo(offset)) continue;
    const records: (DumpedRecord | DumpedRange)[] = [];
    try {
      visitPuts(log.reader, path, (bytes, keyStart, keyEnd, recordStart, recordEnd, rangeEndStart) => {
        if (rangeEndStart !== undefined) {
          const dumped = {
            type: 'rangeTombstone',
            start: ownBytes(bytes, keyStart, keyEnd),
            end: rangeEndStart < 0 ? null : ownBytes(bytes, rangeEndStart, recordEnd),
            timestamp: recordTimestamp(bytes, recordStart),
          } as const;
          if (meets(dumped, range)) records.push(dumped);
        } else if (isWithin(bytes, keyStart, keyEnd, range))
          records.push(recordOf(bytes, keyStart, keyEnd, bytes, recordStart, recordEnd));
      });
    } catch (error) {
      yield { type: 'damage', damage: damageOf(error, path) };
    }
    yield* records;
  }
  for (const { offset, lengthBytes, isTorn } of survey.gaps) {
    if (isTorn) yield { type: 'torn', offset, lengthBytes };
  }
}

function kindName(kind: number): BatchName {
  if (kind === BatchKind.data) return 'data';
  if (kind === BatchKind.continued) return 'continued';
  return kind === BatchKind.cleanClose ? 'cleanClose' : 'unknown';
}

function* dumpTable(fs: FileSystem, path: string, range: KeyRange): Generator<DumpItem, void, void> {
  const { damages, index, layout, properties, ranges, sizeBytes, slotVersions } = surveyTable(fs, path);
  for (const damage of damages) yield { type: 'damage', damage };
  if (properties !== undefined) yield { type: 'properties', properties };
  if (slotVersions !== undefined) {
    const { bytes, head } = slotVersions;
    yield { type: 'slotVersions', rows: head.rows, pieces: head.pieces, sizeBytes: bytes.length };
  }
  for (const piece of ranges ?? []) if (meets(piece, range)) yield { type: 'rangeTombstone', ...piece };
  using file = openFile(fs, path);
  const blocks =
    index === undefined
      ? findBlocks(fs, file.fd, sizeBytes, layout?.dataBytes ?? sizeBytes).blocks
      : blocksOf(index);
  const reader = new BlockReader(fs, file.fd, path);
  const { cursor } = reader;
  for (const [ordinal, block] of blocks.entries()) {
    yield { type: 'block', ordinal, ...block };
    try {
      reader.read(block);
    } catch (error) {
      yield { type: 'damage', damage: damageOf(error, path) };
      continue;
    }
    for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
      const { keyBytes, keyEnd, recordBytes, recordStart, recordEnd } = cursor;
      if (!isWithin(keyBytes, 0, keyEnd, range)) continue;
      yield recordOf(keyBytes, 0, keyEnd, recordBytes, recordStart, recordEnd);
    }
    if (cursor.fault !== undefined)
      yield { type: 'damage', damage: damageOf(corruption(path, block.offset, cursor.fault), path) };
  }
}

/** Whether a range tombstone deletes keys of the range. */
function meets(piece: Pick<DumpedRange, 'start' | 'end'>, { start, end }: KeyRange): boolean {
  if (end !== undefined && Buffer.compare(piece.start, end) >= 0) return false;
  return start === undefined || piece.end === null || Buffer.compare(piece.end, start) > 0;
}

function isWithin(bytes: Uint8Array, from: number, to: number, { start, end }: KeyRange): boolean {
  if (start !== undefined && compareBytes(bytes, from, to, start, 0, start.length) < 0) return false;
  return end === undefined || compareBytes(bytes, from, to, end, 0, end.length) < 0;
}

function recordOf(
  keyBytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  bytes: Uint8Array,
  recordStart: number,
  recordEnd: number,
): DumpedRecord {
  return {
    type: 'entry',
    key: ownBytes(keyBytes, keyStart, keyEnd),
    value: ownBytes(bytes, Math.min(recordValueStart(bytes, recordStart), recordEnd), recordEnd),
    timestamp: recordTimestamp(bytes, recordStart),
    writer: recordWriter(bytes, recordStart),
    from: recordFrom(bytes, recordStart),
    isTombstone: isTombstone(bytes, recordStart),
    expiryMs: recordExpiryMs(bytes, recordStart),
  };
}
