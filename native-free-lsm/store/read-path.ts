import type { BlockCache } from '../cache/block-cache.ts';
import type { KeyCache } from '../cache/key-cache.ts';
import { CallTable } from '../call-table.ts';
import { LsmError } from '../errors.ts';
import { frameLength, frameTag, nextFrame, payloadStart } from '../format/frame.ts';
import type { HashSeed } from '../format/hash.ts';
import type { Page } from '../iterator/page.ts';
import { MAX_KEY_BYTES } from '../log/write-operation.ts';
import { isDamage } from '../sstable/damage.ts';
import type { TableLookup, TableSet } from '../sstable/table-set.ts';
import { decodeError, toLsmError } from '../threads/protocol/errors.ts';
import {
  AnswerStatus,
  BLOCK_LOAD_BYTES,
  continuedReadBytes,
  decodeAnswer,
  encodeBlockLoad,
  encodeContinuedRead,
  encodePageRequest,
  encodeRead,
  pageRequestBytes,
  ReaderAnswer,
  type ReadPoint,
  readBytes,
  type ScanPageRequest,
} from '../threads/protocol/reader-messages.ts';
import type { Arenas } from './arenas.ts';
import { AskedRead, MAX_ASKED_READS, NO_KEY, NO_SINK } from './asked-read.ts';
import type { BlockingReads } from './blocking-reads.ts';
import { MemoryPages, type PagePoint } from './memory-pages.ts';
import { copyOut, isHidden, MemorySearch, Reach } from './memory-search.ts';
import { PageCall } from './page-call.ts';
import { PageMemory } from './page-memory.ts';
import type { ReaderChannel } from './reader-channel.ts';
import { MAX_PAGE_ENTRIES } from './reader-channels.ts';
import { answerRead, type InPlaceSink, type ReadSink } from './sinks.ts';
import type { StartingReads } from './starting-reads.ts';
import type { SnapshotPoint } from './store-snapshot.ts';
import type { SuperVersions } from './super-versions.ts';
import { type WaitingRead, WaitingReads } from './waiting-reads.ts';

const MAX_RUN_BYTES = 0x7fffffff;
/** So often a page that is read on the calling thread has blocks put into the cache. */
const MAX_TRIES = 4;
/** So many reads of one turn are sent at once, so that a reader is at work while the next ones are looked for in memory. */
const READS_AT_ONCE = 8;
/** A read may be the reason why its thread died, so it is not asked again and again. */
const MAX_DEATHS = 3;

interface ReadEvents {
  /** A read was put into a ring, and must be published by the end of the turn. */
  onQueued(): void;
  /** Requests were put into a ring that are to be published at once. */
  onUrgent(): void;
  /** A reader has met damage. */
  onDamage(error: LsmError): void;
}

/**
 * Main's end of the read path. A read that memory can answer (memtables, filters, cached blocks) is answered in the
 * call. One that needs a block from disk is sent to a reader thread, with the place from which to continue, or read on
 * the calling thread where that is asked for, and for a moment after the opening, see StartingReads. Reads for which the
 * threads' rings have no room wait here in order, up to a bound; beyond it reads fail at once.
 */
export class ReadPath {
  readonly #arenas: Arenas;
  readonly #superVersions: SuperVersions;
  readonly #cache: BlockCache;
  readonly #channels: readonly ReaderChannel[];
  readonly #maxPageBytes: number;
  readonly #events: ReadEvents;
  readonly #search: MemorySearch;
  readonly #asked = new CallTable<AskedRead>();
  readonly #answer = new ReaderAnswer();
  readonly #pageMemory = new PageMemory();
  readonly #waiting: WaitingReads;
  readonly #blocking: BlockingReads;
  readonly #starting: StartingReads;
  readonly #pages: MemoryPages;
  /** How many of the reads that were asked for are blocks for the cache. */
  #blockLoads = 0;
  /** Reads that were put into rings since these were published. */
  #queued = 0;
  #closed: LsmError | undefined;
  /** Why the last search that failed did. */
  #searchFailure: LsmError | null = null;

