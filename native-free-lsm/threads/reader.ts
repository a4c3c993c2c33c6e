import { BlockCacheReader } from '../cache/block-cache-reader.ts';
import { LsmError } from '../errors.ts';
import { ownBytes } from '../format/copy.ts';
import { frameTag, payloadStart } from '../format/frame.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { MAX_KEY_BYTES } from '../log/write-operation.ts';
import { arenaOfGeneration, ControlWord } from '../shared/control.ts';
import { RingConsumer, RingProducer } from '../shared/ring.ts';
import type { WaitRecorder } from '../shared/wait-recorder.ts';
import { WaitSiteId } from '../shared/wait-sites.ts';
import { type BlockHit, searchBlock } from '../sstable/block.ts';
import { BlockLoader } from '../sstable/block-loader.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { LostVersions } from '../sstable/lost-versions.ts';
import { QuarantineLookup } from '../sstable/quarantine-lookup.ts';
import { TableLookup, type TableSet } from '../sstable/table-set.ts';
import { EntryEncoders } from './entry-encoders.ts';
import { PageMaker } from './page-maker.ts';
import { encodeError, toLsmError } from './protocol/errors.ts';
import type { ReaderInit } from './protocol/posted-messages.ts';
import {
  AnswerStatus,
  answerBytes,
  BlockLoadRequest,
  decodeBlockLoad,
  decodePageRequest,
  decodeRead,
  encodeAnswer,
  encodePageAnswer,
  PointedPageRequest,
  pageEntriesStart,
  ReaderRequestKind,
  ReadRequest,
  readerRequestKind,
} from './protocol/reader-messages.ts';
import { type Inbox, SuperVersionTracker } from './super-version-tracker.ts';

/**
 * Searches the disk in a thread of its own: for single keys that memory could not answer, and for pages of scans. It
 * keeps no state between requests, so that another reader can take over when its thread dies. `step` never blocks.
 */
export class ReaderRole {
  readonly #words: Int32Array;
  readonly #requests: RingConsumer;
  readonly #responses: RingProducer;
  readonly #descriptors: DescriptorCache;
  readonly #tracker: SuperVersionTracker;
  readonly #loader: BlockLoader;
  readonly #cache: BlockCacheReader;
  readonly #lookup: TableLookup;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };
  readonly #quarantine: QuarantineLookup;
  readonly #pages: PageMaker;
  readonly #readRequest = new ReadRequest();
  readonly #pageRequest = new PointedPageRequest();
  readonly #blockLoadRequest = new BlockLoadRequest();
  readonly #encoders: EntryEncoders;

