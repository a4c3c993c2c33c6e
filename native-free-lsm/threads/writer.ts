import type { EngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import { frameTag, nextFrame } from '../format/frame.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { LogSuccession } from '../log/log-succession.ts';
import type { LogWriter } from '../log/log-writer.ts';
import { Memtable } from '../memtable/memtable.ts';
import type { EngineOptions } from '../options.ts';
import { ControlWord, GENERATION_SLOTS } from '../shared/control.ts';
import { RingConsumer, RingProducer } from '../shared/ring.ts';
import type { WaitRecorder } from '../shared/wait-recorder.ts';
import { WaitSiteId } from '../shared/wait-sites.ts';
import { WriteDeadlines } from '../shared/write-deadlines.ts';
import { BlockLoader } from '../sstable/block-loader.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { LostVersions } from '../sstable/lost-versions.ts';
import { Answers } from './answers.ts';
import { ConditionalWrites } from './conditional-writes.ts';
import { CurrentVersion } from './current-version.ts';
import { LateRanges } from './late-ranges.ts';
import { LogSyncs } from './log-syncs.ts';
import type { SyncsOnMain } from './main-synced-fs.ts';
import { Patience } from './patience.ts';
import { toLsmError } from './protocol/errors.ts';
import type { WriterInit } from './protocol/posted-messages.ts';
import { WriteCode, writeCodeOf } from './protocol/writer-messages.ts';
import { RunInserter } from './run-inserter.ts';
import { StaleWriteFilter } from './stale-write-filter.ts';
import { type Inbox, SuperVersionTracker } from './super-version-tracker.ts';
import { VersionLookup } from './version-lookup.ts';
import { cutRunToOneFate, RunContent } from './write-run.ts';
import { WriterNews } from './writer-news.ts';

/** The size of one append: large enough for group commit, small enough that its first write need not wait long. */
const MAX_RUN_BYTES = 1024 * 1024;
/** The share of a memtable that one append may fill: tiny puts take four times as much room there as in a ring. */
const MAX_RUN_SHARE = 1 / 8;
/**
 * Keys that are to be linked later are so when nothing has come for a moment, and when there are many, unless they come
 * by runs of so many puts that this is a load: it leaves them to the flush, which sorts all of its memtable.
 */
const BULK_PUTS = 256;
/** So many are linked at a time, which takes some milliseconds. */
const MAX_UNLINKED_ENTRIES = 8192;
const LINK_DELAY_MS = 10;
/** The same where they are more: a load may go on. */
const LOAD_LINK_DELAY_MS = 100;
/** For so long after a scan has found keys in no order they are linked with their run. */
const ORDER_MS = 1000;
/**
 * A disk that was full works again when it has room for a memtable's log, or for so much: where small writes succeed
 * and large ones fail, its state would change with every write.
 */
const MOST_FOUND_ROOM_BYTES = 8 * 1024 * 1024;
const IDLE_SLEEP_MS = 1000;
const WAIT = Symbol('wait');
const MEMORY_SHORT = new LsmError(
  'OVERLOADED',
  'memtables are full and their flush has not caught up: try again later',
);
const NOT_NOTED = new LsmError('OVERLOADED', 'the manifest cannot be written: try again later');

/**
 * The only role that writes. It takes the run of writes that has gathered in its ring, appends it to the log as it lies
 * there, syncs, inserts it into the memtable, publishes it and answers. A write becomes visible only when it is as
 * durable as the options promise. `step` never blocks: threads/worker.ts has the loop that waits, and a simulation calls
 * `step` in its turn.
 */
export class WriterRole {
  readonly #clock: EngineClock;
  readonly #options: EngineOptions;
  readonly #words: Int32Array;
  readonly #requests: RingConsumer;
  readonly #responses: RingProducer;
  readonly #deadlines: WriteDeadlines;
  readonly #descriptors: DescriptorCache;
  readonly #tracker: SuperVersionTracker;
  readonly #versions: VersionLookup;
  readonly #staleWrites: StaleWriteFilter;
  readonly #conditions: ConditionalWrites;
  readonly #lateRanges: LateRanges;
  readonly #content = new RunContent();
  readonly #inserter: RunInserter;
  readonly #answers = new Answers();
  readonly #news: WriterNews;
  readonly #maxRunBytes: number;
  #generation: number;
  #memtable: Memtable;
  readonly #logs: LogSuccession;
  #fault: LsmError | undefined;
  /** How long it has waited for a memtable, and for the manifest to name the first log. */
  readonly #roomPatience: Patience;
  readonly #notePatience: Patience;
  /** Whether a start would notice that the log is missing. No write is acknowledged before. */
  #isNoted = false;
  /** Whether the current run waits for a memtable or for the note in the manifest. */
  #isWaiting = false;
  /** How many requests to seal a memtable have been carried out. */
  #sealsDone = 0;
  /** How many requests to sync the log have been seen. */
  #syncsSeen = 0;
  /** Whether a write that is to be synced may lie in this run or behind it. */
  #isSyncAsked = false;
  #lastSyncMs: number;
  #lastRunMs = 0;
  #orderRequestsSeen = 0;
  #orderedUntilMs = 0;
  readonly #syncs: LogSyncs;
  /** The last attempt to go over to the next log has failed. */
  #rotationFails = false;
  #finished = false;

  /** @param syncs for a thread that has more to do than to wait for the disk: main syncs its log */
  constructor(
    init: WriterInit,
    fs: FileSystem,
    inbox: Inbox,
    clock: EngineClock,
    syncs: SyncsOnMain | null = null,
  ) {
    this.#clock = clock;
    this.#syncs = new LogSyncs(syncs, init.options.memtableBytes);
    this.#logs = new LogSuccession(fs, init.directory);
    this.#options = init.options;
    this.#words = new Int32Array(init.control);
    this.#requests = new RingConsumer(init.requests);
    this.#inserter = new RunInserter(this.#content, this.#requests.bytes);
    this.#responses = new RingProducer(init.responses, { words: this.#words, index: ControlWord.doorbell });
    this.#news = new WriterNews(this.#responses);
    this.#deadlines = new WriteDeadlines(init.deadlines);
    this.#descriptors = new DescriptorCache(fs, init.options.maxOpenFilesPerThread);
    this.#tracker = new SuperVersionTracker(init.control, init.arenas, inbox, this.#descriptors);
    this.#refresh();
    const loader = new BlockLoader(fs, this.#descriptors, this.#words, init.thread);
    const lost = new LostVersions(fs, this.#descriptors);
    this.#versions = new VersionLookup(this.#tracker, this.#words, loader, lost, init.hashSeed);
    this.#staleWrites = new StaleWriteFilter(this.#versions, init.hashSeed, (error) =>
      this.#news.damaged(error),
    );
    const current = new CurrentVersion(this.#tracker, this.#words, loader, lost, init.hashSeed);
    this.#conditions = new ConditionalWrites(current, init.hashSeed);
    this.#lateRanges = new LateRanges(this.#versions);
    this.#generation = init.generation;
    this.#memtable = this.#tracker.memtable(init.arena);
    this.#lastSyncMs = clock.monotonicMs();
    this.#roomPatience = new Patience(clock, init.options.writeStallTimeoutMs);
    this.#notePatience = new Patience(clock, init.options.writeStallTimeoutMs);
    this.#maxRunBytes = Math.min(MAX_RUN_BYTES, init.options.memtableBytes * MAX_RUN_SHARE);
    for (const arena of init.arenas) this.#versions.sealed(new Memtable(arena).largestTimestamp);
    // A log that cannot be created now may be created at the first write: a full disk may have room by then.
    const failure = this.#beginLog();
    if (failure === undefined) return;
    this.#news.failing(failure);
    this.#responses.publish();
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** Writes one run. It returns false when there is nothing to do now. */
  step(): boolean {
    this.#isWaiting = false;
    if (!this.#requests.nextRun(this.#maxRunBytes)) return this.#idle();
    this.#refresh();
    this.#lastRunMs = this.#clock.monotonicMs();
    if (cutRunToOneFate(this.#requests, this.#deadlines, this.#lastRunMs)) {
      this.#answerRun(WriteCode.expired);
      // The next run starts its own wait for room.
      this.#roomPatience.end();
      this.#notePatience.end();
      this.#syncWhenDue();
      this.#requests.release();
      this.#responses.publish();
      return true;
    }
    this.#seeSyncRequests();
    const stopped = this.#fault ?? this.#endSync() ?? this.#makeRoom() ?? this.#openLog();
    // Earlier writes are synced in time, even when this run has to wait.
    if (stopped !== undefined) this.#syncWhenDue();
    if (stopped === WAIT) {
      this.#isWaiting = true;
      return false;
    }
    if (stopped === undefined) this.#writeRun();
    else this.#refuseRun(stopped);
    // In this order: see Answers.
    this.#requests.release();
    this.#responses.publish();
    this.#descriptors.trim();
    return true;
  }

  /**
   * In how many ms `step` has work without a new request: the run waits for a memtable, the log must be synced, or keys
   * linked.
   */
  get dueMs(): number {
    if (this.#isWaiting) return 1;
    const log = this.#logs.current;
    const isUnsynced = log !== undefined && log.syncedBytes !== log.lengthBytes;
    const isDue = this.#options.durability === 'interval' && isUnsynced && this.#fault === undefined;
    const syncMs = isDue ? this.#options.syncIntervalMs : Number.POSITIVE_INFINITY;
    return this.#memtable.unlinkedEntries > 0 ? Math.min(this.#linkDelayMs, syncMs) : syncMs;
  }

  get #linkDelayMs(): number {
    return this.#memtable.unlinkedEntries > MAX_UNLINKED_ENTRIES ? LOAD_LINK_DELAY_MS : LINK_DELAY_MS;
  }

  /** What it waits for when `step` has nothing to do. */
  get waitSite(): WaitSiteId {
    if (!this.#isWaiting) return WaitSiteId.requests;
    if (this.#syncs.isAwaited) return WaitSiteId.logSync;
    return this.#isNoted ? WaitSiteId.memtable : WaitSiteId.note;
  }

  /** @param waits of the thread that waits */
  waitForRequests(waits: WaitRecorder): void {
    const sleepMs = Math.min(this.dueMs, IDLE_SLEEP_MS);
    const site = this.waitSite;
    const began = waits.begin(site);
    // Nobody notifies this word, so this is a pause. After it the writer looks for the spare arena again.
    if (this.#isWaiting) Atomics.wait(this.#words, ControlWord.pause, 0, sleepMs);
    else this.#requests.wait(sleepMs);
    waits.end(site, began);
  }

  /** Closes its files, as the end of its thread would. */
  close(): void {
    this.#descriptors.closeAll();
    this.#logs.close();
  }

  #refresh(): void {
    this.#tracker.refresh();
    // From here on the writer uses only the latest super-version, so main may free what only older ones refer to.
    Atomics.store(this.#words, ControlWord.writerSuperVersionEpoch, this.#tracker.seenEpoch);
  }

  #openLog(): LsmError | typeof WAIT | undefined {
    const failure = this.#logs.current === undefined ? this.#beginLog() : undefined;
    return failure !== undefined || this.#isNoted ? failure : this.#awaitNote();
  }

  #beginLog(): LsmError | undefined {
    try {
      this.#logs.open(this.#generation);
    } catch (error) {
      return toLsmError(error, 'creating the log');
    }
    this.#news.begun(this.#generation);
    return undefined;
  }

  #awaitNote(): LsmError | typeof WAIT | undefined {
    // Main stores the generation when the manifest edit is durable.
    this.#isNoted = Atomics.load(this.#words, ControlWord.notedGeneration) === this.#generation;
    // When main closes the store it notes nothing more. By then all writes are answered, and only requests that wake the
    // writer can be in the ring.
    if (!this.#isNoted) return !this.#isStopped && this.#waits(this.#notePatience) ? WAIT : NOT_NOTED;
    this.#notePatience.end();
    return undefined;
  }

  #idle(): boolean {
    this.#refresh();
    const isPause = this.#clock.monotonicMs() - this.#lastRunMs >= this.#linkDelayMs;
    if (isPause) this.#memtable.linkNew(MAX_UNLINKED_ENTRIES);
    const synced = this.#endSync();
    this.#syncWhenDue();
    if (synced === WAIT) return false;
    if (synced !== undefined) this.#responses.publish();
    // In this order: main publishes its last write before it stores the word, so whoever sees the word sees that write.
    if (this.#isStopped && this.#requests.empty && !this.#finished) {
      if (this.#syncs.awaitEnd()) return false;
      this.#finished = true;
      this.#finish();
    }
    // What came meanwhile is first, so that it does not wait for all of them.
    return isPause && !this.#finished && this.#memtable.unlinkedEntries > 0;
  }

  #finish(): void {
    try {
      if (this.#fault === undefined) this.#logs.finish();
    } catch (error) {
      const failure = toLsmError(error, 'closing the log');
      // After any other failure everything is synced, and only the mark that says so is missing.
      if (failure.code === 'POISONED') this.#fail(failure);
    }
    this.close();
    this.#responses.publish();
  }

  /** Looks whether a write that is to be synced may be in this run. */
  #seeSyncRequests(): void {
    // Acquire: main stores the request before it publishes the write, so who has the write sees the request.
    const requests = Atomics.load(this.#words, ControlWord.syncRequests);
    if (requests !== this.#syncsSeen) {
      this.#syncsSeen = requests;
      this.#isSyncAsked = true;
    }
    if (this.#isSyncAsked) this.#syncs.awaitEnd();
  }

  /**
   * Syncs this run if a write that asks for it may be in it. What was answered before is in this log too, or in one
   * before, which was synced when it ended.
   * @throws LsmError POISONED
   */
  #syncWhenAsked(log: LogWriter): void {
    if (!this.#isSyncAsked) return;
    log.sync();
    // Ordered behind the load of requests. One may be seen before its write comes: then the run with it is synced, too.
    const frames = Atomics.load(this.#words, ControlWord.syncFrames);
    this.#isSyncAsked = ((frames - this.#requests.framesTaken) | 0) > 0;
  }

  /** Whatever main does: its loop, or Node's pool, may have something else to do for seconds. */
  #syncWhenDue(): void {
    const log = this.#logs.current;
    if (this.#options.durability !== 'interval' || log === undefined || this.#fault !== undefined) return;
    const now = this.#clock.monotonicMs();
    if (now - this.#lastSyncMs < this.#options.syncIntervalMs) return;
    this.#lastSyncMs = now;
    if (log.syncedBytes === log.lengthBytes) return;
    try {
      if (this.#syncs.isUnderWay) log.syncBeside();
      else log.sync();
    } catch (error) {
      this.#fail(toLsmError(error, 'syncing the log'));
      this.#responses.publish();
    }
  }

  /** Returns undefined when the run fits, WAIT when it does not fit yet, or an error when it has waited too long. */
  #makeRoom(): LsmError | typeof WAIT | undefined {
    this.#content.take(this.#requests);
    const needed = this.#content.entryBytes;
    if (needed <= this.#memtable.bytes.length - this.#memtable.usedBytes && !this.#sealAsked()) {
      this.#roomPatience.end();
      // With an empty run main asks whether writes would succeed now. Small ones succeed even while rotations fail.
      return needed === 0 && this.#rotationFails ? this.#prepareRotation() : undefined;
    }
    // Acquire: main announced the arena before it stored its number here.
    const spare = Atomics.load(this.#words, ControlWord.spareArena);
    if (spare === 0) return this.#waits(this.#roomPatience) ? WAIT : MEMORY_SHORT;
    const log = this.#logs.current;
    if (log !== undefined && this.#syncs.endsUnsynced(log)) return WAIT;
    // Main may have made this arena since the writer last looked at its inbox.
    this.#refresh();
    // As in sealAsked: everybody who has asked so far has its writes in this memtable or an older one.
    const seals = Atomics.load(this.#words, ControlWord.sealRequests);
    try {
      this.#rotate(spare - 1);
      this.#rotationFails = false;
      this.#sealsDone = seals;
    } catch (error) {
      this.#rotationFails = true;
      const failure = toLsmError(error, 'starting a new log');
      if (failure.code === 'POISONED') this.#fail(failure);
      return failure;
    }
    this.#roomPatience.end();
    return undefined;
  }

  /** Takes note of the end of a sync of main's; WAIT: it is under way, and nothing is done before. */
  #endSync(): LsmError | typeof WAIT | undefined {
    try {
      this.#syncs.look();
    } catch (error) {
      const failure = toLsmError(error, 'syncing the log');
      this.#fail(failure);
      return failure;
    }
    return this.#syncs.isAwaited ? WAIT : undefined;
  }

  /** Whether the run goes on waiting for what main does. */
  #waits(patience: Patience): boolean {
    // Any recent value will do: it is looked at again in a moment.
    const isDone = Atomics.load(this.#words, ControlWord.stallFails) === 0;
    if (this.#options.whenFull === 'refuse' || !isDone) return patience.waits();
    patience.end();
    return true;
  }

  /**
   * Whether main wants this memtable to be flushed to a table. An empty one need not be. When main closes the store it
   * gives out no more memtables, so the writer must not wait for one: the log has everything that this one holds.
   */
  #sealAsked(): boolean {
    if (this.#isStopped) return false;
    // Main counts this up before it publishes the request that wakes the writer.
    const requests = Atomics.load(this.#words, ControlWord.sealRequests);
    if (requests === this.#sealsDone) return false;
    if (this.#memtable.entries > 0) return true;
    this.#sealsDone = requests;
    return false;
  }

  /** Whether main closes the store. */
  get #isStopped(): boolean {
    // Acquire: main stores the word before it publishes the request that wakes the writer.
    return Atomics.load(this.#words, ControlWord.stop) === 1;
  }

  #prepareRotation(): LsmError | undefined {
    try {
      this.#logs.prepare(this.#generation + 1);
      this.#rotationFails = false;
      return undefined;
    } catch (error) {
      return toLsmError(error, 'starting a new log');
    }
  }

  #rotate(arena: number): void {
    const next = this.#generation + 1;
    // A step that fails is tried again with the next run. A run that fits into this memtable is still written.
    this.#logs.succeed(next);
    this.#versions.sealed(this.#memtable.largestTimestamp);
    this.#memtable = this.#tracker.memtable(arena);
    this.#memtable.reset(next);
    this.#generation = next;
    // The arena is stored before the generation that refers to it: see the invariant in control.ts.
    Atomics.store(this.#words, ControlWord.generationArena + (next & (GENERATION_SLOTS - 1)), arena);
    Atomics.store(this.#words, ControlWord.activeGeneration, next);
    // The mailbox is emptied last, because main may refill it at once.
    Atomics.store(this.#words, ControlWord.spareArena, 0);
    // The mark at the end of the previous log says that this one was begun.
    this.#isNoted = true;
    this.#news.rotated(next);
  }

  #writeRun(): void {
    this.#staleWrites.begin();
    const { hasConditions, hasRanges, smallestTimestamp } = this.#content;
    if (hasConditions)
      this.#conditions.judge(this.#requests, this.#memtable, this.#generation, this.#staleWrites);
    if (hasRanges) this.#lateRanges.drop(this.#requests, this.#memtable, this.#staleWrites);
    const { bytes, runStart, runEnd } = this.#requests;
    const log = this.#logs.current as LogWriter;
    const mustLook = this.#versions.mustLook(smallestTimestamp);
    if (mustLook) this.#staleWrites.drop(this.#requests, this.#memtable, this.#generation);
    // Some may have been dropped, and the run may end sooner.
    if (hasConditions || hasRanges || mustLook) this.#content.take(this.#requests);
    try {
      log.append(bytes, runStart, runEnd);
      if (this.#options.durability === 'sync') log.sync();
      else this.#syncWhenAsked(log);
    } catch (error) {
      const failure = toLsmError(error, 'writing the log');
      if (failure.code === 'POISONED') this.#fail(failure);
      else this.#cutBack(log);
      this.#refuseRun(failure);
      // Earlier writes are synced in time, however many are refused.
      this.#syncWhenDue();
      return;
    }
    this.#insertRun();
    if (!this.#rotationFails) this.#sayWorking(log);
    this.#syncWhenDue();
    this.#syncs.syncAhead(log);
  }

  #sayWorking(log: LogWriter): void {
    if (this.#news.isSpaceShort) {
      // Looked for with an empty run alone, with which main asks once a second, and not at every write; and with nothing
      // that a sync under way would write to the disk.
      if (this.#content.entryBytes > 0 || this.#syncs.isUnderWay) return;
      try {
        log.findRoom(Math.min(MOST_FOUND_ROOM_BYTES, this.#options.memtableBytes));
      } catch (error) {
        this.#news.failing(toLsmError(error, 'looking for room'));
        return;
      }
    }
    this.#news.working();
  }

  /** Cuts off what was half written. When that fails, the next append cuts first. */
  #cutBack(log: LogWriter): void {
    try {
      log.cutBack();
    } catch {
      // The failed write is reported. Until the cut succeeds, nothing is appended behind it.
    }
  }

  #insertRun(): void {
    const { bytes, runStart, runEnd } = this.#requests;
    const memtable = this.#memtable;
    const inserter = this.#inserter;
    const answer = this.#beginAnswers();
    inserter.begin(memtable);
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
      const code = inserter.insertFrame();
      const { metTimestamp, metWriter } = inserter;
      const tag = frameTag(bytes, at);
      // When the memtable met no version of the key, what older memtables and tables hold decides.
      const found = metTimestamp === 0 ? this.#staleWrites.found(tag) : undefined;
      if (found === undefined) answer.add(tag, code, metTimestamp, metWriter);
      else
        answer.add(tag, code === WriteCode.applied ? code : found.code, found.metTimestamp, found.metWriter);
    }
    const { puts } = this.#content;
    if (this.#isOrderWanted() || (puts < BULK_PUTS && memtable.unlinkedEntries > MAX_UNLINKED_ENTRIES))
      memtable.linkNew(MAX_UNLINKED_ENTRIES + puts);
    // The run becomes visible only now: the log has it, and all puts of a batch appear together.
    memtable.publish();
  }

  /** Whether a scan has found keys in no order lately. */
  #isOrderWanted(): boolean {
    // Any recent value will do: scans sort what is not linked for themselves.
    const requests = Atomics.load(this.#words, ControlWord.orderRequests);
    if (requests !== this.#orderRequestsSeen) {
      this.#orderRequestsSeen = requests;
      this.#orderedUntilMs = this.#lastRunMs + ORDER_MS;
    }
    return this.#lastRunMs < this.#orderedUntilMs;
  }

  #refuseRun(failure: LsmError): void {
    this.#news.failing(failure);
    this.#answerRun(writeCodeOf(failure));
  }

  #answerRun(code: WriteCode): void {
    const { bytes, runStart, runEnd } = this.#requests;
    const answer = this.#beginAnswers();
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at))
      answer.add(frameTag(bytes, at), code, 0, 0);
  }

  #beginAnswers(): Answers {
    this.#answers.begin(this.#responses, this.#requests.runFrames);
    return this.#answers;
  }

  #fail(error: LsmError): void {
    // Of two syncs under way each may fail.
    if (this.#fault !== undefined) return;
    this.#fault =
      error.code === 'POISONED' ? error : new LsmError('POISONED', error.message, { cause: error });
    this.#news.fault(this.#fault);
  }
}
