import { BlockCacheReader } from '../cache/block-cache-reader.ts';
import { copyBytes } from '../format/bytes.ts';
import { ownBytes } from '../format/copy.ts';
import { FRAME_HEADER_BYTES, frameTag } from '../format/frame.ts';
import { readUint32, readUint53 } from '../format/integers.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { KeyBound } from '../iterator/key-bound.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import { PageBuilder, pageEntryBytes } from '../iterator/page-builder.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { MAX_KEY_BYTES } from '../log/write-operation.ts';
import { arenaOfGeneration, ControlWord } from '../shared/control.ts';
import { RingConsumer, RingProducer } from '../shared/ring.ts';
import { type BlockHit, searchBlock } from '../sstable/block.ts';
import { BlockLoader } from '../sstable/block-loader.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { LevelIterator } from '../sstable/level-iterator.ts';
import { QuarantineLookup } from '../sstable/quarantine-lookup.ts';
import { TableLookup, type TableSet } from '../sstable/table-set.ts';
import { QUARANTINE } from '../version/version.ts';
import { EntryEncoders } from './entry-encoders.ts';
import type { ReaderInit } from './messages.ts';
import {
  encodeError,
  GET_HEADER_BYTES,
  NO_CACHE,
  PAGE_HEADER_BYTES,
  PageFlag,
  RESPONSE_HEADER_BYTES,
  ReaderOp,
  ReadStatus,
  toLsmError,
} from './protocol.ts';
import { type Inbox, SuperVersionTracker } from './super-version-tracker.ts';

const READAHEAD_BYTES = 64 * 1024;

/**
 * A thread that searches the disk: blocks of point reads that memory could not answer, and pages of range
 * scans. It keeps nothing between requests, so that another can take over when it dies. `step` never blocks.
 */
export class ReaderRole {
  readonly #fs: FileSystem;
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
  readonly #page = new PageBuilder();
  readonly #end = new KeyBound();
  readonly #encoders: EntryEncoders;

  constructor(init: ReaderInit, fs: FileSystem, inbox: Inbox) {
    this.#fs = fs;
    this.#words = new Int32Array(init.control);
    this.#requests = new RingConsumer(init.requests);
    this.#responses = new RingProducer(init.responses, { words: this.#words, index: ControlWord.doorbell });
    this.#descriptors = new DescriptorCache(fs, init.options.maxOpenFilesPerThread);
    this.#tracker = new SuperVersionTracker(init.control, init.arenas, inbox, this.#descriptors);
    this.#loader = new BlockLoader(fs, this.#descriptors, this.#words, init.thread);
    this.#lookup = new TableLookup(init.hashSeed);
    this.#quarantine = new QuarantineLookup(this.#loader);
    this.#cache = new BlockCacheReader(init.cache);
    this.#encoders = new EntryEncoders(init.options.entryEncoders);
  }

