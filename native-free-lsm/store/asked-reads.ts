import type { BlockCache } from '../cache/block-cache.ts';
import { CallTable } from '../call-table.ts';
import type { LsmError } from '../errors.ts';
import { frameLength, frameTag, nextFrame, payloadStart } from '../format/frame.ts';
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
} from '../threads/protocol/reader-messages.ts';
import { AskedRead, MAX_ASKED_READS } from './asked-read.ts';
import { copyOut, isHidden } from './memory-search.ts';
import type { MissingBlock } from './memory-walk.ts';
import type { PageCall } from './page-call.ts';
import { PageMemory } from './page-memory.ts';
import type { ReaderChannel } from './reader-channel.ts';
import { answerRead, type ReadSink } from './sinks.ts';
import type { SnapshotPoint } from './store-snapshot.ts';

const MAX_RUN_BYTES = 0x7fffffff;
/** So many reads of one turn are sent at once, so that a reader is at work while the next ones are looked for in memory. */
const READS_AT_ONCE = 8;

interface AskedReadEvents {
  /** A read was put into a ring, and must be published by the end of the turn. */
  onQueued(): void;
  /** Requests were put into a ring that are to be published at once. */
  onUrgent(): void;
  /** A reader has met damage. */
  onDamage(error: LsmError): void;
}

/**
 * Main's end of the reader threads' rings: what was asked for and is not answered, and to whom its answer goes. Each
 * request goes to the thread that has the fewest, and to one that cannot be started only if there is no other.
 */
export class AskedReads {
  readonly #cache: BlockCache;
  readonly #channels: readonly ReaderChannel[];
  readonly #events: AskedReadEvents;
  readonly #asked = new CallTable<AskedRead>();
  readonly #answer = new ReaderAnswer();
  readonly #pageMemory = new PageMemory();
  /** How many of them are blocks for the cache. */
  #blockLoads = 0;
  /** Reads that were put into rings since these were published. */
  #queued = 0;

  constructor(cache: BlockCache, channels: readonly ReaderChannel[], events: AskedReadEvents) {
    this.#cache = cache;
    this.#channels = channels;
    this.#events = events;
  }

  /** Those that somebody waits for. */
  get count(): number {
    return this.#asked.count - this.#blockLoads;
  }

  /**
   * Has a read made by a reader.
   * @param lookup where it goes on, or, unless it `isContinued`, begins
   * @param cover what has a smaller timestamp is hidden
   * @returns false when there is no room for it
   */
  ask(
    lookup: TableLookup,
    isContinued: boolean,
    cover: number,
    key: Uint8Array,
    snapshot: SnapshotPoint | null,
    sink: ReadSink,
    token: number,
    deaths: number,
  ): boolean {
    if (this.#asked.count === MAX_ASKED_READS) return false;
    const channel = this.#pickChannel();
    const { requests } = this.#channels[channel];
    const at = requests.reserve(isContinued ? continuedReadBytes(key.length) : readBytes(key.length));
    if (at === -1) return false;
    const { bytes } = requests;
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
    read.cover = cover;
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

  /** @returns false when there is no room for it */
  askPage(page: PageCall, point: ReadPoint, deaths: number): boolean {
    if (this.#asked.count === MAX_ASKED_READS) return false;
    const channel = this.#pickChannel();
    const { requests } = this.#channels[channel];
    const at = requests.reserve(pageRequestBytes(page.request));
    if (at === -1) return false;
    encodePageRequest(requests.bytes, at, point, page.request);
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

  /**
   * Has a block put into the cache, unless that has no place for it. Nobody waits for it.
   * @returns false when there is no room to ask
   */
  askBlock({ id, levels }: TableSet, { ordinal, reader }: MissingBlock): boolean {
    if (this.#asked.count === MAX_ASKED_READS) return false;
    const level = levels.findIndex((readers) => readers.includes(reader));
    const channel = this.#pickChannel();
    const { requests } = this.#channels[channel];
    const at = requests.reserve(BLOCK_LOAD_BYTES);
    if (at === -1) return false;
    const cacheSlot = this.#cache.reserve(reader.metadata.id, ordinal, reader.blockMemoryBytes(ordinal));
    if (cacheSlot === -1) return true;
    const index = levels[level].indexOf(reader);
    encodeBlockLoad(requests.bytes, at, id, level, index, ordinal, this.#cache.dataStart(cacheSlot));
    const read = this.#asked.reuse() ?? new AskedRead();
    read.clear();
    read.channel = channel;
    read.cacheSlot = cacheSlot;
    requests.push(this.#asked.add(read));
    this.#blockLoads++;
    this.#events.onQueued();
    return true;
  }

  #pickChannel(): number {
    let best = 0;
    for (let channel = 1; channel < this.#channels.length; channel++) {
      if (isBetter(this.#channels[channel], this.#channels[best])) best = channel;
    }
    return best;
  }

  publish(): boolean {
    let published = false;
    this.#queued = 0;
    for (const channel of this.#channels) published = channel.requests.publish() || published;
    return published;
  }

  /** Answers what readers have answered. */
  drain(): void {
    for (const { responses } of this.#channels) {
      while (responses.nextRun(MAX_RUN_BYTES)) {
        const { bytes, runStart, runEnd } = responses;
        for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) this.#onFrame(bytes, at);
        responses.release();
      }
    }
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
      const failure = toLsmError(error, 'taking an answer');
      if (page !== null) page.reject(failure);
      else answerRead(sink, token, null, failure);
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

  /** Takes out, for good, what a thread that has died had in hand, without the blocks that nobody waits for. */
  takeOf(channelIndex: number): readonly AskedRead[] {
    const reads = this.#asked.takeWhere(isAskedOf, channelIndex);
    this.#cancelPlaces(reads);
    const wanted = reads.filter(({ isBlockLoad }) => !isBlockLoad);
    this.#blockLoads -= reads.length - wanted.length;
    return wanted;
  }

  /** Takes out all, of which no thread has seen any: nothing was published. */
  withdraw(): readonly AskedRead[] {
    this.#queued = 0;
    this.#blockLoads = 0;
    for (const { requests } of this.#channels) requests.withdraw();
    const reads = this.#asked.takeAll();
    this.#cancelPlaces(reads);
    return reads;
  }

  /** Takes out all, for good: no answer is waited for any more. */
  takeAll(): readonly AskedRead[] {
    this.#blockLoads = 0;
    return this.#asked.takeAll();
  }

  #cancelPlaces(reads: readonly AskedRead[]): void {
    for (const { cacheSlot } of reads) if (cacheSlot >= 0) this.#cache.cancel(cacheSlot);
  }
}

function isBetter(one: ReaderChannel, other: ReaderChannel): boolean {
  return one.isDown === other.isDown ? one.queued < other.queued : other.isDown;
}

function isAskedOf({ channel }: AskedRead, index: number): boolean {
  return channel === index;
}
