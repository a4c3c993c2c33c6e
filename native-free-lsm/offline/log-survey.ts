import { corruption, type LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { BatchReader } from '../log/batch-reader.ts';
import { BatchKind, FILE_HEADER_BYTES, type FileMagic } from '../log/log-format.ts';
import { LogWindow } from '../log/log-window.ts';
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
  /** The length without zeros at the end that are in no batch: room that a writer had made, see LogWriter. */
  readonly contentBytes: number;
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
 * Finds every intact batch of a file, also behind damage. It goes by the file's name, because its header may be
 * damaged. It reads the whole file, in bounded memory, and changes nothing.
 * @param isBegun whether it is known that the file was begun, so that it must have its header
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
  const reader = new BatchReader(window, path, number);
  if (!hasHeader(reader, magic, isBegun, path, damages)) {
    const gaps =
      sizeBytes === 0 && damages.length === 0
        ? []
        : [{ offset: 0, lengthBytes: sizeBytes, isTorn: damages.length === 0 }];
    if (damages.length === 0 || sizeBytes <= FILE_HEADER_BYTES || isOlderOrNewer()) {
      const empty = { batches: [], gaps, isClean: false, isContinued: false, damages };
      return { path, sizeBytes, contentBytes: sizeBytes, ...empty };
    }
  }
  const { batches, faults } = findBatches(reader);
  const last = batches.at(-1);
  const contentBytes = window.contentEnd(
    last === undefined ? FILE_HEADER_BYTES : last.offset + last.lengthBytes,
  );
  const gaps = findGaps(batches, contentBytes);
  for (const gap of gaps) {
    if (gap.isTorn) continue;
    const what = `no whole batch in ${gap.lengthBytes} bytes, though a later one says they were synced`;
    damages.push(damageOf(corruption(path, gap.offset, what), path));
  }
  for (const fault of faults) damages.push(damageOf(fault, path));
  const isClean = reader.isMark && reader.offset + reader.lengthBytes === sizeBytes;
  const isContinued = isClean && reader.kind === BatchKind.continued;
  return { path, sizeBytes, contentBytes, batches, gaps, isClean, isContinued, damages };
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

function findBatches(reader: BatchReader): { batches: BatchPlace[]; faults: LsmError[] } {
  const batches: BatchPlace[] = [];
  const faults: LsmError[] = [];
  while (reader.nextWhole()) {
    const { batchSyncedBytes: syncedBytes, kind, lengthBytes, offset } = reader;
    batches.push({ offset, lengthBytes, kind, syncedBytes });
    const fault = reader.kindFault();
    if (fault !== undefined) faults.push(fault);
  }
  return { batches, faults };
}

function findGaps(batches: readonly BatchPlace[], contentBytes: number): Gap[] {
  const gaps: Gap[] = [];
  let end = contentBytes;
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

/** A reader of the batches that a survey has found, to move from one to another, until it is disposed of. */
export function openBatches(
  fs: FileSystem,
  path: string,
  number: number,
): Disposable & { readonly reader: BatchReader } {
  const file = openFile(fs, path);
  const window = new LogWindow(fs, file.fd, fs.sizeSync(path));
  return { reader: new BatchReader(window, path, number), [Symbol.dispose]: () => file[Symbol.dispose]() };
}
