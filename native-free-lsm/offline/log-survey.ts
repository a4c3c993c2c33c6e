import { corruption, LsmError } from '../errors.ts';
import { FRAME_ALIGNMENT_BYTES, frameLength, nextFrame, payloadStart } from '../format/frame.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { BatchReader } from '../log/batch-reader.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  batchBodyBytes,
  batchKind,
  batchSyncedBytes,
  FILE_HEADER_BYTES,
  type FileMagic,
  isBatchHeader,
  isBatchIntact,
} from '../log/log-format.ts';
import { LogWindow } from '../log/log-window.ts';
import { OperationCursor } from '../log/write-operation.ts';
import { type Damage, damageOf, openFile } from './folder.ts';

/** A batch whose checksum is right. */
export interface BatchPlace {
  readonly offset: number;
  /** Includes the header. */
  readonly lengthBytes: number;
  readonly kind: number;
  /** How far the file was known to be synced when the batch was written. */
  readonly syncedBytes: number;
}

interface Gap {
  readonly offset: number;
  readonly lengthBytes: number;
  /** Whether an interrupted append left it: no later batch says that it had been synced. This is no damage. */
  readonly isTorn: boolean;
}

/** What is left of a log or a manifest, whatever happened to it. */
export interface LogSurvey {
  readonly path: string;
  readonly sizeBytes: number;
  /** In ascending order, including those behind a gap. */
  readonly batches: readonly BatchPlace[];
  /** Ranges of bytes that are in no batch, in ascending order. */
  readonly gaps: readonly Gap[];
  /** Whether it ends with the mark of a writer that had finished. */
  readonly isClean: boolean;
  /** Whether that writer had also begun the next log. */
  readonly isContinued: boolean;
  readonly damages: readonly Damage[];
}

/**
 * Finds every intact batch of a file, also behind damage; by the file's name, as its header may be what is
 * damaged. Reads all of it, in bounded memory; changes nothing.
 * @param isBegun it is known that the file was begun, so that it must have its header
 * @throws LsmError CORRUPTION when the file is missing, IO_ERROR
 */
export function surveyLog(
  fs: FileSystem,
  path: string,
  magic: FileMagic,
  number: number,
  isBegun = false,
): LogSurvey {
  using file = openFile(fs, path);
  const window = new LogWindow(fs, file.fd, fs.sizeSync(path));
  const { sizeBytes } = window;
  const damages: Damage[] = [];
  const isOlderOrNewer = (): boolean => damages.some(({ code }) => code === 'UNSUPPORTED_FORMAT');
  if (!hasHeader(new BatchReader(window, path, number), magic, isBegun, path, damages)) {
    const gaps =
      sizeBytes === 0 && damages.length === 0
        ? []
        : [{ offset: 0, lengthBytes: sizeBytes, isTorn: damages.length === 0 }];
    if (damages.length === 0 || sizeBytes <= FILE_HEADER_BYTES || isOlderOrNewer()) {
      return { path, sizeBytes, batches: [], gaps, isClean: false, isContinued: false, damages };
    }
  }
  const batches = findBatches(window, number);
  const gaps = findGaps(batches, sizeBytes);
  for (const gap of gaps) {
    if (gap.isTorn) continue;
    const what = `no whole batch in ${gap.lengthBytes} bytes, though a later one says they were synced`;
    damages.push(damageOf(corruption(path, gap.offset, what), path));
  }
  checkKinds(batches, sizeBytes, path, damages);
  const last = batches.at(-1);
  const isClean = last !== undefined && isMark(last.kind) && last.offset + last.lengthBytes === sizeBytes;
  const isContinued = isClean && last.kind === BatchKind.continued;
  return { path, sizeBytes, batches, gaps, isClean, isContinued, damages };
}

function isMark(kind: number): boolean {
  return kind === BatchKind.cleanClose || kind === BatchKind.continued;
}

function hasHeader(
  reader: BatchReader,
  magic: FileMagic,
  isBegun: boolean,
  path: string,
  damages: Damage[],
): boolean {
  try {
    return reader.readHeader(magic, isBegun);
  } catch (error) {
    damages.push(damageOf(error, path));
    return false;
  }
}

function findBatches(window: LogWindow, number: number): BatchPlace[] {
  const batches: BatchPlace[] = [];
  let offset = FILE_HEADER_BYTES;
  while (offset + BATCH_HEADER_BYTES <= window.sizeBytes) {
    const at = intactBatch(window, number, offset);
    if (at < 0) {
      offset += FRAME_ALIGNMENT_BYTES;
      continue;
    }
    const lengthBytes = BATCH_HEADER_BYTES + batchBodyBytes(window.bytes, at);
    const syncedBytes = batchSyncedBytes(window.bytes, at);
    batches.push({ offset, lengthBytes, kind: batchKind(window.bytes, at), syncedBytes });
    offset += lengthBytes;
  }
  return batches;
}