  get finished(): boolean {
    // Requests still queued at the stop are answered by main itself.
    return Atomics.load(this.#words, ControlWord.stop) === 1;
  }

  /** Nothing is ever due without a request. */
  get dueMs(): number {
    return Number.POSITIVE_INFINITY;
  }

  close(): void {
    this.#descriptors.closeAll();
  }

  /**
   * Answers what is queued; false when there was nothing, or no room for answers. An answer is to be published after
   * its request has been released: main lets go of what the request held, and pushes what waits for the room, when it
   * sees the answer, and may never be woken again.
   */
  step(): boolean {
    let worked = false;
    // One frame a run: a request is released once it is answered, and only then.
    while (this.#requests.nextRun(1)) {
      this.#tracker.refresh();
      const { bytes, runStart } = this.#requests;
      const isPage = bytes[runStart + FRAME_HEADER_BYTES] === ReaderOp.page;
      if (!this.#answer(runStart)) break;
      this.#requests.release();
      // Main is to be at work on it while others are read.
      if (isPage) this.#responses.publish();
      worked = true;
    }
    this.#responses.publish();
    this.#descriptors.trim();
    return worked;
  }

  waitForRequests(): void {
    if (this.#requests.empty) {
      this.#requests.wait(1000);
      this.#tracker.refresh();
    } else {
      this.#responses.waitForRoom(100);
    }
  }

  #answer(frame: number): boolean {
    const { bytes } = this.#requests;
    const at = frame + FRAME_HEADER_BYTES;
    const tag = frameTag(bytes, frame);
    try {
      if (bytes[at] === ReaderOp.get) return this.#get(at, tag);
      if (bytes[at] === ReaderOp.wake) return true;
      return this.#readPage(at, tag);
    } catch (error) {
      return this.#respond(tag, ReadStatus.failed, 0, encodeError(toLsmError(error, 'reading a table')));
    }
  }

  #get(at: number, tag: number): boolean {
    const { bytes } = this.#requests;
    const tables = this.#tableSet(readUint32(bytes, at + 4));
    const keyStart = at + GET_HEADER_BYTES;
    const keyEnd = keyStart + (bytes[at + 2] | (bytes[at + 3] << 8));
    const cacheStart = readUint32(bytes, at + 24);
    const lookup = this.#lookup;
    const hit = this.#hit;
    lookup.begin(tables, bytes, keyStart, keyEnd, readUint32(bytes, at + 8));
    if (readUint32(bytes, at + 12) === QUARANTINE)
      return this.#getNewest(tag, tables, bytes, keyStart, keyEnd);
    lookup.resume(readUint32(bytes, at + 12), readUint32(bytes, at + 16), readUint32(bytes, at + 20));
    const cache = this.#cache;
    let cached = 0;
    do {
      let block: Uint8Array;
      let start = 0;
      let end: number;
      if (cacheStart !== NO_CACHE && cached === 0) {
        // The first block is the one main has reserved the place for.
        start = cacheStart;
        block = cache.bytes;
        end = this.#loader.loadInto(lookup.reader, lookup.ordinal, block, start);
        cached = 1;
      } else if (cache.find(lookup.reader.metadata.id, lookup.ordinal)) {
        block = cache.bytes;
        start = cache.dataStart;
        end = cache.dataEnd;
      } else {
        end = this.#loader.load(lookup.reader, lookup.ordinal);
        block = this.#loader.scratch;
      }
      if (searchBlock(block, start, end, bytes, keyStart, keyEnd, hit)) {
        return this.#respond(tag, ReadStatus.found, cached, block, hit.recordStart, hit.recordEnd);
      }
    } while (lookup.next());
    return this.#respond(tag, ReadStatus.absent, cached, bytes, 0, 0);
  }

