/**
 * A StorageEngine that is a plain Map: no disk, no threads, and no copies that a Map does not need. A cluster over it
 * shows the cost of everything but the engine; tests use it where the engine is not the subject. Keys are kept as
 * latin1 strings, one character per byte, so that they sort as the bytes do.
 */
import {
  compareRecordVersions,
  Fingerprinter,
  type HashSeed,
  isTombstone,
  type KeyedRecord,
  type PageRequest,
  type ReadSink,
  recordFlags,
  recordFrom,
  recordTimestamp,
  recordWriter,
  SlotRows,
  type SlotVersions,
  slotOf,
  type WriteSink,
  WriteStatus,
} from '../../native-free-lsm/index.ts';
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

  readonly #fingerprinter: Fingerprinter;
  readonly #watermarks: Float64Array | null;

  /** @param records pass the same ones for a second opening of the same store */
  constructor(
    records: MapRecords = new Map(),
    fingerprintSeed: HashSeed = { low: 0, high: 0 },
    watermarks: SharedArrayBuffer | null = null,
  ) {
    this.#records = records;
    this.#fingerprinter = new Fingerprinter(fingerprintSeed);
    this.#watermarks = watermarks === null ? null : new Float64Array(watermarks);
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

  /** It takes nothing: every put costs the same here. */
  ingest(): Promise<null> {
    return Promise.resolve(null);
  }

  writeBatch(puts: readonly KeyedRecord[], sink: WriteSink, token: number): void {
    if (this.#closed) {
      sink.onWrite(token, WriteStatus.failed, 0, 0, closed());
      return;
    }
    const statuses = new Set<WriteStatus>();
    const heard: WriteSink = { onWrite: (_token, status) => void statuses.add(status) };
    for (const { key, record } of puts) this.write(key, record, heard, 0);
    const isStale = statuses.size > 0 && !statuses.has(WriteStatus.applied);
    sink.onWrite(token, isStale ? WriteStatus.stale : WriteStatus.applied, 0, 0, null);
  }

  /** It has no disk. */
  async sync(): Promise<void> {}

  purge(): void {
    const watermarks = this.#watermarks;
    if (watermarks === null) return;
    for (const [key, record] of this.#records) {
      if (
        !isTombstone(record, 0) ||
        recordTimestamp(record, 0) > watermarks[slotOf(Buffer.from(key, 'latin1'))]
      )
        continue;
      this.#records.delete(key);
      this.#bytes -= key.length + record.length;
      this.#sortedKeys = null;
    }
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

  async slotDigests(slots: Uint16Array, minFroms: Uint8Array, signal?: AbortSignal): Promise<Uint32Array> {
    signal?.throwIfAborted();
    const rowsOf = this.#rowsOf(new Set(slots));
    const sums = new Uint32Array(slots.length * 2);
    for (const [at, slot] of slots.entries())
      rowsOf.get(slot)?.fold(sums, at * 2, minFroms[at], this.#watermarks?.[slot] ?? 0);
    return sums;
  }

  async slotVersions(slot: number, signal?: AbortSignal): Promise<SlotVersions> {
    signal?.throwIfAborted();
    return (this.#rowsOf(new Set([slot])).get(slot) ?? new SlotRows()).versions();
  }

  async slotRecords(
    slot: number,
    fingerprints: Uint32Array,
    maxBytes: number,
    signal?: AbortSignal,
  ): Promise<KeyedRecord[]> {
    signal?.throwIfAborted();
    const keys = new Map<string, string>();
    this.#eachVersioned((name, { high, low }) => {
      if (high >>> 16 === slot) keys.set(`${high}-${low}`, name);
    });
    const found: KeyedRecord[] = [];
    let bytes = 0;
    for (let at = 0; at < fingerprints.length; at += 2) {
      const name = keys.get(`${fingerprints[at]}-${fingerprints[at + 1]}`);
      if (name === undefined) continue;
      const record = this.#records.get(name)!;
      bytes += name.length + record.length;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push({ key: Buffer.from(name, 'latin1'), record });
    }
    return found;
  }

  #rowsOf(slots: ReadonlySet<number>): Map<number, SlotRows> {
    const rowsOf = new Map<number, SlotRows>();
    this.#eachVersioned((_, { high, low }, record) => {
      const slot = high >>> 16;
      if (!slots.has(slot)) return;
      const rows = rowsOf.get(slot) ?? new SlotRows();
      rowsOf.set(slot, rows);
      const version = [recordTimestamp(record, 0), recordWriter(record, 0)] as const;
      rows.add(high, low, ...version, recordFrom(record, 0), recordFlags(record, 0), 0, 0);
    });
    return rowsOf;
  }

  /** Calls `take` for each record but those with `from` 0. */
  #eachVersioned(take: (name: string, fingerprint: Fingerprinter, record: Uint8Array) => void): void {
    for (const [name, record] of this.#records) {
      if (recordFrom(record, 0) === 0) continue;
      this.#fingerprinter.take(Buffer.from(name, 'latin1'), 0, name.length);
      take(name, this.#fingerprinter, record);
    }
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
