import { arrayFault, bytesFault, invalidArgument, wholeNumberFault } from '../arguments.ts';
import { LsmError } from '../errors.ts';
import { readUint32 } from '../format/integers.ts';
import type { PackedPiece } from '../iterator/packed-iterator.ts';
import { PAGE_ENTRY_HEADER_BYTES } from '../iterator/page.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import { LEVELS } from '../version/version.ts';
import type { Arenas } from './arenas.ts';
import type { Maintenance } from './maintenance.ts';
import type { SuperVersions } from './super-versions.ts';
import type { WriteQueue } from './write-queue.ts';

/** Records from outside, which go below all that is there. */
export interface IngestRequest {
  /** Packed entries, as a page of a scan has them. They must not change before the call has ended. */
  readonly entries: SharedArrayBuffer;
  /** Where they lie: each run is in key order, and a key may be in several runs, in several versions. */
  readonly runs: readonly (readonly PackedPiece[])[];
  /** No record has a larger one. */
  readonly largestTimestamp: number;
  /** At or below all keys. */
  readonly smallestKey: Uint8Array;
  /** At or above all keys. */
  readonly largestKey: Uint8Array;
}

interface IngestionParts {
  readonly arenas: Arenas;
  readonly maintenance: Pick<Maintenance, 'alone' | 'ingest' | 'isInDoubt'>;
  readonly superVersions: Pick<SuperVersions, 'handle' | 'pin' | 'unpin'>;
  readonly writes: Pick<WriteQueue, 'hold' | 'refuseHeld' | 'release'>;
}

const IN_DOUBT = new LsmError('IO_ERROR', 'the disk does not say whether records from outside are there');
const LAST_LEVEL = LEVELS - 1;
/** Tables that are rewritten may be so many times as large as what is taken. */
const MAX_REWRITTEN_SHARE = 4;

/**
 * Puts records from outside below everything else. A read stops at its first hit from above, so nothing older of their
 * keys may lie above them, now or later:
 *
 * - What lies there is looked through, key by key, by the job that writes the tables. A record of which something older
 *   lies above is left to the caller, who puts it on top.
 * - What would come meanwhile, from the look on until the tables are in force, waits: writes that are not newer than all
 *   of the records. Afterwards the writer thread finds the tables when it looks for newer versions. Newer writes, as
 *   clients' are when the records are some seconds old, are not held up.
 */
export class Ingestion {
  readonly #parts: IngestionParts;

  constructor(parts: IngestionParts) {
    this.#parts = parts;
  }

  /** See RecordStore.ingest. */
  take(request: IngestRequest): Promise<Uint8Array | null> {
    const { maintenance, writes } = this.#parts;
    return maintenance.alone(async (quiet) => {
      try {
        await writes.hold(request.largestTimestamp);
        await quiet();
        return await this.#write(request);
      } finally {
        // After a start it might be there, below what was held back for it.
        if (maintenance.isInDoubt) writes.refuseHeld(IN_DOUBT);
        else writes.release();
      }
    });
  }

  async #write(request: IngestRequest): Promise<Uint8Array | null> {
    const { arenas, maintenance, superVersions } = this.#parts;
    const { entries, largestKey, largestTimestamp, runs, smallestKey } = request;
    const superVersion = superVersions.pin();
    try {
      const { tables, version } = superVersion;
      const handlesOf = (level: number): TableHandle[] =>
        version.overlapping(level, smallestKey, largestKey).map(({ id }) => superVersions.handle(id));
      const overlapping = handlesOf(LAST_LEVEL);
      const rewrittenBytes = overlapping.reduce((sum, { metadata }) => sum + metadata.fileSizeBytes, 0);
      if (rewrittenBytes > MAX_REWRITTEN_SHARE * bytesOf(runs)) return null;
      const memtables: { arena: SharedArrayBuffer; limit: number }[] = [];
      for (let generation = arenas.activeGeneration; generation >= tables.oldestGeneration; generation--) {
        const limit = arenas.memtable(generation).publishedOffset;
        memtables.push({ arena: arenas.memory(generation), limit });
      }
      const above = Array.from({ length: LAST_LEVEL }, (_, level) => handlesOf(level));
      const records = { entries, runs, largestTimestamp, smallestKey, largestKey };
      return await maintenance.ingest({ ...records, memtables, above, overlapping });
    } finally {
      superVersions.unpin(superVersion);
    }
  }
}

/** What is wrong with a request. The job finds what is wrong with its records. */
export function ingestFault(request: IngestRequest): LsmError | undefined {
  const { entries, largestKey, largestTimestamp, runs, smallestKey } = request;
  if (!(entries instanceof SharedArrayBuffer)) return invalidArgument('entries must be a SharedArrayBuffer');
  const fault =
    arrayFault('runs', runs) ??
    bytesFault('smallestKey', smallestKey) ??
    bytesFault('largestKey', largestKey) ??
    wholeNumberFault('largestTimestamp', largestTimestamp, 0);
  if (fault !== undefined) return fault;
  const bytes = new Uint8Array(entries);
  for (const pieces of runs) {
    for (const piece of pieces)
      if (!isWhole(bytes, piece)) return invalidArgument('a piece of packed entries does not end with one');
  }
  return undefined;
}

function isWhole(bytes: Uint8Array, { start, end }: PackedPiece): boolean {
  if (!Number.isInteger(start) || start < 0 || !Number.isInteger(end) || end > bytes.length) return false;
  let at = start;
  while (at + PAGE_ENTRY_HEADER_BYTES <= end)
    at += PAGE_ENTRY_HEADER_BYTES + readUint32(bytes, at) + readUint32(bytes, at + 4);
  return at === end;
}

function bytesOf(runs: IngestRequest['runs']): number {
  let sum = 0;
  for (const pieces of runs) for (const { start, end } of pieces) sum += end - start;
  return sum;
}
