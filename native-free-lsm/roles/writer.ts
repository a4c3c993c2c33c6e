import type { EngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import { recordTimestamp, recordWriter, writeUint32 } from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { BlockLoader } from '../lookup/block-loader.ts';
import { InsertStatus, Memtable } from '../memtable/memtable.ts';
import type { EngineOptions } from '../options.ts';
import { ControlWord, GENERATION_SLOTS } from '../shared/control.ts';
import {
  FRAME_HEADER_BYTES,
  frameLength,
  frameTag,
  nextFrame,
  RingConsumer,
  RingProducer,
} from '../shared/ring.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { LogWriter } from '../wal/log-writer.ts';
import { OperationCursor } from '../wal/write-operation.ts';
import type { WriterInit } from './messages.ts';
import {
  COMPLETION_BYTES,
  encodeError,
  toLsmError,
  WriteCode,
  WriterTag,
  writeCodeOf,
  writeCompletion,
} from './protocol.ts';
import { VersionGate } from './version-gate.ts';
import { type Inbox, ViewTracker } from './view-tracker.ts';

/** One append: large enough for group commit, small enough that the first in it does not wait for the last. */
const MAX_RUN_BYTES = 1024 * 1024;
const COMPLETIONS_PER_FRAME = 1024;
const WAIT = Symbol('wait');

/** What became of a write that never reached the memtable. */
interface Dropped {
  readonly code: WriteCode;
  readonly metTimestamp: number;
  readonly metWriter: number;
}

/**
 * The one thread that writes: takes what has gathered in its ring, appends it to the log as it lies there,
 * syncs, inserts into the memtable, publishes, and answers. A write is visible only once it is as durable as
 * promised. `step` never blocks; the loop around it waits (worker.ts), or a simulation calls it in turn.
 */
export class WriterRole {
  readonly #fs: FileSystem;
  readonly #clock: EngineClock;
  readonly #directory: string;
  readonly #options: EngineOptions;
  readonly #words: Int32Array;
  readonly #requests: RingConsumer;
  readonly #responses: RingProducer;
  readonly #descriptors: DescriptorCache;
  readonly #tracker: ViewTracker;
  readonly #gate: VersionGate;
  readonly #cursor = new OperationCursor();
  readonly #answers = new Answers();
  /** Writes of this run that are outdone by older memtables or tables, by tag: rare, hence a Map. */
  readonly #dropped = new Map<number, Dropped>();
  #generation: number;
  #memtable: Memtable;
  #log: LogWriter | undefined;
  #fault: LsmError | undefined;
  #stalledSinceMs = -1;
  #lastSyncMs: number;
  #finished = false;

  constructor(init: WriterInit, fs: FileSystem, inbox: Inbox, clock: EngineClock) {
    this.#fs = fs;
    this.#clock = clock;
    this.#directory = init.directory;
    this.#options = init.options;
    this.#words = new Int32Array(init.control);
    this.#requests = new RingConsumer(init.requests);
    this.#responses = new RingProducer(init.responses, { words: this.#words, index: ControlWord.doorbell });
    this.#descriptors = new DescriptorCache(fs, init.options.maxOpenFilesPerThread);
    this.#tracker = new ViewTracker(init.control, init.arenas, inbox, this.#descriptors);
    this.#tracker.refresh();
    const loader = new BlockLoader(fs, this.#descriptors, this.#words, init.thread);
    this.#gate = new VersionGate(this.#tracker, this.#words, loader);
    this.#generation = init.generation;
    this.#memtable = this.#tracker.memtable(init.arena);
    this.#lastSyncMs = clock.monotonicMs();
    for (const arena of init.arenas) this.#gate.sealed(new Memtable(arena).largestTimestamp);
    try {
      this.#log = LogWriter.create(fs, init.directory, init.generation);
    } catch (error) {
      this.#fail(toLsmError(error, 'creating the log'));
    }
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** Does one batch of work; false when there is nothing to do now. */
  step(): boolean {
    if (!this.#requests.nextRun(MAX_RUN_BYTES)) return this.#idle();
    this.#tracker.refresh();
    const stopped = this.#fault ?? this.#makeRoom();
    if (stopped === WAIT) return false;
    if (stopped === undefined) this.#writeRun();
    else this.#answerRun(writeCodeOf(stopped));
    this.#requests.release();
    this.#responses.publish();
    this.#descriptors.trim();
    return true;
  }

  /** How long the loop may sleep before `step` is due again though nothing arrives. */
  get sleepMs(): number {
    if (this.#stalledSinceMs >= 0) return 1;
    return this.#options.durability === 'interval' ? Math.min(this.#options.syncIntervalMs, 1000) : 1000;
  }

  waitForRequests(): void {
    if (this.#stalledSinceMs >= 0) Atomics.wait(this.#words, ControlWord.pause, 0, this.sleepMs);
    else this.#requests.wait(this.sleepMs);
  }

  #idle(): boolean {
    this.#tracker.refresh();
    this.#syncWhenDue();
    // Loaded after the ring was found empty: main publishes its last request before it stores the word.
    if (Atomics.load(this.#words, ControlWord.stop) === 1 && this.#requests.empty && !this.#finished) {
      this.#finished = true;
      this.#finish();
    }
    return false;
  }

  #finish(): void {
    this.#descriptors.closeAll();
    if (this.#log === undefined) return;
    try {
      if (this.#fault === undefined) this.#log.finish();
      else this.#log.close();
    } catch (error) {
      this.#fail(toLsmError(error, 'closing the log'));
    }
    this.#responses.publish();
  }

  #syncWhenDue(): void {
    if (this.#options.durability !== 'interval' || this.#log === undefined || this.#fault !== undefined) return;
    const now = this.#clock.monotonicMs();
    if (now - this.#lastSyncMs < this.#options.syncIntervalMs) return;
    this.#lastSyncMs = now;
    if (this.#log.syncedBytes === this.#log.lengthBytes) return;
    try {
      this.#log.sync();
    } catch (error) {
      this.#fail(toLsmError(error, 'syncing the log'));
      this.#responses.publish();
    }
  }

  /** Undefined: the run fits. WAIT: not yet. An error: it has waited too long. */
  #makeRoom(): LsmError | typeof WAIT | undefined {
    const needed = this.#runEntryBytes();
    if (needed <= this.#memtable.bytes.length - this.#memtable.usedBytes && !this.#sealAsked()) return undefined;
    const spare = Atomics.load(this.#words, ControlWord.spareArena);
    if (spare === 0) return this.#stall();
    try {
      this.#rotate(spare - 1);
    } catch (error) {
      const failure = toLsmError(error, 'starting a new log');
      if (failure.code === 'POISONED') this.#fail(failure);
      return failure;
    }
    this.#stalledSinceMs = -1;
    return undefined;
  }

  /** Main wants this memtable in a table (flush); an empty one has nothing to bring there. */
  #sealAsked(): boolean {
    // Stored by main before the request that woke us was published.
    const upTo = Atomics.load(this.#words, ControlWord.sealUpTo);
    return upTo >= this.#generation && this.#memtable.entries > 0;
  }

  #runEntryBytes(): number {
    const { bytes, runStart, runEnd } = this.#requests;
    const cursor = this.#cursor;
    let needed = 0;
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
      cursor.reset(bytes, at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + frameLength(bytes, at));
      while (cursor.next()) {
        needed += Memtable.entryBytes(cursor.keyEnd - cursor.keyStart, cursor.recordEnd - cursor.recordStart);
      }
    }
    return needed;
  }

  #stall(): LsmError | typeof WAIT {
    const now = this.#clock.monotonicMs();
    if (this.#stalledSinceMs < 0) this.#stalledSinceMs = now;
    if (now - this.#stalledSinceMs < this.#options.writeStallTimeoutMs) return WAIT;
    return new LsmError('OVERLOADED', 'memtables are full and their flush has not caught up: try again later');
  }

  #rotate(arena: number): void {
    const next = this.#generation + 1;
    const log = LogWriter.create(this.#fs, this.#directory, next);
    try {
      this.#log?.finish();
    } catch (error) {
      log.close();
      throw error;
    }
    this.#log = log;
    this.#gate.sealed(this.#memtable.largestTimestamp);
    this.#memtable = this.#tracker.memtable(arena);
    this.#memtable.reset(next);
    this.#generation = next;
    // The arena's place before the number that names it: see the invariant in control.ts.
    Atomics.store(this.#words, ControlWord.generationArena + (next & (GENERATION_SLOTS - 1)), arena);
    Atomics.store(this.#words, ControlWord.activeGeneration, next);
    // Empties the mailbox last: main may refill it at once.
    Atomics.store(this.#words, ControlWord.spareArena, 0);
    const at = this.#responses.reserve(4);
    writeUint32(this.#responses.bytes, at, next);
    this.#responses.push(WriterTag.rotated);
    this.#responses.publish();
  }

  #writeRun(): void {
    const { bytes, runStart, runEnd } = this.#requests;
    const log = this.#log as LogWriter;
    this.#dropStale();
    try {
      log.append(bytes, runStart, runEnd);
      if (this.#options.durability === 'sync') log.sync();
    } catch (error) {
      const failure = toLsmError(error, 'writing the log');
      if (failure.code === 'POISONED') this.#fail(failure);
      else this.#cutBack(log);
      this.#answerRun(writeCodeOf(failure));
      return;
    }
    this.#insertRun();
    this.#syncWhenDue();
  }

  /** What was half written must not stay in front of what comes later. */
  #cutBack(log: LogWriter): void {
    try {
      log.cutBack();
    } catch (error) {
      const failure = toLsmError(error, 'cutting the log back');
      this.#fail(new LsmError('POISONED', failure.message, { cause: error }));
    }
  }

  /** Marks the operations that older memtables or tables outdo, so that a replay leaves them out too. */
  #dropStale(): void {
    const { bytes, runStart, runEnd } = this.#requests;
    const cursor = this.#cursor;
    this.#dropped.clear();
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
      cursor.reset(bytes, at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + frameLength(bytes, at));
      while (cursor.next()) {
        if (this.#gate.mustLook(recordTimestamp(bytes, cursor.recordStart))) this.#dropIfOutdone(frameTag(bytes, at));
      }
    }
  }

  #dropIfOutdone(tag: number): void {
    const { bytes } = this.#requests;
    const { keyStart, keyEnd, recordStart } = this.#cursor;
    const memtable = this.#memtable;
    // What the active memtable holds is newer than anything below it, and insert compares with that itself.
    if (memtable.find(bytes, keyStart, keyEnd, memtable.publishedOffset) !== 0) return;
    const timestamp = recordTimestamp(bytes, recordStart);
    const gate = this.#gate;
    let code: WriteCode = WriteCode.stale;
    try {
      if (!gate.holdsNewer(this.#generation, bytes, keyStart, keyEnd, timestamp, recordWriter(bytes, recordStart))) {
        return;
      }
    } catch (error) {
      code = writeCodeOf(toLsmError(error, 'looking for an older version'));
    }
    this.#cursor.drop();
    this.#dropped.set(tag, { code, metTimestamp: gate.metTimestamp, metWriter: gate.metWriter });
  }

  #insertRun(): void {
    const { bytes, runStart, runEnd } = this.#requests;
    const cursor = this.#cursor;
    const memtable = this.#memtable;
    const answer = this.#beginAnswers();
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
      cursor.reset(bytes, at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + frameLength(bytes, at));
      let code: WriteCode = WriteCode.stale;
      let metTimestamp = 0;
      let metWriter = 0;
      while (cursor.next()) {
        const { keyStart, keyEnd, recordStart, recordEnd } = cursor;
        const status = memtable.insert(bytes, keyStart, keyEnd, bytes, recordStart, recordEnd);
        if (status === InsertStatus.applied) code = WriteCode.applied;
        metTimestamp = memtable.metTimestamp;
        metWriter = memtable.metWriter;
      }
      const tag = frameTag(bytes, at);
      const dropped = code === WriteCode.applied ? undefined : this.#dropped.get(tag);
      if (dropped === undefined) answer.add(tag, code, metTimestamp, metWriter);
      else answer.add(tag, dropped.code, dropped.metTimestamp, dropped.metWriter);
    }
    // Visible only now: the log has it, and a batch's operations appear together.
    memtable.publish();
    answer.end();
  }

  #answerRun(code: WriteCode): void {
    const { bytes, runStart, runEnd } = this.#requests;
    const answer = this.#beginAnswers();
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) answer.add(frameTag(bytes, at), code, 0, 0);
    answer.end();
  }

  #beginAnswers(): Answers {
    const frames = this.#requests.runFrames;
    this.#answers.begin(this.#responses, frames);
    return this.#answers;
  }

  #fail(error: LsmError): void {
    this.#fault = error.code === 'POISONED' ? error : new LsmError('POISONED', error.message, { cause: error });
    const body = encodeError(this.#fault);
    const at = this.#responses.reserve(body.length);
    this.#responses.bytes.set(body, at);
    this.#responses.push(WriterTag.fault);
  }
}

/**
 * Packs a run's completions into as few frames as they need. Main has fewer writes under way than the response
 * ring has room for, so there is always room (see WriteQueue).
 */
class Answers {
  #responses!: RingProducer;
  #left = 0;
  #inFrame = 0;
  #at = 0;

  begin(responses: RingProducer, count: number): void {
    this.#responses = responses;
    this.#left = count;
    this.#inFrame = 0;
  }

  add(tag: number, code: WriteCode, metTimestamp: number, metWriter: number): void {
    if (this.#inFrame === 0) {
      this.#inFrame = Math.min(this.#left, COMPLETIONS_PER_FRAME);
      this.#at = this.#responses.reserve(this.#inFrame * COMPLETION_BYTES);
    }
    writeCompletion(this.#responses.bytes, this.#at, tag, code, metTimestamp, metWriter);
    this.#at += COMPLETION_BYTES;
    this.#left--;
    if (--this.#inFrame === 0) this.#responses.push(WriterTag.completions);
  }

  end(): void {
    this.#responses.publish();
  }
}
