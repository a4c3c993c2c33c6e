import { bytesFault, keyFault, refuse, requireSink, signalFault } from '../arguments.ts';
import type { Page } from '../iterator/page.ts';
import { MAX_KEY_BYTES } from '../log/write-operation.ts';
import type { EngineOptions } from '../options.ts';
import type { ScanPageRequest } from '../threads/protocol/reader-messages.ts';
import { pageFault } from './page-checks.ts';
import type { ReadPath } from './read-path.ts';
import { answerRead, type InPlaceSink, type ReadSink } from './sinks.ts';
import type { Snapshots } from './snapshots.ts';
import type { SnapshotPoint, StoreSnapshot } from './store-snapshot.ts';
import type { SuperVersions } from './super-versions.ts';

/** The parts of a store that reads go through. */
interface ReadableParts {
  readonly options: EngineOptions;
  readonly superVersions: SuperVersions;
  readonly snapshots: Snapshots;
  readonly reads: ReadPath;
}

/** The reads of a store of records, whether it is written here or by another process. */
export class ReadableStore {
  readonly options: EngineOptions;
  readonly #superVersions: SuperVersions;
  readonly #snapshots: Snapshots;
  readonly #reads: ReadPath;

  constructor({ options, reads, snapshots, superVersions }: ReadableParts) {
    this.options = options;
    this.#superVersions = superVersions;
    this.#snapshots = snapshots;
    this.#reads = reads;
  }

  /** The newest record of a key, also when it is a tombstone. Answers during the call when memory holds the answer. */
  read(key: Uint8Array, sink: ReadSink, token: number): void {
    requireSink(sink, 'onRead', token);
    const fault = bytesFault('key', key);
    if (fault !== undefined) answerRead(sink, token, null, fault);
    else this.#reads.read(key, null, sink, token);
  }

  /** As `read`, of a snapshot; SNAPSHOT_EXPIRED when that was given up. */
  readAt(snapshot: StoreSnapshot, key: Uint8Array, sink: ReadSink, token: number): void {
    requireSink(sink, 'onRead', token);
    const fault = this.#snapshots.fault(snapshot) ?? bytesFault('key', key);
    if (fault !== undefined) answerRead(sink, token, null, fault);
    else this.#reads.read(key, snapshot.point as SnapshotPoint, sink, token);
  }

  /**
   * As `read`, but shows what memory holds where it lies, during the call: the cheapest read there is, as nothing is made
   * for it. What memory does not hold comes later, by `onRead`.
   * @param key bytes: that is not checked again
   * @param snapshot undefined: the newest state
   */
  readInPlace(key: Uint8Array, snapshot: StoreSnapshot | undefined, sink: InPlaceSink, token: number): void {
    const fault = snapshot === undefined ? undefined : this.#snapshots.fault(snapshot);
    if (fault !== undefined) answerRead(sink, token, null, fault);
    else if (key.length > MAX_KEY_BYTES) answerRead(sink, token, null, null);
    else this.#reads.readInPlace(key, snapshot?.point ?? null, sink, token);
  }

  /**
   * The newest record of a key, at once: what memory does not hold is read on the calling thread, which does nothing else
   * meanwhile.
   * @param snapshot left out: the newest state
   * @returns header and value in memory of its own; null when there is none
   * @throws LsmError INVALID_ARGUMENT, SNAPSHOT_EXPIRED, CLOSED, CORRUPTION, IO_ERROR
   */
  readSync(key: Uint8Array, snapshot?: StoreSnapshot): Uint8Array | null {
    refuse(bytesFault('key', key) ?? (snapshot === undefined ? undefined : this.#snapshots.fault(snapshot)));
    return this.#reads.readSync(key, snapshot?.point ?? null);
  }

  /**
   * As `readSync`, the value alone.
   * @param snapshot undefined: the newest state
   * @param nowMs what values end by
   * @returns memory of its own; undefined when there is none, or it is deleted or has ended
   * @throws LsmError INVALID_ARGUMENT, SNAPSHOT_EXPIRED, CLOSED, CORRUPTION, IO_ERROR
   */
  valueSync(
    key: Uint8Array,
    snapshot: StoreSnapshot | undefined,
    nowMs: () => number,
  ): Uint8Array | undefined {
    refuse(bytesFault('key', key) ?? (snapshot === undefined ? undefined : this.#snapshots.fault(snapshot)));
    return this.#reads.valueSync(key, snapshot?.point ?? null, nowMs);
  }

  /** About how many bytes the tables have for keys from `start` to before `end`; null: to the last key. */
  approximateSize(start: Uint8Array, end: Uint8Array | null): number {
    refuse(keyFault('start', start) ?? (end === null ? undefined : keyFault('end', end)));
    let bytes = 0;
    for (const tables of this.#superVersions.current.levels) {
      for (const table of tables) bytes += Math.max(0, table.bytesBefore(end) - table.bytesBefore(start));
    }
    return bytes;
  }

  /**
   * One page of a scan in key order, of the newest state when the page is read, or of a snapshot. Rejects with the
   * signal's reason as soon as that is aborted. Who reads much asks for large pages, of 1 MiB at most, and for the next
   * one, from `resumeAt` on, before he goes through what he has: a thread makes it meanwhile.
   */
  rangePage(request: ScanPageRequest, snapshot?: StoreSnapshot, signal?: AbortSignal): Promise<Page> {
    const fault =
      pageFault(request, this.options.entryEncoders.length) ??
      (snapshot === undefined ? undefined : this.#snapshots.fault(snapshot)) ??
      (signal === undefined ? undefined : signalFault('signal', signal));
    if (fault !== undefined) return Promise.reject(fault);
    return Promise.resolve(this.#reads.page(request, snapshot?.point ?? null, signal));
  }

  /**
   * As `rangePage`, at once when memory has the page. The request and the signal are not checked again.
   * @param snapshot undefined: the newest state
   * @throws LsmError CLOSED, INVALID_ARGUMENT, SNAPSHOT_EXPIRED
   */
  scanPage(
    request: ScanPageRequest,
    snapshot: StoreSnapshot | undefined,
    signal: AbortSignal | undefined,
  ): Page | Promise<Page> {
    if (snapshot !== undefined) refuse(this.#snapshots.fault(snapshot));
    return this.#reads.page(request, snapshot?.point ?? null, signal);
  }

  /**
   * As `scanPage`, at once in any case: what memory does not hold is read on the calling thread.
   * @throws LsmError CLOSED, INVALID_ARGUMENT, SNAPSHOT_EXPIRED, CORRUPTION, IO_ERROR
   */
  scanPageSync(request: ScanPageRequest, snapshot: StoreSnapshot | undefined): Page {
    if (snapshot !== undefined) refuse(this.#snapshots.fault(snapshot));
    return this.#reads.pageSync(request, snapshot?.point ?? null);
  }

  /**
   * A view of this moment, for as long as it is held. A bounded number of moments is kept; reads of one that was given up
   * fail with SNAPSHOT_EXPIRED.
   */
  snapshot(): StoreSnapshot {
    return this.#snapshots.take(this.#reads.currentPoint());
  }
}
