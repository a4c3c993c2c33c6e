/**
 * A StorageEngine that is a plain Map: no disk, no threads, and no copies that a Map does not need. A cluster over it
 * shows the cost of everything but the engine; tests use it where the engine is not the subject. Keys are kept as
 * latin1 strings, one character per byte, so that they sort as the bytes do.
 */
import { compareRecordVersions, recordTimestamp, recordWriter } from '../../native-free-lsm/format/record.ts';
import type { PageRequest } from '../../native-free-lsm/index.ts';
import { type ReadSink, type WriteSink, WriteStatus } from '../../native-free-lsm/index.ts';
import { Page } from '../../native-free-lsm/iterator/page.ts';
import { PageBuilder, pageEntryBytes } from '../../native-free-lsm/iterator/page-builder.ts';
import { ENTRY_ENCODINGS } from '../../src/http/entry-encoding.ts';
import type { EngineStatus, RangePage, StorageEngine } from '../../src/replica/storage-engine.ts';

export type MapRecords = Map<string, Uint8Array>;

class ClosedError extends Error {
  readonly code = 'CLOSED';
}

export class MapEngine implements StorageEngine {
  readonly #records: MapRecords;
  /** The keys in order, made by the first scan after a new key. */
  #sortedKeys: string[] | null = null;
  #bytes = 0;
  #closed = false;
  #newestTimestamp = 0;

  /** @param records pass the same ones for a second opening of the same store */
  constructor(records: MapRecords = new Map()) {
    this.#records = records;
    for (const [key, record] of records) {
      this.#bytes += key.length + record.length;
      this.#newestTimestamp = Math.max(this.#newestTimestamp, recordTimestamp(record, 0));
    }
  }

  read(key: Uint8Array, sink: ReadSink, token: number): void {
    if (this.#closed) sink.onRead(token, null, closed());
    else sink.onRead(token, this.#records.get(latin1(key)) ?? null, null);
  }

  write(key: Uint8Array, record: Uint8Array, sink: WriteSink, token: number): void {
    if (this.#closed) {
      sink.onWrite(token, WriteStatus.failed, 0, 0, closed());
      return;
    }
    const name = latin1(key);
    const met = this.#records.get(name);
    if (met === undefined) {
      this.#sortedKeys = null;
      this.#bytes += name.length;
    }
    const metTimestamp = met === undefined ? 0 : recordTimestamp(met, 0);
    const metWriter = met === undefined ? 0 : recordWriter(met, 0);
    if (met !== undefined && compareRecordVersions(record, 0, met, 0) <= 0) {
      sink.onWrite(token, WriteStatus.stale, metTimestamp, metWriter, null);
      return;
    }
    // The record may be a view of a network buffer that is many times larger.
    this.#records.set(name, Uint8Array.from(record));
    this.#bytes += record.length - (met === undefined ? 0 : met.length);
    this.#newestTimestamp = Math.max(this.#newestTimestamp, recordTimestamp(record, 0));
    sink.onWrite(token, WriteStatus.applied, metTimestamp, metWriter, null);
  }

  get newestTimestamp(): number {
    return this.#newestTimestamp;
  }

  async rangePage(request: PageRequest): Promise<RangePage> {
    if (this.#closed) throw closed();
    const sorted = this.#sorted();
    const end = request.end === null ? null : latin1(request.end);
    const first = lowerBound(sorted, latin1(request.start));
    const encoder = request.encoder === 0 ? null : ENTRY_ENCODINGS[request.encoder - 1].encoder;
    const firstRecord = this.#records.get(sorted[first]);
    // At least one entry, so that a scan goes forward.
    const firstBytes =
      firstRecord === undefined ? 0 : pageEntryBytes(sorted[first].length, firstRecord.length, encoder);
    const limit = Math.max(request.maxBytes, firstBytes);
    const page = new PageBuilder();
    page.begin(Buffer.allocUnsafe(limit), 0, limit, {
      ...request,
      maxEntries: Math.max(request.maxEntries, 1),
      encoder,
    });
    for (let at = first; at < sorted.length && (end === null || sorted[at] < end); at++) {
      const key = Buffer.from(sorted[at], 'latin1');
      const record = this.#records.get(sorted[at])!;
      if (!page.add(key, 0, key.length, record, 0, record.length)) return new Page(page.bytes, page.at, key);
    }
    return new Page(page.bytes, page.at, null);
  }

  stats(): EngineStatus {
    return {
      estimatedKeys: this.#records.size,
      liveBytes: this.#bytes,
      diskBytes: 0,
      tablesByLevel: [],
      bytesByLevel: [],
      memtables: 1,
      memtableBytes: this.#bytes,
      cacheHits: 0,
      cacheMisses: 0,
      tableReadsByThread: { main: 0 },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #sorted(): string[] {
    this.#sortedKeys ??= [...this.#records.keys()].sort();
    return this.#sortedKeys;
  }
}

function closed(): ClosedError {
  return new ClosedError('The engine is closed');
}

function latin1(key: Uint8Array): string {
  return Buffer.prototype.latin1Slice.call(key, 0, key.length);
}

/** Index of the first key at or above `key`. */
function lowerBound(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