  constructor(init: ReaderInit, fs: FileSystem, inbox: Inbox) {
    this.#words = new Int32Array(init.control);
    this.#responses = new RingProducer(init.responses, { words: this.#words, index: ControlWord.doorbell });
    this.#descriptors = new DescriptorCache(fs, init.options.maxOpenFilesPerThread);
    this.#tracker = new SuperVersionTracker(init.control, init.arenas, inbox, this.#descriptors);
    this.#loader = new BlockLoader(fs, this.#descriptors, this.#words, init.thread);
    this.#lookup = new TableLookup(init.hashSeed);
    this.#quarantine = new QuarantineLookup(this.#loader, new LostVersions(fs, this.#descriptors));
    this.#cache = new BlockCacheReader(init.cache);
    this.#pages = new PageMaker(fs, this.#words, this.#descriptors, this.#cache, (generation) =>
      this.#tracker.memtable(arenaOfGeneration(this.#words, generation)),
    );
    this.#encoders = new EntryEncoders(init.options.entryEncoders);
    // The last of all: main sees by it that there is a reader.
    this.#requests = new RingConsumer(init.requests);
  }

  get finished(): boolean {
    // Main itself answers the requests that are still in the ring when it stops the readers.
    return Atomics.load(this.#words, ControlWord.stop) === 1;
  }

  /** A reader never has anything to do without a request. */
  get dueMs(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** What it waits for when `step` has nothing to do. */
  get waitSite(): WaitSiteId {
    return this.#requests.empty ? WaitSiteId.requests : WaitSiteId.answerRoom;
  }

  /** Follows main to newer super-versions, so that it lets go of tables though nobody asks for anything. */
  follow(): void {
    this.#tracker.refresh();
  }

  close(): void {
    this.#descriptors.closeAll();
  }

  /**
   * Answers the requests in the ring, up to the first page. It returns false when there was none, or no room for an
   * answer. An answer is published only after its request was released: when main sees an answer it frees what the
   * request held, pushes the requests that wait for room, and may never be woken again.
   */
  step(): boolean {
    let worked = false;
    // One frame per run, because a request is released when it is answered, and not before.
    while (this.#requests.nextRun(1)) {
      this.#tracker.refresh();
      const { bytes, runStart } = this.#requests;
      const kind = readerRequestKind(bytes, payloadStart(runStart));
      if (!this.#answer(kind, runStart)) break;
      this.#requests.release();
      worked = true;
      // Main can then work on the page while the thread answers other requests. And it asks for the next page meanwhile:
      // a thread that has other roles as well would never come to them.
      if (kind === ReaderRequestKind.page) break;
    }
    this.#responses.publish();
    this.#descriptors.trim();
    return worked;
  }

  /** @param waits of the thread that waits */
  waitForRequests(waits: WaitRecorder): void {
    const site = this.waitSite;
    const began = waits.begin(site);
    if (site === WaitSiteId.requests) this.#requests.wait(1000);
    else this.#responses.waitForRoom(100);
    waits.end(site, began);
    if (site === WaitSiteId.requests) this.follow();
  }

  /** Returns false when there is no room for the answer now. */
  #answer(kind: number, frame: number): boolean {
    const at = payloadStart(frame);
    const tag = frameTag(this.#requests.bytes, frame);
    try {
      switch (kind) {
        case ReaderRequestKind.continuedRead:
        case ReaderRequestKind.read:
          return this.#read(at, tag);
        case ReaderRequestKind.page:
          return this.#readPage(at, tag);
        case ReaderRequestKind.blockLoad:
          return this.#loadBlock(at, tag);
        default:
          return true;
      }
    } catch (error) {
      const body = encodeError(toLsmError(error, 'reading a table'));
      return this.#respond(tag, AnswerStatus.failed, false, body);
    }
  }

  #read(at: number, tag: number): boolean {
    const { bytes } = this.#requests;
    const request = this.#readRequest;
    decodeRead(bytes, at, request);
    const { keyStart, keyEnd } = request;
    const tables = this.#tableSet(request.superVersionId);
    const lookup = this.#lookup;
    lookup.begin(tables, bytes, keyStart, keyEnd, request.hash);
    if (!request.isContinued) return this.#readNewest(tag, tables, bytes, keyStart, keyEnd);
    lookup.resume(request.level, request.index, request.ordinal);
    const { cacheStart } = request;
    const hit = this.#hit;
    const cache = this.#cache;
    let isCached = false;
    do {
      let block: Uint8Array;
      let start = 0;
      let end: number;
      if (cacheStart >= 0 && !isCached) {
        // Main has reserved a place in the cache for the first block.
        start = cacheStart;
        block = cache.bytes;
        end = this.#loader.loadInto(lookup.reader, lookup.ordinal, block, start);
        isCached = true;
      } else if (cache.find(lookup.reader.metadata.id, lookup.ordinal)) {
        block = cache.bytes;
        start = cache.dataStart;
        end = cache.dataEnd;
      } else {
        end = this.#loader.loadForNow(lookup.reader, lookup.ordinal);
        block = this.#loader.lent;
      }
      if (searchBlock(block, start, end, bytes, keyStart, keyEnd, hit)) {
        return this.#respond(tag, AnswerStatus.found, isCached, block, hit.recordStart, hit.recordEnd);
      }
    } while (lookup.next());
    return this.#respond(tag, AnswerStatus.absent, isCached, bytes, 0, 0);
  }

  /** Finds the first hit in the levels, or a newer record in a table in quarantine. */
  #readNewest(tag: number, tables: TableSet, key: Uint8Array, keyStart: number, keyEnd: number): boolean {
    const lookup = this.#lookup;
    const hit = this.#hit;
    let found: Uint8Array | undefined;
    while (found === undefined && lookup.next()) {
      const end = this.#loader.load(lookup.reader, lookup.ordinal);
      const block = this.#loader.scratch;
      if (searchBlock(block, 0, end, key, keyStart, keyEnd, hit))
        found = ownBytes(block, hit.recordStart, hit.recordEnd);
    }
    const newest = this.#quarantine.newest(tables, key, keyStart, keyEnd, found);
    if (this.#quarantine.lost !== undefined) throw this.#quarantine.lost;
    if (newest === undefined) return this.#respond(tag, AnswerStatus.absent, false, key, 0, 0);
    return this.#respond(tag, AnswerStatus.found, false, newest);
  }

  /** Fills the place in the cache that main has reserved for a block. */
  #loadBlock(at: number, tag: number): boolean {
    const { bytes } = this.#requests;
    const request = this.#blockLoadRequest;
    decodeBlockLoad(bytes, at, request);
    const { cacheStart, index, level, ordinal } = request;
    const reader = this.#tableSet(request.superVersionId).levels[level][index];
    this.#loader.loadInto(reader, ordinal, this.#cache.bytes, cacheStart);
    return this.#respond(tag, AnswerStatus.absent, true, bytes, 0, 0);
  }

  #tableSet(id: number): TableSet {
    const tables = this.#tracker.tables(id);
    if (tables === undefined) throw new Error(`super-version ${id} is not known to this thread`);
    return tables;
  }

  #respond(
    tag: number,
    status: AnswerStatus,
    isCached: boolean,
    body: Uint8Array,
    start = 0,
    end = body.length,
  ): boolean {
    const responses = this.#responses;
    const at = this.#reserve(answerBytes(end - start), end - start);
    if (at === -1) return false;
    encodeAnswer(responses.bytes, at, status, isCached, body, start, end);
    responses.push(tag);
    return true;
  }

  /**
   * Room in the ring for an answer; -1: there is none now.
   * @param recordBytes of the record that makes the answer as large as it is
   * @throws LsmError INVALID_ARGUMENT: there never is
   */
  #reserve(payloadBytes: number, recordBytes: number): number {
    if (payloadBytes > this.#responses.maxPayloadBytes) throw recordTooLarge(recordBytes);
    return this.#responses.reserve(payloadBytes);
  }

  #readPage(at: number, tag: number): boolean {
    const { bytes } = this.#requests;
    const request = this.#pageRequest;
    decodePageRequest(bytes, at, request);
    const { maxBytes } = request;
    const encoder = this.#encoders.get(request.encoder);
    const responses = this.#responses;
    // What was answered before must not wait for a page, which takes long. And nothing is read for a page that has no
    // room.
    responses.publish();
    if (responses.reserve(answerBytes(maxBytes + MAX_KEY_BYTES)) === -1) return false;
    const maker = this.#pages;
    maker.begin(this.#tableSet(request.superVersionId), request, bytes, encoder);
    const roomBytes = Math.max(maxBytes, maker.firstEntryBytes);
    const responseAt = this.#reserve(answerBytes(roomBytes + MAX_KEY_BYTES), maker.firstRecordBytes);
    if (responseAt === -1) return false;
    const entriesAt = pageEntriesStart(responseAt);
    const entriesEnd = maker.fill(responses.bytes, entriesAt, entriesAt + roomBytes);
    const { hasMore, keyBytes, keyEnd, keyStart } = maker;
    const behind = encodePageAnswer(
      responses.bytes,
      responseAt,
      entriesEnd,
      hasMore,
      keyBytes,
      keyStart,
      keyEnd,
    );
    maker.end();
    responses.push(tag, behind - responseAt);
    return true;
  }
}

/** It was written when the directory was open with another setting. */
function recordTooLarge(recordBytes: number): LsmError {
  return new LsmError(
    'INVALID_ARGUMENT',
    `a record of ${recordBytes} bytes is too large to be read with this maxRecordBytes, and was written with a larger one: open the directory with at least as much`,
  );
}
