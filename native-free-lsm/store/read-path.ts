import type { BlockCache } from '../cache/block-cache.ts';
import { LsmError } from '../errors.ts';
import { copyBytes } from '../format/bytes.ts';
import { FRAME_HEADER_BYTES, frameLength, frameTag, nextFrame } from '../format/frame.ts';
import { type HashSeed, hashBytes } from '../format/hash.ts';
import type { Page } from '../iterator/page.ts';
import { MAX_KEY_BYTES } from '../log/write-operation.ts';
import { type BlockHit, searchBlock } from '../sstable/block.ts';
import { TableLookup } from '../sstable/table-set.ts';
import { decodeError, RESPONSE_HEADER_BYTES, ReadStatus } from '../threads/protocol.ts';
import { QUARANTINE } from '../version/version.ts';
import type { Arenas } from './arenas.ts';
import { AskedReads, MAX_ASKED_READS } from './asked-reads.ts';
import { PageCall } from './page-call.ts';
import { PageMemory } from './page-memory.ts';
import type { PageRequest, ReaderChannel, ReadPoint, SnapshotPoint } from './reader-channel.ts';
import { MAX_PAGE_BYTES, MAX_PAGE_ENTRIES } from './reader-channels.ts';
import { answerRead, type ReadSink } from './sinks.ts';
import type { SuperVersions } from './super-versions.ts';
import { type WaitingRead, WaitingReads } from './waiting-reads.ts';

const MAX_RUN_BYTES = 0x7fffffff;
/** A read may be what its thread dies of: it is not asked again for ever. */
const MAX_DEATHS = 3;

/**
 * Main's end of the read path. What memory can answer (memtables, filters, cached blocks) is answered in the
 * call; what needs a block from disk goes to a reader thread with the place to go on from. What the threads' rings
 * have no room for waits here, in order, up to a bound; beyond it reads fail at once.
 */
export class ReadPath {
  readonly #arenas: Arenas;
  readonly #superVersions: SuperVersions;
  readonly #cache: BlockCache;
  readonly #channels: readonly ReaderChannel[];
  readonly #onQueued: () => void;
  readonly #onPage: () => void;
  readonly #onDamage: (error: LsmError) => void;
  readonly #hashSeed: HashSeed;
  readonly #lookup: TableLookup;
  readonly #hit: BlockHit = { recordStart: 0, recordEnd: 0 };
  readonly #asked = new AskedReads();
  readonly #pageMemory = new PageMemory();
  readonly #waiting: WaitingReads;
  #closed: LsmError | undefined;

  constructor(
    arenas: Arenas,
    superVersions: SuperVersions,
    cache: BlockCache,
    channels: readonly ReaderChannel[],
    hashSeed: HashSeed,
    maxWaitingBytes: number,
    onQueued: () => void,
    onPage: () => void,
    onDamage: (error: LsmError) => void,
  ) {
    this.#arenas = arenas;
    this.#superVersions = superVersions;
    this.#cache = cache;
    this.#channels = channels;
    this.#hashSeed = hashSeed;
    this.#lookup = new TableLookup(hashSeed);
    this.#waiting = new WaitingReads(maxWaitingBytes);
    this.#onQueued = onQueued;
    this.#onPage = onPage;
    this.#onDamage = onDamage;
  }

  get inFlight(): number {
    return this.#asked.count + this.#waiting.count;
  }