  constructor(
    arenas: Arenas,
    superVersions: SuperVersions,
    cache: BlockCache,
    keys: KeyCache,
    channels: readonly ReaderChannel[],
    blocking: BlockingReads,
    starting: StartingReads,
    hashSeed: HashSeed,
    maxWaitingBytes: number,
    maxPageBytes: number,
    events: ReadEvents,
  ) {
    this.#arenas = arenas;
    this.#superVersions = superVersions;
    this.#cache = cache;
    this.#channels = channels;
    this.#blocking = blocking;
    this.#starting = starting;
    this.#search = new MemorySearch(arenas, cache, keys, hashSeed);
    this.#pages = new MemoryPages(arenas, cache);
    this.#waiting = new WaitingReads(maxWaitingBytes);
    this.#maxPageBytes = maxPageBytes;
    this.#events = events;
  }

  get inFlight(): number {
    return this.#asked.count - this.#blockLoads + this.#waiting.count;
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
    const search = this.#search;
    const reach = this.#find(key, snapshot);
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
    if (key.length > MAX_KEY_BYTES) return null;
    const reach = this.#findHere(key, snapshot);
    if (reach === Reach.found) return this.#search.copy();
    return reach !== Reach.absent && this.#readHere(reach, key, snapshot) ? this.#search.copy() : null;
  }

  /**
   * As `readSync`, the value alone: nothing else is copied.
   * @param nowMs what values end by
   * @returns undefined when there is none, or it is deleted or has ended
   * @throws LsmError CLOSED, CORRUPTION, IO_ERROR
   */
  valueSync(key: Uint8Array, snapshot: SnapshotPoint | null, nowMs: () => number): Uint8Array | undefined {
    if (this.#closed !== undefined) throw this.#closed;
    if (key.length > MAX_KEY_BYTES) return undefined;
    const reach = this.#findHere(key, snapshot);
    if (reach === Reach.found) return this.#search.copyValue(nowMs);
    if (reach === Reach.absent || !this.#readHere(reach, key, snapshot)) return undefined;
    return this.#search.copyValue(nowMs);
  }

  /**
   * Goes on where the lookup is, on the calling thread. What it finds is where the search says.
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  #readHere(reach: Reach, key: Uint8Array, snapshot: SnapshotPoint | null): boolean {
    try {
      const blocking = this.#blocking;
      const search = this.#search;
      const { cover, lookup } = search;
      const isFound =
        reach === Reach.missingBlock
          ? blocking.continue(lookup, key)
          : blocking.newest(lookup, this.#tables(snapshot), key);
      if (!isFound || isHidden(blocking.bytes, blocking.start, cover)) return false;
      search.bytes = blocking.bytes;
      search.start = blocking.start;
      search.end = blocking.end;
      return true;
    } catch (error) {
      throw this.#failureHere(error);
    }
  }

  /** What was thrown as a table was read on the calling thread. */
  #failureHere(error: unknown): LsmError {
    const failure = toLsmError(error, 'reading a table');
    if (isDamage(failure)) this.#events.onDamage(failure);
    return failure;
  }

  #tables(snapshot: SnapshotPoint | null): TableSet {
    return snapshot === null ? this.#superVersions.current : snapshot.superVersion.tables;
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
    const reach = this.#find(key, snapshot);
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
      if (this.#starting.run(() => this.#readHere(reach, key, snapshot))) record = this.#search.copy();
    } catch (error) {
      failure = error as LsmError;
    }
    answerRead(sink, token, record, failure);
  }

