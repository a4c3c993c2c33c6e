import { CallTable, NO_CALL } from '../call-table.ts';
import type { EngineClock } from '../clock.ts';
import type { LsmError } from '../errors.ts';
import { frameLength, frameTag, nextFrame, payloadStart } from '../format/frame.ts';
import {
  conditionRecord,
  encodeBatch,
  encodePut,
  encodeRange,
  putOperationBytes,
} from '../log/write-operation.ts';
import { ENGINE_WAITS } from '../shared/main-waits.ts';
import type { RingConsumer, RingProducer } from '../shared/ring.ts';
import type { WriteDeadlines } from '../shared/write-deadlines.ts';
import { decodeError } from '../threads/protocol/errors.ts';
import {
  COMPLETION_BYTES,
  Completion,
  decodeCompletion,
  decodeFailing,
  decodeGeneration,
  encodeWriterWake,
  errorOfWriteCode,
  WRITER_WAKE_BYTES,
  WriteCode,
  WriterAnswerKind,
} from '../threads/protocol/writer-messages.ts';
import { HeldWrites } from './held-writes.ts';
import { batchOf, NO_CONDITIONS, onePut, type QueuedWrite, rangeOf, WriteKind } from './queued-write.ts';
import {
  answerWrite,
  type DirectBatch,
  type KeyCondition,
  type KeyedRecord,
  type WriteSink,
  WriteStatus,
} from './sinks.ts';
import { NEVER, OPERATION_OVERHEAD_BYTES } from './write-checks.ts';

/**
 * So many bytes the response ring has for each write that may be in the writer's ring at one time: room for the completions
 * of all of them. A ring that has started again has an eighth of its size as room, and a single completion takes 32 bytes
 * of it.
 */
export const RESPONSE_BYTES_PER_WRITE = 512;

/** A write in the ring. */
interface WriteCall {
  sink: WriteSink;
  token: number;
}

export interface WriterEvents {
  /** The writer now writes the memtable and the log of this generation. */
  onRotated(generation: number): void;
  /** The writer has begun its first log. */
  onBegun(generation: number): void;
  /** No write is acknowledged any more. */
  onFault(error: LsmError): void;
  /** From now on writes fail with this error; undefined: they succeed again. */
  onFailing(error: LsmError | undefined): void;
  /** A table that a write had to look into is damaged. */
  onDamage(error: LsmError): void;
  /** The last of so many frames that were pushed is to be synced before it is answered. Called before `onQueued`. */
  onSyncAsked(framesPushed: number): void;
  /** Something was put into the ring, and must be published by the end of the turn. */
  onQueued(): void;
}

/**
 * Main's end of the write path. It encodes writes directly into the writer's ring and passes their completions to the
 * sinks. Writes for which the ring has no room wait here in order, up to a bound; beyond it writes fail at once.
 */
export class WriteQueue {
  readonly #requests: RingProducer;
  readonly #responses: RingConsumer;
  readonly #maxWritesInRing: number;
  readonly #events: WriterEvents;
  readonly #maxWaitingBytes: number;
  /** Beyond it there may be no room for a batch. */
  readonly #fullBytes: number;
  readonly #deadlines: WriteDeadlines;
  readonly #clock: EngineClock;
  readonly #calls = new CallTable<WriteCall>();
  readonly #completion = new Completion();
  #waiting: QueuedWrite[] = [];
  #waitingBytes = 0;
  /** While any waits. */
  #waitBeganMs = 0;
  readonly #held = new HeldWrites();
  readonly #stallTimeoutMs: number;
  #failure: LsmError | undefined;
  #isFailureTold = false;
  /** Why writes fail at the moment, as the writer has told. */
  #failing: LsmError | undefined;
  #idleWaiters: (() => void)[] = [];
  #roomWaiters: (() => void)[] = [];