/** Where the intact batch at `offset` starts in the window, or -1 when there is none. */
function intactBatch(window: LogWindow, number: number, offset: number): number {
  const head = window.load(offset, BATCH_HEADER_BYTES);
  if (head < 0 || !isBatchHeader(window.bytes, head, number, offset)) return -1;
  const at = window.load(offset, BATCH_HEADER_BYTES + batchBodyBytes(window.bytes, head));
  return at >= 0 && isBatchIntact(window.bytes, at) ? at : -1;
}

function findGaps(batches: readonly BatchPlace[], sizeBytes: number): Gap[] {
  const gaps: Gap[] = [];
  let end = sizeBytes;
  let synced = 0;
  // From the end: the largest synced offset behind a place decides about it.
  for (const batch of batches.toReversed()) {
    const batchEnd = batch.offset + batch.lengthBytes;
    if (batchEnd < end)
      gaps.push({ offset: batchEnd, lengthBytes: end - batchEnd, isTorn: synced <= batchEnd });
    synced = Math.max(synced, batch.syncedBytes);
    end = batch.offset;
  }
  if (end > FILE_HEADER_BYTES) {
    const lengthBytes = end - FILE_HEADER_BYTES;
    gaps.push({ offset: FILE_HEADER_BYTES, lengthBytes, isTorn: synced <= FILE_HEADER_BYTES });
  }
  return gaps.reverse();
}

function checkKinds(
  batches: readonly BatchPlace[],
  sizeBytes: number,
  path: string,
  damages: Damage[],
): void {
  for (const { offset, lengthBytes, kind } of batches) {
    if (isMark(kind) && offset + lengthBytes < sizeBytes) {
      const what = 'bytes follow the mark of a clean close';
      damages.push(damageOf(corruption(path, offset + lengthBytes, what), path));
    } else if (kind !== BatchKind.data && !isMark(kind)) {
      damages.push(damageOf(corruption(path, offset, `batch kind ${kind} is unknown`), path));
    }
  }
}

/**
 * The batches that an opening replays: those before a torn tail.
 * @throws LsmError CORRUPTION or UNSUPPORTED_FORMAT when an opening would refuse the log
 */
export function replayed({ batches, damages, gaps }: LogSurvey): readonly BatchPlace[] {
  const [damage] = damages;
  if (damage !== undefined) {
    const { code, file, message, offset } = damage;
    throw new LsmError(code, message, offset === null ? { file } : { file, offset });
  }
  const torn = gaps.find(({ isTorn }) => isTorn);
  return torn === undefined ? batches : batches.filter(({ offset }) => offset < torn.offset);
}

/** One put of a log; the ranges are in `bytes`, which is valid only during the call. */
interface PutPlace {
  readonly bytes: Uint8Array;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly recordStart: number;
  readonly recordEnd: number;
}

/**
 * Hands the puts of one batch of data to `visit`, except those marked as dropped.
 * @returns how many there were
 * @throws LsmError CORRUPTION when the batch holds no operations although its checksum is right; puts before the fault
 *   have been visited
 */
export function visitPuts(
  window: LogWindow,
  path: string,
  batch: BatchPlace,
  visit: (put: PutPlace) => void,
): number {
  const at = window.load(batch.offset, batch.lengthBytes);
  if (at < 0) throw corruption(path, batch.offset, 'the file ends within the batch');
  const { bytes } = window;
  const end = at + batch.lengthBytes;
  const cursor = new OperationCursor();
  const place = { bytes, keyStart: 0, keyEnd: 0, recordStart: 0, recordEnd: 0 };
  let puts = 0;
  for (let frame = at + BATCH_HEADER_BYTES; frame < end; ) {
    const payload = payloadStart(frame);
    const payloadEnd = payload + frameLength(bytes, frame);
    const offset = batch.offset + frame - at;
    if (payloadEnd > end) throw corruption(path, offset, 'a frame leaves its batch');
    try {
      cursor.reset(bytes, payload, payloadEnd);
      while (cursor.next()) {
        place.keyStart = cursor.keyStart;
        place.keyEnd = cursor.keyEnd;
        place.recordStart = cursor.recordStart;
        place.recordEnd = cursor.recordEnd;
        visit(place);
        puts++;
      }
    } catch (cause) {
      if (cause instanceof LsmError && cause.code === 'INVALID_ARGUMENT')
        throw corruption(path, offset, cause.message);
      throw cause;
    }
    frame = nextFrame(bytes, frame);
  }
  return puts;
}

/** A window over a file for `visitPuts`, until it is disposed of. */
export function openWindow(fs: FileSystem, path: string): Disposable & { readonly window: LogWindow } {
  const file = openFile(fs, path);
  const window = new LogWindow(fs, file.fd, fs.sizeSync(path));
  return { window, [Symbol.dispose]: () => file[Symbol.dispose]() };
}
