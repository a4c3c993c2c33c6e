import { BlockCacheView } from '../cache/block-cache-view.ts';
import { compareBytes, copyBytes } from '../format/bytes.ts';
import { isTombstone, readUint32, writeUint32 } from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import { PAGE_ENTRY_HEADER_BYTES } from '../iterator/page.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { BlockLoader } from '../lookup/block-loader.ts';
import { TableLookup, type TableView } from '../lookup/table-view.ts';
import { arenaOfGeneration, ControlWord } from '../shared/control.ts';
import { FRAME_HEADER_BYTES, frameTag, RingConsumer, RingProducer } from '../shared/ring.ts';
import { type BlockHit, searchBlock } from '../sstable/block.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { LevelIterator } from './level-iterator.ts';
import type { ReaderInit } from './messages.ts';
import {
  encodeError,
  GET_HEADER_BYTES,
  NO_CACHE,
  PAGE_HEADER_BYTES,
  PAGE_RESPONSE_HEADER_BYTES,
  PageFlag,
  RESPONSE_HEADER_BYTES,
  ReaderOp,
  ReadStatus,
  toLsmError,
} from './protocol.ts';
import { type Inbox, ViewTracker } from './view-tracker.ts';

/** A page looks at no more entries than this, so that a stretch of deletions cannot keep the thread busy. */
const MAX_ENTRIES_LOOKED_AT = 50_000;
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
  readonly #tracker: ViewTracker;
  readonly #loader: BlockLoader;
  readonly #cache: BlockCacheView;
  readonly #lookup = new TableLookup();
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };
  readonly #page = new PageBuffer();

  constructor(init: ReaderInit, fs: FileSystem, inbox: Inbox) {
    this.#fs = fs;
    this.#words = new Int32Array(init.control);
    this.#requests = new RingConsumer(init.requests);
    this.#responses = new RingProducer(init.responses, { words: this.#words, index: ControlWord.doorbell });
    this.#descriptors = new DescriptorCache(fs, init.options.maxOpenFilesPerThread);
    this.#tracker = new ViewTracker(init.control, init.arenas, inbox, this.#descriptors);
    this.#loader = new BlockLoader(fs, this.#descriptors, this.#words, init.thread);
    this.#cache = new BlockCacheView(init.cache);
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

  /** Answers what is queued; false when there was nothing, or no room for answers. */
  step(): boolean {
    let worked = false;
    // One frame a run: a request is released once it is answered, and only then.
    while (this.#requests.nextRun(1)) {
      this.#tracker.refresh();
      if (!this.#answer(this.#requests.runStart)) break;
      this.#requests.release();
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
    const view = this.#view(readUint32(bytes, at + 4));
    const keyStart = at + GET_HEADER_BYTES;
    const keyEnd = keyStart + (bytes[at + 2] | (bytes[at + 3] << 8));
    const cacheStart = readUint32(bytes, at + 24);
    const lookup = this.#lookup;
    const hit = this.#hit;
    lookup.begin(view, bytes, keyStart, keyEnd, readUint32(bytes, at + 8));
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

  #view(id: number): TableView {
    const view = this.#tracker.view(id);
    if (view === undefined) throw new Error(`view ${id} is not known to this thread`);
    return view;
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
    let to = at + RESPONSE_HEADER_BYTES;
    if (end - start > 256) bytes.set(body.subarray(start, end), to);
    else for (let from = start; from < end; from++) bytes[to++] = body[from];
    responses.push(tag);
    return true;
  }

  #readPage(at: number, tag: number): boolean {
    const { bytes } = this.#requests;
    const flags = bytes[at + 1];
    const startStart = at + PAGE_HEADER_BYTES;
    const startEnd = startStart + (bytes[at + 2] | (bytes[at + 3] << 8));
    const endEnd = startEnd + readUint32(bytes, at + 24);
    const view = this.#view(readUint32(bytes, at + 4));
    const iterator = this.#iterator(view, readUint32(bytes, at + 8), readUint32(bytes, at + 12));
    iterator.seek(bytes, startStart, startEnd);
    if ((flags & PageFlag.startExclusive) !== 0 && iterator.valid) {
      const { keyBytes, keyStart, keyEnd } = iterator;
      if (compareBytes(keyBytes, keyStart, keyEnd, bytes, startStart, startEnd) === 0) iterator.next();
    }
    const page = this.#page;
    page.begin(readUint32(bytes, at + 16), readUint32(bytes, at + 20));
    const hasEnd = (flags & PageFlag.hasEnd) !== 0;
    const includeTombstones = (flags & PageFlag.includeTombstones) !== 0;
    let done = true;
    for (let looked = 0; iterator.valid; looked++) {
      const { keyBytes, keyStart, keyEnd, recordBytes, recordStart } = iterator;
      if (hasEnd && compareBytes(keyBytes, keyStart, keyEnd, bytes, startEnd, endEnd) >= 0) break;
      if (page.full || looked === MAX_ENTRIES_LOOKED_AT) {
        done = false;
        break;
      }
      if (includeTombstones || !isTombstone(recordBytes, recordStart)) page.add(iterator);
      else page.skip(keyBytes, keyStart, keyEnd);
      iterator.next();
    }
    return this.#respondPage(tag, page, done);
  }

  #iterator(view: TableView, generation: number, limit: number): RecordIterator {
    const sources: RecordIterator[] = [];
    for (let g = generation; g >= view.oldestGeneration; g--) {
      const memtable = this.#tracker.memtable(arenaOfGeneration(this.#words, g));
      sources.push(memtable.iterator(g === generation ? limit : memtable.publishedOffset));
    }
    for (const [level, readers] of view.levels.entries()) {
      if (level === 0) {
        for (const reader of readers) {
          sources.push(reader.iterator(this.#fs, this.#descriptors.get(reader.handle), READAHEAD_BYTES));
        }
      } else if (readers.length > 0) {
        sources.push(new LevelIterator(readers, this.#fs, this.#descriptors, READAHEAD_BYTES));
      }
    }
    return new MergingIterator(sources);
  }

  #respondPage(tag: number, page: PageBuffer, done: boolean): boolean {
    const responses = this.#responses;
    const resume = done ? 0 : page.lastKeyEnd - page.lastKeyStart;
    const at = responses.reserve(PAGE_RESPONSE_HEADER_BYTES + resume + page.usedBytes);
    if (at === -1) return false;
    const { bytes } = responses;
    bytes[at] = ReadStatus.found;
    bytes[at + 1] = done ? 1 : 0;
    bytes[at + 2] = resume;
    bytes[at + 3] = resume >>> 8;
    writeUint32(bytes, at + 4, page.entries);
    const resumeAt = at + PAGE_RESPONSE_HEADER_BYTES;
    copyBytes(page.lastKey, page.lastKeyStart, page.lastKeyStart + resume, bytes, resumeAt);
    copyBytes(page.bytes, 0, page.usedBytes, bytes, at + PAGE_RESPONSE_HEADER_BYTES + resume);
    responses.push(tag);
    return true;
  }
}

/** Entries of one page as they go into the response; iterator/page.ts tells how. */
class PageBuffer {
  bytes: Uint8Array = new Uint8Array(64 * 1024);
  usedBytes = 0;
  entries = 0;
  /** The last key looked at, where the scan goes on after this page: `lastKey[lastKeyStart, lastKeyEnd)`. */
  lastKey: Uint8Array = this.bytes;
  lastKeyStart = 0;
  lastKeyEnd = 0;
  #skippedKey: Uint8Array = new Uint8Array(256);
  #maxBytes = 0;
  #maxEntries = 0;

  begin(maxBytes: number, maxEntries: number): void {
    this.usedBytes = 0;
    this.entries = 0;
    this.lastKeyStart = 0;
    this.lastKeyEnd = 0;
    this.#maxBytes = maxBytes;
    this.#maxEntries = maxEntries;
  }

  get full(): boolean {
    return this.usedBytes >= this.#maxBytes || this.entries >= this.#maxEntries;
  }

  /** An entry that was looked at and is not part of the page. */
  skip(keyBytes: Uint8Array, keyStart: number, keyEnd: number): void {
    const length = keyEnd - keyStart;
    if (length > this.#skippedKey.length) this.#skippedKey = new Uint8Array(length);
    copyBytes(keyBytes, keyStart, keyEnd, this.#skippedKey, 0);
    this.lastKey = this.#skippedKey;
    this.lastKeyStart = 0;
    this.lastKeyEnd = length;
  }

  add(entry: RecordIterator): void {
    const keyLength = entry.keyEnd - entry.keyStart;
    const recordLength = entry.recordEnd - entry.recordStart;
    const needed = this.usedBytes + PAGE_ENTRY_HEADER_BYTES + keyLength + recordLength;
    if (needed > this.bytes.length) this.#grow(needed);
    const at = this.usedBytes;
    writeUint32(this.bytes, at, keyLength);
    writeUint32(this.bytes, at + 4, recordLength);
    copyBytes(entry.keyBytes, entry.keyStart, entry.keyEnd, this.bytes, at + PAGE_ENTRY_HEADER_BYTES);
    const recordAt = at + PAGE_ENTRY_HEADER_BYTES + keyLength;
    copyBytes(entry.recordBytes, entry.recordStart, entry.recordEnd, this.bytes, recordAt);
    this.lastKey = this.bytes;
    this.lastKeyStart = at + PAGE_ENTRY_HEADER_BYTES;
    this.lastKeyEnd = recordAt;
    this.usedBytes = needed;
    this.entries++;
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    bytes.set(this.bytes.subarray(0, this.usedBytes));
    this.bytes = bytes;
  }
}