  constructor(
    requests: RingProducer,
    responses: RingConsumer,
    deadlines: WriteDeadlines,
    maxWaitingBytes: number,
    maxBatchBytes: number,
    stallTimeoutMs: number,
    clock: EngineClock,
    events: WriterEvents,
  ) {
    this.#fullBytes = Math.max(0, maxWaitingBytes - maxBatchBytes - OPERATION_OVERHEAD_BYTES);
    this.#requests = requests;
    this.#responses = responses;
    this.#maxWritesInRing = responses.bytes.length / RESPONSE_BYTES_PER_WRITE;
    this.#deadlines = deadlines;
    this.#maxWaitingBytes = maxWaitingBytes;
    this.#stallTimeoutMs = stallTimeoutMs;
    this.#clock = clock;
    this.#events = events;
  }

  get inFlight(): number {
    return this.#calls.count + this.#waiting.length + this.#held.count;
  }

  /** Whether the next write may be refused because too many wait. One is always taken. */
  get isFull(): boolean {
    return this.#waitingBytes > this.#fullBytes;
  }

  /** Calls back once when it is not full any more, or closed. The caller may write then, and look again. */
  whenRoom(callback: () => void): void {
    this.#roomWaiters.push(callback);
  }

  /**
   * @param deadlineMs in the executor's monotonic time: a write that was not begun by then fails
   * @param isSynced whether it is synced before it is answered, whatever the durability
   */
  put(
    key: Uint8Array,
    record: Uint8Array,
    sink: WriteSink,
    token: number,
    deadlineMs = NEVER,
    isSynced = false,
  ): void {
    const payloadBytes = putOperationBytes(key.length, record.length);
    if (this.#failure !== undefined) fail(sink, token, this.#told(this.#failure));
    else if (this.#held.holdsPut(key, record))
      this.#hold(onePut(key, record, payloadBytes, sink, token, deadlineMs, isSynced));
    else if (
      this.#waiting.length > 0 ||
      !this.#pushPut(key, record, payloadBytes, sink, token, deadlineMs, isSynced)
    ) {
      this.#wait(onePut(key, record, payloadBytes, sink, token, deadlineMs, isSynced));
    }
  }

  /**
   * Puts records one by one. Resolves when each is stored, or the same or something newer is there.
   * @returns whether any was stored
   * @throws LsmError why one of them could not be put
   */
  async putAll(puts: readonly KeyedRecord[]): Promise<boolean> {
    const one = ({ key, record }: KeyedRecord): Promise<boolean> =>
      new Promise((resolve, reject) => {
        this.put(key, record, settling(resolve, reject), 0);
      });
    return (await Promise.all(puts.map(one))).includes(true);
  }

  /** All puts of a batch become durable and visible together. */
  batch(puts: readonly KeyedRecord[], sink: WriteSink, token: number, isSynced = false): void {
    this.#accept(puts, NO_CONDITIONS, sink, token, isSynced);
  }

  /**
   * As `batch`, if it can go into the ring now: nothing is held back, and there is room.
   * @returns whether it has gone
   */
  pushDirectly(batch: DirectBatch, sink: WriteSink, token: number, isSynced: boolean): boolean {
    if (this.#failure !== undefined || this.#waiting.length > 0 || !this.#held.isIdle) return false;
    const at = this.#reserve(batch.operationBytes);
    if (at === -1 || !batch.encode(this.#requests.bytes, at)) return false;
    this.#pushed(sink, token, NEVER, isSynced);
    return true;
  }

  /** A batch that is applied if all conditions are met when its turn comes. */
  conditionalBatch(
    conditions: readonly KeyCondition[],
    puts: readonly KeyedRecord[],
    sink: WriteSink,
    token: number,
    isSynced: boolean,
  ): void {
    const encoded = conditions.map(({ key, nowMs, timestamp }) => ({
      key,
      record: conditionRecord(timestamp, nowMs),
    }));
    this.#accept(puts, encoded, sink, token, isSynced);
  }

  #accept(
    puts: readonly KeyedRecord[],
    conditions: readonly KeyedRecord[],
    sink: WriteSink,
    token: number,
    isSynced: boolean,
  ): void {
    this.#take(batchOf(puts, conditions, sink, token, isSynced, this.#held.lastBatch));
  }

  /** A range tombstone: `put.key` is where it begins, and its record is a `rangeRecord`. */
  range(put: KeyedRecord, sink: WriteSink, token: number, isSynced: boolean): void {
    this.#take(rangeOf(put, sink, token, isSynced));
  }

  #take(write: QueuedWrite): void {
    const { sink, token } = write;
    if (this.#failure !== undefined) fail(sink, token, this.#told(this.#failure));
    else if (this.#held.holds(write)) this.#hold(write);
    else this.#enqueue(write);
  }

  /**
   * From now on writes of a timestamp up to this one are held back. Resolves when none of them is under way any more:
   * each is visible or was refused. Call `release` in any case.
   * @throws LsmError when nobody knows: the writer refuses what it is asked
   */
  hold(upTo: number): Promise<void> {
    this.#held.holdUpTo(upTo);
    return this.barrierUnderWay();
  }

  /** Passes on what was held back. */
  release(): void {
    this.#held.releaseUpTo();
    this.#passOn();
  }

  /**
   * A large batch is called: conditional writes that come from now on are held back until it has ended.
   * @returns its number
   */
  batchBegun(): number {
    return this.#held.batchBegun();
  }

  /** It is answered, or about to be; to say it twice does nothing. */
  batchEnded(batch: number): void {
    this.#held.batchEnded(batch);
    this.#passOn();
  }

  /** Whether a large batch was called that is not in force yet. */
  get awaitsBatch(): boolean {
    return this.#held.hasBatches;
  }

  /** Takes up what is held back for no reason any more. */
  #passOn(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const write of this.#held.takeReleased()) {
      this.#waitingBytes -= write.payloadBytes;
      if (write.deadlineMs <= nowMs) fail(write.sink, write.token, errorOfWriteCode(WriteCode.expired));
      else this.#enqueue(write);
    }
    this.#wakeWaiters();
  }

  /** Fails what was held back. */
  refuseHeld(error: LsmError): void {
    this.#held.releaseUpTo();
    this.#refuse(this.#held.takeAll(), error);
  }

  /**
   * What is held back waits for something that has failed for so long: refuses what has waited long enough.
   */
  stalled(forMs: number): void {
    if (forMs < this.#stallTimeoutMs || this.#held.count === 0) return;
    const late = this.#held.takeHeldSince(this.#clock.monotonicMs() - this.#stallTimeoutMs);
    if (late.length === 0) return;
    this.#refuse(late, errorOfWriteCode(WriteCode.overloaded));
    // Others may have been held back for the sake of those alone.
    this.#passOn();
  }

  #refuse(held: readonly QueuedWrite[], error: LsmError): void {
    for (const { payloadBytes, sink, token } of held) {
      this.#waitingBytes -= payloadBytes;
      fail(sink, token, error);
    }
    this.#wakeWaiters();
  }

  /** Has the writer look at its control words, and check whether writes succeed now. */
  wake(): void {
    const at = this.#requests.reserve(WRITER_WAKE_BYTES);
    if (at === -1) return;
    encodeWriterWake(this.#requests.bytes, at);
    this.#requests.push(NO_CALL);
  }

  /** Has the writer look up without a request: a request is a run of writes, which goes into the log. */
  nudge(): void {
    this.#requests.nudge();
  }

  /** Makes the writes in the ring visible to the writer. */
  publish(): boolean {
    return this.#requests.publish();
  }

  /** Passes the writer's answers on. */
  drain(): void {
    const responses = this.#responses;
    while (responses.nextRun(responses.bytes.length)) {
      const { bytes, runStart, runEnd } = responses;
      for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) this.#onFrame(bytes, at);
      responses.release();
    }
    if (this.#waiting.length > 0) this.#pushWaiting();
    this.#wakeWaiters();
  }

  /** Fails all writes under way and all later ones. */
  close(error: LsmError): void {
    this.#failure ??= error;
    this.#failAll(error);
  }

  /** Fails all writes under way, of which the writer has seen none: nothing was published. Later ones may go well. */
  withdraw(error: LsmError): void {
    this.#requests.withdraw();
    this.#failAll(error);
  }

  /** As `withdraw`, published or not: there was no writer to see any, nor is one about to come. */
  takeBack(error: LsmError): void {
    this.#requests.takeBack();
    this.#failAll(error);
  }

  #failAll(error: LsmError): void {
    const calls = this.#calls.takeAll();
    const waiting = this.#waiting;
    const held = this.#held.takeAll();
    if (waiting.length > 0) ENGINE_WAITS.writes.end(this.#waitBeganMs);
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const { sink, token } of [...calls, ...waiting, ...held]) fail(sink, token, this.#told(error));
    this.#wakeWaiters();
  }

  /** Resolves when no write is under way. */
  idle(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
    });
  }

  /**
   * Resolves when all earlier writes have been answered, by means of an empty batch behind them.
   * @param isSynced whether all that were answered before are on the disk then, whatever the durability
   */
  barrier(isSynced = false): Promise<void> {
    return new Promise((resolve, reject) =>
      this.batch(
        [],
        settling(() => resolve(), reject),
        0,
        isSynced,
      ),
    );
  }

  /** Resolves when all earlier writes have been answered but those that are held back. */
  barrierUnderWay(): Promise<void> {
    return new Promise((resolve, reject) => {
      const write = batchOf(
        [],
        NO_CONDITIONS,
        settling(() => resolve(), reject),
        0,
        false,
      );
      if (this.#failure !== undefined) reject(this.#told(this.#failure));
      else this.#enqueue(write);
    });
  }

  #wakeWaiters(): void {
    if (this.#roomWaiters.length > 0 && !this.isFull)
      for (const callback of this.#roomWaiters.splice(0)) callback();
    this.#wakeIdleWaiters();
  }

  #wakeIdleWaiters(): void {
    if (this.inFlight > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #hold(write: QueuedWrite): void {
    if (this.#waitingBytes > 0 && this.#waitingBytes + write.payloadBytes > this.#maxWaitingBytes) {
      fail(write.sink, write.token, errorOfWriteCode(WriteCode.overloaded));
      return;
    }
    this.#waitingBytes += write.payloadBytes;
    this.#held.add(write, this.#clock.monotonicMs());
  }

  #enqueue(write: QueuedWrite): void {
    if (this.#waiting.length > 0 || !this.#push(write)) this.#wait(write);
  }

  #wait(write: QueuedWrite): void {
    if (this.#waitingBytes > 0 && this.#waitingBytes + write.payloadBytes > this.#maxWaitingBytes) {
      fail(write.sink, write.token, errorOfWriteCode(WriteCode.overloaded));
      return;
    }
    this.#waitingBytes += write.payloadBytes;
    if (this.#waiting.push(write) === 1) this.#waitBeganMs = ENGINE_WAITS.writes.begin();
  }

  #pushWaiting(): void {
    const nowMs = this.#clock.monotonicMs();
    const expired: QueuedWrite[] = [];
    let done = 0;
    for (; done < this.#waiting.length; done++) {
      const write = this.#waiting[done];
      if (write.deadlineMs <= nowMs) expired.push(write);
      else if (!this.#push(write)) break;
      this.#waitingBytes -= write.payloadBytes;
    }
    if (done > 0) this.#waiting = this.#waiting.slice(done);
    if (this.#waiting.length === 0) ENGINE_WAITS.writes.end(this.#waitBeganMs);
    for (const { sink, token } of expired) fail(sink, token, errorOfWriteCode(WriteCode.expired));
  }

  #pushPut(
    key: Uint8Array,
    record: Uint8Array,
    payloadBytes: number,
    sink: WriteSink,
    token: number,
    deadlineMs: number,
    isSynced: boolean,
  ): boolean {
    const at = this.#reserve(payloadBytes);
    if (at === -1) return false;
    encodePut(this.#requests.bytes, at, key, record);
    this.#pushed(sink, token, deadlineMs, isSynced);
    return true;
  }

  #push(write: QueuedWrite): boolean {
    const { puts } = write;
    if (write.kind === WriteKind.put)
      return this.#pushPut(
        puts[0].key,
        puts[0].record,
        write.payloadBytes,
        write.sink,
        write.token,
        write.deadlineMs,
        write.isSynced,
      );
    const at = this.#reserve(write.payloadBytes);
    if (at === -1) return false;
    if (write.kind === WriteKind.range) encodeRange(this.#requests.bytes, at, puts[0].key, puts[0].record);
    else encodeBatch(this.#requests.bytes, at, puts, write.conditions);
    this.#pushed(write.sink, write.token, write.deadlineMs, write.isSynced);
    return true;
  }

  #reserve(payloadBytes: number): number {
    return this.#calls.count === this.#maxWritesInRing ? -1 : this.#requests.reserve(payloadBytes);
  }

  #pushed(sink: WriteSink, token: number, deadlineMs: number, isSynced: boolean): void {
    const call = this.#calls.reuse() ?? { sink, token };
    call.sink = sink;
    call.token = token;
    const tag = this.#calls.add(call);
    this.#deadlines.set(tag, deadlineMs);
    this.#requests.push(tag);
    if (isSynced) this.#events.onSyncAsked(this.#requests.framesPushed);
    this.#events.onQueued();
  }

  #onFrame(bytes: Uint8Array, frame: number): void {
    const start = payloadStart(frame);
    const end = start + frameLength(bytes, frame);
    switch (frameTag(bytes, frame)) {
      case WriterAnswerKind.completions:
        for (let at = start; at < end; at += COMPLETION_BYTES) this.#complete(bytes, at);
        break;
      case WriterAnswerKind.rotated:
        this.#events.onRotated(decodeGeneration(bytes, start));
        break;
      case WriterAnswerKind.begun:
        this.#events.onBegun(decodeGeneration(bytes, start));
        break;
      case WriterAnswerKind.failing:
        this.#failing = decodeFailing(bytes, start, end);
        this.#events.onFailing(this.#failing);
        break;
      case WriterAnswerKind.damaged:
        this.#events.onDamage(decodeError(bytes, start, end));
        break;
      default:
        this.#failure = decodeError(bytes, start, end);
        this.#events.onFault(this.#failure);
    }
  }

  #complete(bytes: Uint8Array, at: number): void {
    const completion = this.#completion;
    decodeCompletion(bytes, at, completion);
    const { tag, code, metTimestamp, metWriter } = completion;
    const call = this.#calls.find(tag);
    // It completes a wake, or a write that was failed when the writer died.
    if (call === undefined) return;
    const { sink, token } = call;
    call.sink = NOBODY;
    this.#calls.free(tag);
    if (code === WriteCode.unmet) answerWrite(sink, token, WriteStatus.unmet, metTimestamp, metWriter, null);
    else if (code > WriteCode.stale) fail(sink, token, this.#errorOf(code));
    else {
      const status = code === WriteCode.applied ? WriteStatus.applied : WriteStatus.stale;
      answerWrite(sink, token, status, metTimestamp, metWriter, null);
    }
  }

  /** Whether a call was answered that nothing is acknowledged any more. */
  get isFailureTold(): boolean {
    return this.#isFailureTold;
  }

  #told(error: LsmError): LsmError {
    if (error.code === 'POISONED') this.#isFailureTold = true;
    return error;
  }

  /** A code says what has failed, and the writer has told before what is to be done about it. */
  #errorOf(code: number): LsmError {
    const error = this.#told(errorOfWriteCode(code));
    return code === WriteCode.ioError && this.#failing?.code === error.code ? this.#failing : error;
  }
}

/** The sink of one call, as a promise has it. */
function settling(resolve: (isApplied: boolean) => void, reject: (error: Error) => void): WriteSink {
  return {
    onWrite: (_token, status, _time, _writer, error) =>
      error ? reject(error) : resolve(status === WriteStatus.applied),
  };
}

/** The sink of a call that is over: the call must not keep the real one alive. */
const NOBODY: WriteSink = { onWrite: () => undefined };

function fail(sink: WriteSink, token: number, error: LsmError): void {
  answerWrite(sink, token, WriteStatus.failed, 0, 0, error);
}