  /** @param snapshot null: the newest state */
  read(key: Uint8Array, snapshot: SnapshotPoint | null, sink: ReadSink, token: number): void {
    if (this.#closed !== undefined) answerRead(sink, token, null, this.#closed);
    // Such a key cannot be written, nor asked for.
    else if (key.length > MAX_KEY_BYTES) answerRead(sink, token, null, null);
    else this.#readOrWait(key, snapshot, sink, token, 0, this.#waiting.count === 0);
  }

  #readOrWait(
    key: Uint8Array,
    snapshot: SnapshotPoint | null,
    sink: ReadSink,
    token: number,
    deaths: number,
    mayAsk: boolean,
  ): void {
    if (this.#search(key, snapshot, sink, token, deaths, mayAsk)) return;
    if (!this.#wait({ key, snapshot, sink, token, page: null, deaths }))
      answerRead(sink, token, null, TOO_MANY_READS);
  }

  /**
   * Answers a read from memory or asks a reader for it.
   * @param mayAsk whether it is its turn; memory is looked into in any case
   * @returns false: it has to wait
   */
  #search(
    key: Uint8Array,
    snapshot: SnapshotPoint | null,
    sink: ReadSink,
    token: number,
    deaths: number,
    mayAsk: boolean,
  ): boolean {
    const tables = snapshot === null ? this.#superVersions.current : snapshot.superVersion.tables;
    const hash = hashBytes(key, 0, key.length, this.#hashSeed);
    const newest = snapshot === null ? this.#arenas.activeGeneration : snapshot.generation;
    for (let generation = newest; generation >= tables.oldestGeneration; generation--) {
      const memtable = this.#arenas.memtable(generation);
      const limit = snapshot !== null && generation === newest ? snapshot.limit : memtable.publishedOffset;
      const entry = memtable.find(key, 0, key.length, limit, hash);
      if (entry === 0) continue;
      const record = copyOut(memtable.bytes, memtable.recordStart(entry), memtable.recordEnd(entry));
      answerRead(sink, token, record, null);
      return true;
    }
    const lookup = this.#lookup;
    const hit = this.#hit;
    const cache = this.#cache;
    lookup.begin(tables, key, 0, key.length, hash);
    if (tables.quarantine.length > 0 && tables.isDoubtful(key, 0, key.length)) {
      lookup.standAside();
      return mayAsk && this.#ask(key, hash, snapshot, tables.id, sink, token, deaths);
    }
    while (lookup.next()) {
      const slot = cache.find(lookup.reader.metadata.id, lookup.ordinal);
      if (slot === -1) {
        return mayAsk && this.#ask(key, hash, snapshot, tables.id, sink, token, deaths);
      }
      if (searchBlock(cache.bytes, cache.dataStart(slot), cache.dataEnd(slot), key, 0, key.length, hit)) {
        answerRead(sink, token, copyOut(cache.bytes, hit.recordStart, hit.recordEnd), null);
        return true;
      }
    }
    answerRead(sink, token, null, null);
    return true;
  }

  /**
   * One page of a scan, from the newest state or a snapshot. Once the signal is aborted the promise rejects at once;
   * what a reader has of the page goes as soon as it comes.
   */
  page(request: PageRequest, snapshot: SnapshotPoint | null, signal?: AbortSignal): Promise<Page> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const maxBytes = Math.min(Math.max(request.maxBytes, 1), MAX_PAGE_BYTES);
    const maxEntries = Math.min(Math.max(request.maxEntries, 1), MAX_PAGE_ENTRIES);
    const call = new PageCall({ ...request, maxBytes, maxEntries }, snapshot, signal);
    if (!call.isGivenUp) this.#askPageOrWait(call, 0, this.#waiting.count === 0);
    return call.promise;
  }

  currentPoint(): ReadPoint {
    const generation = this.#arenas.activeGeneration;
    const limit = this.#arenas.memtable(generation).publishedOffset;
    return { superVersionId: this.#superVersions.current.id, generation, limit };
  }

  publish(): boolean {
    let published = false;
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
    // It is in no ring yet, which else keeps what a snapshot names though it is released.
    if (read.snapshot !== null) this.#superVersions.hold(read.snapshot.superVersion);
    return true;
  }

  /**
   * Those whose turn has come. Each is taken out before it is answered: a sink that is called may read again (that read
   * waits behind them) or close.
   */
  #askWaiting(): void {
    for (let read = this.#waiting.takeFirst(); read !== undefined; read = this.#waiting.takeFirst()) {
      const { key, snapshot, sink, token, page, deaths } = read;
      const isDone =
        page === null
          ? this.#search(key, snapshot, sink, token, deaths, true)
          : page.isGivenUp || this.#askPage(page, deaths);
      if (!isDone) {
        this.#waiting.putBack(read);
        return;
      }
      if (snapshot !== null) this.#superVersions.letGoOnceAsked(snapshot.superVersion);
    }
  }

  /**
   * A reader thread has died: what it had not answered is asked again of another or of its successor. What has
   * seen so many die that it may be the reason is answered with WORKER_DIED.
   */
  retry(channelIndex: number): void {
    // All at first: a sink that is called may read again, and would find a place that nobody has come to yet.
    const reads = this.#asked.ofChannel(channelIndex).map((place) => this.#takeBack(place));
    // A snapshot released meanwhile was kept by the dead thread's ring, which counts no longer. All super-versions are held before
    // the first sink is called: what it does, such as to release another snapshot, may let go of those of the reads behind.
    const held = new Set(reads.flatMap(({ snapshot }) => snapshot?.superVersion ?? []));
    for (const superVersion of held) this.#superVersions.hold(superVersion);
    for (const read of reads) read.again();
    for (const superVersion of held) this.#superVersions.letGoOnceAsked(superVersion);
    // No answer may come any more that would bring their turn.
    this.#askWaiting();
  }

  /** Frees the place of a read whose thread has died, and says how to ask for it again. */
  #takeBack(place: number): { snapshot: SnapshotPoint | null; again: () => void } {
    const asked = this.#asked;
    const deaths = asked.deaths[place] + 1;
    const call = asked.pages.get(place);
    const sink = asked.sinks[place];
    const key = asked.keys[place];
    const token = asked.tokens[place];
    const snapshot = call === undefined ? asked.snapshots[place] : call.snapshot;
    if (call === undefined && asked.slots[place] >= 0) this.#cache.cancel(asked.slots[place]);
    asked.free(place);
    const again = (): void => {
      // The sink of one before it may have closed everything.
      const error = this.#closed ?? (deaths < MAX_DEATHS ? undefined : THREADS_DIED);
      if (call !== undefined) {
        if (call.isGivenUp) return;
        if (error === undefined) this.#askPageOrWait(call, deaths, true);
        else call.reject(error);
      } else if (error === undefined)
        this.#readOrWait(key as Uint8Array, snapshot, sink as ReadSink, token, deaths, true);
      else answerRead(sink as ReadSink, token, null, error);
    };
    return { snapshot, again };
  }