  /** The first hit in the levels, or what a table in quarantine has that is newer. */
  #getNewest(tag: number, tables: TableSet, key: Uint8Array, keyStart: number, keyEnd: number): boolean {
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
    if (newest === undefined) return this.#respond(tag, ReadStatus.absent, 0, key, 0, 0);
    return this.#respond(tag, ReadStatus.found, 0, newest);
  }

  #tableSet(id: number): TableSet {
    const tables = this.#tracker.tables(id);
    if (tables === undefined) throw new Error(`super-version ${id} is not known to this thread`);
    return tables;
  }

  #respond(
    tag: number,
    status: number,
    cached: number,
    body: Uint8Array,
    start = 0,
    end = body.length,
  ): boolean {
    const responses = this.#responses;
    const at = responses.reserve(RESPONSE_HEADER_BYTES + end - start);
    if (at === -1) return false;
    const { bytes } = responses;
    bytes[at] = status;
    bytes[at + 1] = cached;
    bytes[at + 2] = 0;
    bytes[at + 3] = 0;
    copyBytes(body, start, end, bytes, at + RESPONSE_HEADER_BYTES);
    responses.push(tag);
    return true;
  }

  #readPage(at: number, tag: number): boolean {
    const { bytes } = this.#requests;
    const flags = bytes[at + 1];
    const startStart = at + PAGE_HEADER_BYTES;
    const startEnd = startStart + (bytes[at + 2] | (bytes[at + 3] << 8));
    const endEnd = startEnd + (bytes[at + 24] | (bytes[at + 25] << 8));
    const encoder = this.#encoders.get(bytes[at + 26] | (bytes[at + 27] << 8));
    const maxBytes = readUint32(bytes, at + 16);
    const responses = this.#responses;
    // What was answered before waits for nothing that takes as long as a page. Nor is anything read for one that has
    // no room.
    responses.publish();
    if (responses.reserve(RESPONSE_HEADER_BYTES + maxBytes + MAX_KEY_BYTES) === -1) return false;
    const tables = this.#tableSet(readUint32(bytes, at + 4));
    const end = this.#end;
    if ((flags & PageFlag.hasEnd) === 0) end.clear();
    else end.set(bytes, startEnd, endEnd);
    const iterator = this.#iterator(tables, readUint32(bytes, at + 8), readUint32(bytes, at + 12), end);
    iterator.seek(bytes, startStart, startEnd);

    const first = iterator.valid
      ? pageEntryBytes(
          iterator.keyEnd - iterator.keyStart,
          iterator.recordEnd - iterator.recordStart,
          encoder,
        )
      : 0;
    // At least one entry: a scan must get ahead.
    const roomBytes = Math.max(maxBytes, first);
    const responseAt = responses.reserve(RESPONSE_HEADER_BYTES + roomBytes + MAX_KEY_BYTES);
    if (responseAt === -1) return false;
    const entriesAt = responseAt + RESPONSE_HEADER_BYTES;
    const page = this.#page;
    page.begin(responses.bytes, entriesAt, entriesAt + roomBytes, {
      maxEntries: readUint32(bytes, at + 20),
      includeTombstones: (flags & PageFlag.includeTombstones) !== 0,
      encoder,
      nowMs: readUint53(bytes, at + 28),
    });
    let done = true;
    while (iterator.valid && end.admits(iterator.keyBytes, iterator.keyStart, iterator.keyEnd)) {
      done = iterator.addRun(page, end);
      if (!done) break;
    }
    const resumeBytes = done ? 0 : iterator.keyEnd - iterator.keyStart;
    responses.bytes[responseAt] = ReadStatus.found;
    responses.bytes[responseAt + 1] = done ? 1 : 0;
    responses.bytes[responseAt + 2] = resumeBytes;
    responses.bytes[responseAt + 3] = resumeBytes >>> 8;
    if (!done) copyBytes(iterator.keyBytes, iterator.keyStart, iterator.keyEnd, responses.bytes, page.at);
    responses.push(tag, page.at + resumeBytes - responseAt);
    return true;
  }

  #iterator(tables: TableSet, generation: number, limit: number, bound: KeyBound): MergingIterator {
    const sources: RecordIterator[] = [];
    for (let g = generation; g >= tables.oldestGeneration; g--) {
      const memtable = this.#tracker.memtable(arenaOfGeneration(this.#words, g));
      sources.push(memtable.iterator(g === generation ? limit : memtable.publishedOffset));
    }
    for (const [level, readers] of tables.levels.entries()) {
      if (level === 0) {
        for (const reader of readers) {
          sources.push(reader.cursor(this.#fs, this.#descriptors, READAHEAD_BYTES, bound));
        }
      } else if (readers.length > 0) {
        sources.push(new LevelIterator(readers, this.#fs, this.#descriptors, READAHEAD_BYTES, bound));
      }
    }
    for (const reader of tables.quarantine) {
      // It has something to say only of what the scan may come to; the merge goes by versions.
      const { smallestKey } = reader.metadata;
      if (!bound.admits(smallestKey, 0, smallestKey.length)) continue;
      sources.push(reader.cursor(this.#fs, this.#descriptors, READAHEAD_BYTES, bound));
    }
    return new MergingIterator(sources);
  }
}
