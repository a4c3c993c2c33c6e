import { LsmError } from '../errors.ts';
import type { Page } from '../iterator/page.ts';
import { MAX_KEY_BYTES } from '../log/write-operation.ts';
import type { TableSet } from '../sstable/table-set.ts';
import { toLsmError } from '../threads/protocol/errors.ts';
import type { ReadPoint, ScanPageRequest } from '../threads/protocol/reader-messages.ts';
import { type AskedRead, NO_KEY, NO_SINK } from './asked-read.ts';
import type { AskedReads } from './asked-reads.ts';
import type { CallerReads } from './caller-reads.ts';
import { copyOut, Reach } from './memory-search.ts';
import { PageCall } from './page-call.ts';
import { MAX_PAGE_ENTRIES } from './reader-channels.ts';
import { answerRead, type InPlaceSink, type ReadSink } from './sinks.ts';
import type { StartingReads } from './starting-reads.ts';
import type { SnapshotPoint } from './store-snapshot.ts';
import type { SuperVersions } from './super-versions.ts';
import { type WaitingRead, WaitingReads } from './waiting-reads.ts';

/** A read may be the reason why its thread died, so it is not asked again and again. */
const MAX_DEATHS = 3;

/**
 * Main's end of the read path. A read that memory can answer (memtables, filters, cached blocks) is answered in the
 * call. One that needs a block from disk is sent to a reader thread, with the place from which to continue, or read on
 * the calling thread where that is asked for, and for a moment after the opening, see StartingReads. Reads for which the
 * threads' rings have no room wait here in order, up to a bound; beyond it reads fail at once.
 */
export class ReadPath {
  readonly #superVersions: SuperVersions;
  readonly #caller: CallerReads;
  readonly #asked: AskedReads;
  readonly #starting: StartingReads;
  readonly #waiting: WaitingReads;
  readonly #maxPageBytes: number;
  #closed: LsmError | undefined;

  constructor(
    superVersions: SuperVersions,
    caller: CallerReads,
    asked: AskedReads,
    starting: StartingReads,
    maxWaitingBytes: number,
    maxPageBytes: number,
  ) {
    this.#superVersions = superVersions;
    this.#caller = caller;
    this.#asked = asked;
    this.#starting = starting;
    this.#waiting = new WaitingReads(maxWaitingBytes);
    this.#maxPageBytes = maxPageBytes;
  }

  get inFlight(): number {
    return this.#asked.count + this.#waiting.count;
  }