  close(error: LsmError): void {
    this.#closed = error;
    const asked = this.#asked;
    for (const [place, call] of asked.pages) {
      asked.free(place);
      call.reject(error);
    }
    for (const { page, sink, token } of this.#waiting.takeAll()) {
      if (page === null) answerRead(sink, token, null, error);
      else page.reject(error);
    }
    for (let place = 0; place < MAX_ASKED_READS; place++) {
      const sink = asked.sinks[place];
      if (sink === null) continue;
      const token = asked.tokens[place];
      asked.free(place);
      answerRead(sink, token, null, error);
    }
  }

  /** `#lookup` stands at the block to begin with, or aside: the reader looks everywhere. False: there is no place. */
  #ask(
    key: Uint8Array,
    hash: number,
    snapshot: SnapshotPoint | null,
    superVersionId: number,
    sink: ReadSink,
    token: number,
    deaths: number,
  ): boolean {
    const lookup = this.#lookup;
    const asked = this.#asked;
    const place = asked.take();
    if (place === -1) return false;
    const { reader, ordinal } = lookup;
    const slot =
      lookup.level === QUARANTINE
        ? -1
        : this.#cache.reserve(reader.metadata.id, ordinal, reader.blockMemoryBytes(ordinal));
    const channel = this.#pickChannel();
    const cacheStart = slot === -1 ? -1 : this.#cache.dataStart(slot);
    if (!this.#channels[channel].pushGet(place, superVersionId, key, hash, lookup, cacheStart)) {
      if (slot !== -1) this.#cache.cancel(slot);
      asked.giveBack(place);
      return false;
    }
    asked.sinks[place] = sink;
    asked.keys[place] = key;
    asked.tokens[place] = token;
    asked.slots[place] = slot;
    asked.channels[place] = channel;
    asked.deaths[place] = deaths;
    asked.snapshots[place] = snapshot;
    this.#onQueued();
    return true;
  }

  #askPageOrWait(call: PageCall, deaths: number, mayAsk: boolean): void {
    if (mayAsk && this.#askPage(call, deaths)) return;
    const read = { key: NO_KEY, snapshot: call.snapshot, sink: NO_SINK, token: 0, page: call, deaths };
    if (!this.#wait(read)) call.reject(TOO_MANY_READS);
  }

  /** False: there is no place for it. */
  #askPage(call: PageCall, deaths: number): boolean {
    const asked = this.#asked;
    const place = asked.take();
    if (place === -1) return false;
    const channel = this.#pickChannel();
    const point = call.snapshot ?? this.currentPoint();
    if (!this.#channels[channel].pushPage(place, point, call.request)) {
      asked.giveBack(place);
      return false;
    }
    asked.channels[place] = channel;
    asked.deaths[place] = deaths;
    asked.pages.set(place, call);
    this.#onPage();
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
    const place = frameTag(bytes, frame);
    const at = frame + FRAME_HEADER_BYTES;
    const end = at + frameLength(bytes, frame);
    const call = this.#asked.pages.get(place);
    if (call === undefined) this.#onGet(place, bytes, at, end);
    else {
      this.#asked.free(place);
      if (call.isGivenUp) return;
      if (bytes[at] === ReadStatus.failed) call.reject(this.#failure(bytes, at, end));
      else call.resolve(this.#pageMemory.page(bytes, at, end));
    }
  }

  #onGet(place: number, bytes: Uint8Array, at: number, end: number): void {
    const asked = this.#asked;
    const sink = asked.sinks[place];
    if (sink === null) return;
    const slot = asked.slots[place];
    if (slot >= 0) {
      if (bytes[at + 1] === 1) this.#cache.publish(slot);
      else this.#cache.cancel(slot);
    }
    const token = asked.tokens[place];
    asked.free(place);
    const status = bytes[at];
    if (status === ReadStatus.found)
      answerRead(sink, token, copyOut(bytes, at + RESPONSE_HEADER_BYTES, end), null);
    else if (status === ReadStatus.absent) answerRead(sink, token, null, null);
    else answerRead(sink, token, null, this.#failure(bytes, at, end));
  }

  #failure(bytes: Uint8Array, at: number, end: number): LsmError {
    const error = decodeError(bytes.slice(at + RESPONSE_HEADER_BYTES, end));
    if (error.code === 'CORRUPTION') this.#onDamage(error);
    return error;
  }
}

const THREADS_DIED = new LsmError(
  'WORKER_DIED',
  `${MAX_DEATHS} reader threads died one after another with this read in hand: try again later`,
);
const TOO_MANY_READS = new LsmError(
  'OVERLOADED',
  'too many reads are waiting for the disk: try again later, or raise maxQueuedReadBytes',
);
const NO_KEY = new Uint8Array(0);
/** Of a page, which has a promise. */
const NO_SINK: ReadSink = { onRead: () => undefined };

function copyOut(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = Buffer.allocUnsafe(end - start);
  copyBytes(bytes, start, end, copy, 0);
  return copy;
}