  /** How far memory goes. It fails where a table is not loaded yet, and cannot be. */
  #find(key: Uint8Array, snapshot: SnapshotPoint | null): Reach {
    try {
      return this.#search.find(key, snapshot, this.#tables(snapshot));
    } catch (error) {
      this.#searchFailure = this.#failureHere(error);
      return Reach.failed;
    }
  }

  /** As `#find`, for whoever may throw. */
  #findHere(key: Uint8Array, snapshot: SnapshotPoint | null): Reach {
    const reach = this.#find(key, snapshot);
    if (reach === Reach.failed) throw this.#searchFailure;
    return reach;
  }

  /**
   * Answers the read if memory could, or the search has failed; if not, the search is at the place from which a reader
   * thread must continue.
   */
  #isAnswered(reach: Reach, sink: ReadSink, token: number): boolean {
    if (reach === Reach.failed) {
      answerRead(sink, token, null, this.#searchFailure);
      return true;
    }
    if (reach > Reach.absent) return false;
    if (reach === Reach.absent) answerRead(sink, token, null, null);
    else answerCopy(sink, token, this.#search.bytes, this.#search.start, this.#search.end);
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
    let page: Page | null = null;
    try {
      const point = this.#pagePoint(snapshot);
      if (!signal?.aborted) {
        page = this.#pages.read(request, point);
        // As for a get, but from the cache alone: a walk over more than that may take long.
        if (page === null && this.#starting.lasts())
          page = this.#starting.run(() => this.#pageOfMissing(request, point));
      }
    } catch (error) {
      return Promise.reject(this.#failureHere(error));
    }
    if (page !== null) {
      if (this.#pages.missing.length > 0) this.#loadMissing(this.#tables(snapshot));
      return page;
    }
    const maxBytes = Math.min(Math.max(request.maxBytes, 1), this.#maxPageBytes);
    const maxEntries = Math.min(Math.max(request.maxEntries, 1), MAX_PAGE_ENTRIES);
    const call = new PageCall({ ...request, maxBytes, maxEntries }, snapshot, signal);
    if (!call.isGivenUp) this.#askPageOrWait(call, 0, this.#waiting.count === 0);
    this.#loadMissing(this.#tables(snapshot));
    return call.promise;
  }

  /**
   * As `page`, but what memory does not hold is read on the calling thread.
   * @param request without an encoder
   * @throws LsmError CLOSED, CORRUPTION, IO_ERROR
   */
  pageSync(request: ScanPageRequest, snapshot: SnapshotPoint | null): Page {
    if (this.#closed !== undefined) throw this.#closed;
    const point = this.#pagePoint(snapshot);
    try {
      const page = this.#pages.read(request, point) ?? this.#pageOfMissing(request, point);
      this.#pages.missing.length = 0;
      return page ?? this.#blocking.pages.read(request, point);
    } catch (error) {
      throw this.#failureHere(error);
    }
  }

  /**
   * A page that memory does not have, once the blocks that deserve a place in the cache are there; null: others are
   * missing then.
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  #pageOfMissing(request: ScanPageRequest, point: PagePoint): Page | null {
    let page: Page | null = null;
    for (let tries = 0; page === null && tries < MAX_TRIES && this.#cacheMissing(); tries++)
      page = this.#pages.read(request, point);
    return page;
  }

  /** Reads the blocks that a page has missed into the cache; false: that did not give all of them. */
  #cacheMissing(): boolean {
    const { missing } = this.#pages;
    return (
      missing.length > 0 && missing.every(({ ordinal, reader }) => this.#blocking.cacheBlock(reader, ordinal))
    );
  }

  /**
   * Has blocks loaded that pages from memory have needed again and again, so that the next scan of the same keys
   * crosses no thread: a reader makes pages without the cache. They come behind the page that was asked for, and what has
   * no room is left.
   */
  #loadMissing({ id, levels }: TableSet): void {
    for (const { ordinal, reader } of this.#pages.missing) {
      if (this.#asked.count === MAX_ASKED_READS || this.#waiting.count > 0) break;
      const level = levels.findIndex((readers) => readers.includes(reader));
      const channel = this.#pickChannel();
      const { requests } = this.#channels[channel];
      const at = requests.reserve(BLOCK_LOAD_BYTES);
      if (at === -1) break;
      const cacheSlot = this.#cache.reserve(reader.metadata.id, ordinal, reader.blockMemoryBytes(ordinal));
      if (cacheSlot === -1) continue;
      const index = levels[level].indexOf(reader);
      encodeBlockLoad(requests.bytes, at, id, level, index, ordinal, this.#cache.dataStart(cacheSlot));
      const read = this.#asked.reuse() ?? new AskedRead();
      read.clear();
      read.channel = channel;
      read.cacheSlot = cacheSlot;
      requests.push(this.#asked.add(read));
      this.#blockLoads++;
      this.#events.onQueued();
    }
    this.#pages.missing.length = 0;
  }

  #pagePoint(snapshot: SnapshotPoint | null): PagePoint {
    const tables = this.#tables(snapshot);
    const { generation, limit } = snapshot ?? this.currentPoint();
    return { tables, generation, limit };
  }

  currentPoint(): ReadPoint {
    const generation = this.#arenas.activeGeneration;
    const limit = this.#arenas.memtable(generation).publishedOffset;
    return { superVersionId: this.#superVersions.current.id, generation, limit };
  }

  publish(): boolean {
    let published = false;
    this.#queued = 0;
    for (const channel of this.#channels) published = channel.requests.publish() || published;
    return published;
  }

  drain(): void {
    for (const channel of this.#channels) {
      const responses = channel.responses;
      while (responses.nextRun(MAX_RUN_BYTES)) {
        const { bytes, runStart, runEnd } = responses;
        for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) this.#onFrame(bytes, at);
        responses.release();
      }
    }
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
    const reach = this.#find(key, snapshot);
    return this.#isAnswered(reach, sink, token) || this.#ask(reach, key, snapshot, sink, token, deaths);
  }

  /**
   * A reader thread has died: the reads that it had not answered are sent again, to another thread or to its successor.
   * A read with which MAX_DEATHS threads have died may be the reason, and is answered with WORKER_DIED.
   * @param cause with which the thread has died
   */
  retry(channelIndex: number, cause: Error): void {
    // All are taken out before the first is sent again, because a sink that is called may read again.
    const reads = this.#asked.takeWhere(isAskedOf, channelIndex);
    // The dead thread's ring no longer keeps the super-versions of snapshots that were released. All of them are held
    // before the first sink is called, as it may release another snapshot.
    const held = new Set(reads.flatMap(({ snapshot }) => snapshot?.superVersion ?? []));
    for (const superVersion of held) this.#superVersions.hold(superVersion);
    for (const { cacheSlot } of reads) if (cacheSlot >= 0) this.#cache.cancel(cacheSlot);
    for (const read of reads) {
      // A block for the cache is wanted by nobody in particular.
      if (read.isBlockLoad) this.#blockLoads--;
      else this.#survive(read, cause);
    }
    for (const superVersion of held) this.#superVersions.letGoOnceAsked(superVersion);
    // Perhaps no answer will arrive any more that would start them.
    this.#askWaiting();
  }

  /** Sends a read again that a thread has died with. */
  #survive({ key, snapshot, sink, token, page, deaths: deathsBefore }: AskedRead, cause: Error): void {
    const deaths = deathsBefore + 1;
    // The sink of an earlier read may have closed the store.
    const error = this.#closed ?? (deaths < MAX_DEATHS ? undefined : threadsDied(cause));
    if (page === null) {
      if (error === undefined) this.#readOrWait(key, snapshot, sink, token, deaths, true);
      else answerRead(sink, token, null, error);
    } else if (error !== undefined) page.reject(error);
    else if (!page.isGivenUp) this.#askPageOrWait(page, deaths, true);
  }

  /** Fails all reads under way, of which no thread has seen any: nothing was published. Later ones may go well. */
  withdraw(error: LsmError): void {
    this.#queued = 0;
    this.#blockLoads = 0;
    for (const { requests } of this.#channels) requests.withdraw();
    const asked = this.#asked.takeAll();
    const waiting = this.#waiting.takeAll();
    for (const { cacheSlot } of asked) if (cacheSlot >= 0) this.#cache.cancel(cacheSlot);
    for (const { snapshot } of waiting)
      if (snapshot !== null) this.#superVersions.unpin(snapshot.superVersion);
    failReads([...asked, ...waiting], error);
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
    if (this.#asked.count === MAX_ASKED_READS) return false;
    const channel = this.#pickChannel();
    const { requests } = this.#channels[channel];
    const isContinued = reach === Reach.missingBlock;
    const at = requests.reserve(isContinued ? continuedReadBytes(key.length) : readBytes(key.length));
    if (at === -1) return false;
    const { bytes } = requests;
    const { lookup } = this.#search;
    const { hash, superVersionId, level, index, ordinal } = lookup;
    const cacheSlot = isContinued ? this.#reserveCacheSlot(lookup) : -1;
    if (isContinued) {
      const cacheStart = cacheSlot === -1 ? -1 : this.#cache.dataStart(cacheSlot);
      encodeContinuedRead(bytes, at, superVersionId, hash, level, index, ordinal, cacheStart, key);
    } else encodeRead(bytes, at, superVersionId, hash, key);
    const read = this.#asked.reuse() ?? new AskedRead();
    read.key = key;
    read.snapshot = snapshot;
    read.sink = sink;
    read.token = token;
    read.cover = this.#search.cover;
    read.page = null;
    read.deaths = deaths;
    read.channel = channel;
    read.cacheSlot = cacheSlot;
    requests.push(this.#asked.add(read));
    if (++this.#queued % READS_AT_ONCE === 0) this.#events.onUrgent();
    else this.#events.onQueued();
    return true;
  }

  /** -1: the block gets no place. */
  #reserveCacheSlot({ reader, ordinal }: TableLookup): number {
    const { id } = reader.metadata;
    if (!this.#cache.deserves(id, ordinal)) return -1;
    return this.#cache.reserve(id, ordinal, reader.blockMemoryBytes(ordinal));
  }

  #askPageOrWait(page: PageCall, deaths: number, mayAsk: boolean): void {
    if (mayAsk && this.#askPage(page, deaths)) return;
    const read = { key: NO_KEY, snapshot: page.snapshot, sink: NO_SINK, token: 0, page, deaths };
    if (!this.#wait(read)) page.reject(TOO_MANY_READS);
  }

  /** Returns false when the rings have no room for it. */
  #askPage(page: PageCall, deaths: number): boolean {
    if (page.isGivenUp) return true;
    if (this.#asked.count === MAX_ASKED_READS) return false;
    const channel = this.#pickChannel();
    const { requests } = this.#channels[channel];
    const at = requests.reserve(pageRequestBytes(page.request));
    if (at === -1) return false;
    encodePageRequest(requests.bytes, at, page.snapshot ?? this.currentPoint(), page.request);
    const read = this.#asked.reuse() ?? new AskedRead();
    read.clear();
    read.snapshot = page.snapshot;
    read.page = page;
    read.deaths = deaths;
    read.channel = channel;
    requests.push(this.#asked.add(read));
    this.#events.onUrgent();
    return true;
  }

  #pickChannel(): number {
    let best = 0;
    for (let channel = 1; channel < this.#channels.length; channel++) {
      if (this.#channels[channel].queued < this.#channels[best].queued) best = channel;
    }
    return best;
  }

  #onFrame(bytes: Uint8Array, frame: number): void {
    const tag = frameTag(bytes, frame);
    const read = this.#asked.find(tag);
    if (read === undefined) return;
    const { page, sink, token, cacheSlot, cover, isBlockLoad } = read;
    if (isBlockLoad) this.#blockLoads--;
    read.clear();
    this.#asked.free(tag);
    const answer = this.#answer;
    const start = payloadStart(frame);
    try {
      decodeAnswer(bytes, start, start + frameLength(bytes, frame), answer);
      if (page !== null) this.#onPageAnswer(page, bytes, answer);
      else this.#onReadAnswer(sink, token, cacheSlot, cover, bytes, answer);
    } catch (error) {
      // Most likely there was no memory for it. The answers behind it are those of others.
      failReads([{ page, sink, token }], toLsmError(error, 'taking an answer'));
    }
  }

  #onPageAnswer(page: PageCall, bytes: Uint8Array, answer: ReaderAnswer): void {
    if (page.isGivenUp) return;
    if (answer.status === AnswerStatus.failed) page.reject(this.#failure(bytes, answer));
    else page.resolve(this.#pageMemory.page(bytes, answer));
  }

  #onReadAnswer(
    sink: ReadSink,
    token: number,
    cacheSlot: number,
    cover: number,
    bytes: Uint8Array,
    answer: ReaderAnswer,
  ): void {
    if (cacheSlot >= 0) {
      if (answer.isCached) this.#cache.publish(cacheSlot);
      else this.#cache.cancel(cacheSlot);
    }
    const { status, bodyStart, bodyEnd } = answer;
    const isFound = status === AnswerStatus.found;
    if (isFound && !isHidden(bytes, bodyStart, cover))
      answerRead(sink, token, copyOut(bytes, bodyStart, bodyEnd), null);
    else if (isFound || status === AnswerStatus.absent) answerRead(sink, token, null, null);
    else answerRead(sink, token, null, this.#failure(bytes, answer));
  }

  #failure(bytes: Uint8Array, { bodyStart, bodyEnd }: ReaderAnswer): LsmError {
    const error = decodeError(bytes, bodyStart, bodyEnd);
    if (isDamage(error)) this.#events.onDamage(error);
    return error;
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

function isAskedOf({ channel }: AskedRead, index: number): boolean {
  return channel === index;
}