  /** @param snapshot null: the newest state */
  read(key: Uint8Array, snapshot: SnapshotPoint | null, sink: ReadSink, token: number): void {
    if (this.#closed !== undefined) answerRead(sink, token, null, this.#closed);
    // Such a key can neither be written nor sent to a reader.
    else if (key.length > MAX_KEY_BYTES) answerRead(sink, token, null, null);
    else this.#readOrWait(key, snapshot, sink, token, 0, this.#waiting.count === 0);
  }

  /**
   * As `read`, but shows what memory holds where it lies. `key` may not be longer than a key.
   * @param snapshot null: the newest state
   */
  readInPlace(key: Uint8Array, snapshot: SnapshotPoint | null, sink: InPlaceSink, token: number): void {
    if (this.#closed !== undefined) {
      answerRead(sink, token, null, this.#closed);
      return;
    }
    const { search } = this.#caller;
    const reach = this.#caller.find(key, snapshot);
    if (reach === Reach.found) sink.onRecord(token, search.bytes, search.start, search.end);
    else if (!this.#isAnswered(reach, sink, token))
      this.#goOn(reach, key, snapshot, sink, token, 0, this.#waiting.count === 0);
  }

  /**
   * Reads on the calling thread what memory does not hold.
   * @param snapshot null: the newest state
   * @throws LsmError CLOSED, CORRUPTION, IO_ERROR
   */
  readSync(key: Uint8Array, snapshot: SnapshotPoint | null): Uint8Array | null {
    if (this.#closed !== undefined) throw this.#closed;
    return this.#caller.record(key, snapshot);
  }

  /**
   * As `readSync`, the value alone: nothing else is copied.
   * @param nowMs what values end by
   * @returns undefined when there is none, or it is deleted or has ended
   * @throws LsmError CLOSED, CORRUPTION, IO_ERROR
   */
  valueSync(key: Uint8Array, snapshot: SnapshotPoint | null, nowMs: () => number): Uint8Array | undefined {
    if (this.#closed !== undefined) throw this.#closed;
    return this.#caller.value(key, snapshot, nowMs);
  }

  /** @param mayAsk whether it may be sent to a reader now; memory is searched in any case */
  #readOrWait(
    key: Uint8Array,
    snapshot: SnapshotPoint | null,
    sink: ReadSink,
    token: number,
    deaths: number,
    mayAsk: boolean,
  ): void {
    const reach = this.#caller.find(key, snapshot);
    if (!this.#isAnswered(reach, sink, token)) this.#goOn(reach, key, snapshot, sink, token, deaths, mayAsk);
  }

  /** Has the read done where memory could not answer it. */
  #goOn(
    reach: Reach,
    key: Uint8Array,
    snapshot: SnapshotPoint | null,
    sink: ReadSink,
    token: number,
    deaths: number,
    mayAsk: boolean,
  ): void {
    if (deaths === 0 && this.#starting.lasts()) {
      this.#answerHere(reach, key, snapshot, sink, token);
      return;
    }
    if (mayAsk && this.#ask(reach, key, snapshot, sink, token, deaths)) return;
    if (!this.#wait({ key, snapshot, sink, token, page: null, deaths }))
      answerRead(sink, token, null, TOO_MANY_READS);
  }

  #answerHere(
    reach: Reach,
    key: Uint8Array,
    snapshot: SnapshotPoint | null,
    sink: ReadSink,
    token: number,
  ): void {
    let record: Uint8Array | null = null;
    let failure: LsmError | null = null;
    try {
      if (this.#starting.run(() => this.#caller.findOnDisk(reach, key, snapshot)))
        record = this.#caller.search.copy();
    } catch (error) {
      failure = error as LsmError;
    }
    answerRead(sink, token, record, failure);
  }

  /**
   * Answers the read if memory could, or the search has failed; if not, the search is at the place from which a reader
   * thread must continue.
   */
  #isAnswered(reach: Reach, sink: ReadSink, token: number): boolean {
    if (reach === Reach.failed) {
      answerRead(sink, token, null, this.#caller.searchFailure);
      return true;
    }
    if (reach > Reach.absent) return false;
    if (reach === Reach.absent) answerRead(sink, token, null, null);
    else {
      const { bytes, end, start } = this.#caller.search;
      answerCopy(sink, token, bytes, start, end);
    }
    return true;
  }

  /**
   * Reads one page of a scan, from the newest state or from a snapshot; at once when memory has it. When the signal is
   * aborted the promise rejects at once, and the page is thrown away when it arrives.
   */
  page(
    request: ScanPageRequest,
    snapshot: SnapshotPoint | null,
    signal: AbortSignal | undefined,
  ): Page | Promise<Page> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const caller = this.#caller;
    let page: Page | null = null;
    try {
      if (!signal?.aborted) {
        page = caller.pageOfMemory(request, snapshot);
        // As for a get, but from the cache alone: a walk over more than that may take long.
        if (page === null && this.#starting.lasts())
          page = this.#starting.run(() => caller.pageOfCache(request, snapshot));
      }
    } catch (error) {
      return Promise.reject(error);
    }
    if (page !== null) {
      if (caller.missing.length > 0) this.#loadMissing(caller.tables(snapshot));
      return page;
    }
    const maxBytes = Math.min(Math.max(request.maxBytes, 1), this.#maxPageBytes);
    const maxEntries = Math.min(Math.max(request.maxEntries, 1), MAX_PAGE_ENTRIES);
    const call = new PageCall({ ...request, maxBytes, maxEntries }, snapshot, signal);
    if (!call.isGivenUp) this.#askPageOrWait(call, 0, this.#waiting.count === 0);
    this.#loadMissing(caller.tables(snapshot));
    return call.promise;
  }

  /**
   * As `page`, but what memory does not hold is read on the calling thread.
   * @param request without an encoder
   * @throws LsmError CLOSED, CORRUPTION, IO_ERROR
   */
  pageSync(request: ScanPageRequest, snapshot: SnapshotPoint | null): Page {
    if (this.#closed !== undefined) throw this.#closed;
    return this.#caller.page(request, snapshot);
  }

  /**
   * Has blocks loaded that pages from memory have needed again and again, so that the next scan of the same keys
   * crosses no thread: a reader makes pages without the cache. They come behind the page that was asked for, and what has
   * no room is left.
   */
  #loadMissing(tables: TableSet): void {
    const { missing } = this.#caller;
    // Those that wait come first.
    for (const block of missing) if (this.#waiting.count > 0 || !this.#asked.askBlock(tables, block)) break;
    missing.length = 0;
  }

  currentPoint(): ReadPoint {
    return this.#caller.currentPoint();
  }

  publish(): boolean {
    return this.#asked.publish();
  }

  drain(): void {
    this.#asked.drain();
    if (this.#waiting.count > 0) this.#askWaiting();
  }

  #wait(read: WaitingRead): boolean {
    if (!this.#waiting.add(read)) return false;
    // A request in a ring keeps the super-version of its snapshot alive, even when the snapshot is released. This read is
    // in no ring yet.
    if (read.snapshot !== null) this.#superVersions.hold(read.snapshot.superVersion);
    return true;
  }

  /**
   * Sends the reads whose turn has come. Each is taken out before it is answered, because its sink may read again, which
   * then waits behind the others, or close the store.
   */
  #askWaiting(): void {
    for (let read = this.#waiting.takeFirst(); read !== undefined; read = this.#waiting.takeFirst()) {
      const isDone = read.page === null ? this.#askAgain(read) : this.#askPage(read.page, read.deaths);
      if (!isDone) {
        this.#waiting.putBack(read);
        return;
      }
      if (read.snapshot !== null) this.#superVersions.letGoOnceAsked(read.snapshot.superVersion);
    }
  }

  /** Searches memory again, which may have the answer by now. Returns false when the rings have no room for it. */
  #askAgain({ key, snapshot, sink, token, deaths }: WaitingRead): boolean {
    const reach = this.#caller.find(key, snapshot);
    return this.#isAnswered(reach, sink, token) || this.#ask(reach, key, snapshot, sink, token, deaths);
  }

  /**
   * A reader thread has died: the reads that it had not answered are sent again, to another thread or to its successor.
   * A read with which MAX_DEATHS threads have died may be the reason, and is answered with WORKER_DIED.
   * @param cause with which the thread has died
   */
  retry(channelIndex: number, cause: Error): void {
    this.#takeOver(channelIndex, (read) => this.#survive(read, cause));
  }

  /**
   * The thread of a channel could not be started: the reads that it was to have are sent again, to another thread or for
   * the next attempt.
   * @param refusal there is no thread, and has been none for long: they are refused
   */
  pass(channelIndex: number, refusal: LsmError | undefined): void {
    if (refusal !== undefined) this.#refuse(this.#waiting.takeAll(), refusal);
    this.#takeOver(channelIndex, (read) => this.#askAnew(read, read.deaths, this.#closed ?? refusal));
  }

  /** @param go sends a read of that channel again, or answers it */
  #takeOver(channelIndex: number, go: (read: AskedRead) => void): void {
    // All are taken out before the first is sent again, because a sink that is called may read again.
    const reads = this.#asked.takeOf(channelIndex);
    // The dead thread's ring no longer keeps the super-versions of snapshots that were released. All of them are held
    // before the first sink is called, as it may release another snapshot.
    const held = new Set(reads.flatMap(({ snapshot }) => snapshot?.superVersion ?? []));
    for (const superVersion of held) this.#superVersions.hold(superVersion);
    for (const read of reads) go(read);
    for (const superVersion of held) this.#superVersions.letGoOnceAsked(superVersion);
    // Perhaps no answer will arrive any more that would start them.
    this.#askWaiting();
  }

  /** Sends a read again that a thread has died with. */
  #survive(read: AskedRead, cause: Error): void {
    const deaths = read.deaths + 1;
    // The sink of an earlier read may have closed the store.
    const error = this.#closed ?? (deaths < MAX_DEATHS ? undefined : threadsDied(cause));
    this.#askAnew(read, deaths, error);
  }

  /** @param error with which it is answered */
  #askAnew(read: AskedRead, deaths: number, error: LsmError | undefined): void {
    const { key, page, sink, snapshot, token } = read;
    if (page === null) {
      if (error === undefined) this.#readOrWait(key, snapshot, sink, token, deaths, true);
      else answerRead(sink, token, null, error);
    } else if (error !== undefined) page.reject(error);
    else if (!page.isGivenUp) this.#askPageOrWait(page, deaths, true);
  }

  /** Fails all reads under way, of which no thread has seen any: nothing was published. Later ones may go well. */
  withdraw(error: LsmError): void {
    const asked = this.#asked.withdraw();
    const waiting = this.#waiting.takeAll();
    failReads(asked, error);
    this.#refuse(waiting, error);
  }

  /** Fails reads that waited for room. */
  #refuse(waiting: readonly WaitingRead[], error: LsmError): void {
    for (const { snapshot } of waiting)
      if (snapshot !== null) this.#superVersions.unpin(snapshot.superVersion);
    failReads(waiting, error);
  }

  close(error: LsmError): void {
    this.#closed = error;
    failReads([...this.#asked.takeAll(), ...this.#waiting.takeAll()], error);
  }

  /**
   * Sends a read to a reader, which continues where the search is.
   * @returns false when the rings have no room for it
   */
  #ask(
    reach: Reach,
    key: Uint8Array,
    snapshot: SnapshotPoint | null,
    sink: ReadSink,
    token: number,
    deaths: number,
  ): boolean {
    const { cover, lookup } = this.#caller.search;
    const isContinued = reach === Reach.missingBlock;
    return this.#asked.ask(lookup, isContinued, cover, key, snapshot, sink, token, deaths);
  }

  #askPageOrWait(page: PageCall, deaths: number, mayAsk: boolean): void {
    if (mayAsk && this.#askPage(page, deaths)) return;
    const read = { key: NO_KEY, snapshot: page.snapshot, sink: NO_SINK, token: 0, page, deaths };
    if (!this.#wait(read)) page.reject(TOO_MANY_READS);
  }

  /** Returns false when the rings have no room for it. */
  #askPage(page: PageCall, deaths: number): boolean {
    if (page.isGivenUp) return true;
    return this.#asked.askPage(page, page.snapshot ?? this.#caller.currentPoint(), deaths);
  }
}

function threadsDied(cause: Error): LsmError {
  const what = `${MAX_DEATHS} reader threads died one after another with this read in hand`;
  return new LsmError('WORKER_DIED', `${what} (the last one: ${cause.message}): try again later`, { cause });
}

const TOO_MANY_READS = new LsmError(
  'OVERLOADED',
  'too many reads are waiting for the disk: try again later, or raise maxQueuedReadBytes',
);

/** Answers with a record in memory of its own. */
function answerCopy(sink: ReadSink, token: number, bytes: Uint8Array, start: number, end: number): void {
  let record: Uint8Array | null = null;
  let failure: LsmError | null = null;
  try {
    record = copyOut(bytes, start, end);
  } catch (error) {
    failure = toLsmError(error, 'answering a read');
  }
  answerRead(sink, token, record, failure);
}

function failReads(reads: readonly Pick<WaitingRead, 'page' | 'sink' | 'token'>[], error: LsmError): void {
  for (const { page, sink, token } of reads) {
    if (page === null) answerRead(sink, token, null, error);
    else page.reject(error);
  }
}
