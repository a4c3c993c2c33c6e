import { CallTable } from '../call-table.ts';
import type { EngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';
import type { EngineOptions } from '../options.ts';
import { ControlWord } from '../shared/control.ts';
import { createRing, RingConsumer, RingProducer, ringBytesFor, usualRingBytes } from '../shared/ring.ts';
import { WriteDeadlines } from '../shared/write-deadlines.ts';
import type { Executor, RoleHandle } from '../threads/executor.ts';
import type { RoleInit } from '../threads/protocol/posted-messages.ts';
import type { EngineConditions } from './conditions.ts';
import { RoleStarts } from './role-starts.ts';
import type { SuperVersions } from './super-versions.ts';
import { RESPONSE_BYTES_PER_WRITE, WriteQueue, type WriterEvents } from './write-queue.ts';
import { WriteTrouble } from './write-trouble.ts';

const THREAD = 1;
const CLOSED = new LsmError('CLOSED', 'the engine is closed, and its writer thread had not been started');

interface WriterChannelParts {
  readonly executor: Executor;
  readonly superVersions: SuperVersions;
  readonly clock: EngineClock;
  readonly conditions: EngineConditions;
  readonly options: EngineOptions;
  readonly report: (message: string) => void;
  /** Of the control block. */
  readonly words: Int32Array;
  readonly initOf: (requests: SharedArrayBuffer, responses: SharedArrayBuffer, thread: number) => RoleInit;
  /** The generation and the arena with which the writer begins. */
  readonly generation: number;
  readonly arena: number;
  readonly events: Pick<WriterEvents, 'onRotated' | 'onBegun' | 'onDamage' | 'onQueued'>;
  /** Whether nothing may be written at the moment. */
  readonly isHeld: () => boolean;
  readonly publish: () => void;
  /** Passes on everything that threads have answered. */
  readonly drain: () => void;
}

/** Main's end of the writer thread: its rings, the queue in front of them, and what happens when the thread fails. */
export class WriterChannel {
  readonly queue: WriteQueue;
  readonly #parts: WriterChannelParts;
  readonly #trouble: WriteTrouble;
  readonly #starts: RoleStarts;
  readonly #requests: RingProducer;
  readonly #requestRing: SharedArrayBuffer;
  readonly #responseRing: SharedArrayBuffer;
  readonly #deadlines: SharedArrayBuffer;
  #handle: RoleHandle | undefined;
  #ended: Promise<void> = Promise.resolve();
  #fault: LsmError | undefined;
  #isClosing = false;
  #isFaultTold = false;

  constructor(parts: WriterChannelParts) {
    this.#parts = parts;
    const { clock, conditions, events, executor, options, report, superVersions, words } = parts;
    this.#trouble = new WriteTrouble(clock, conditions, report, () => this.ask());
    this.#starts = new RoleStarts('writer', parts, () => this.start());
    const usualBytes = usualRingBytes(options.memtableBytes);
    this.#requestRing = createRing(ringBytesFor(options.maxBatchBytes, usualBytes));
    this.#responseRing = createRing(usualBytes);
    this.#deadlines = WriteDeadlines.allocate(CallTable.slotsFor(usualBytes / RESPONSE_BYTES_PER_WRITE));
    this.#requests = new RingProducer(this.#requestRing);
    superVersions.attachWriter(this.#requests);
    const responses = new RingConsumer(this.#responseRing);
    const deadlines = new WriteDeadlines(this.#deadlines);
    const { maxBatchBytes, maxQueuedWriteBytes, writeStallTimeoutMs } = options;
    const bounds = [maxQueuedWriteBytes, maxBatchBytes, writeStallTimeoutMs] as const;
    this.queue = new WriteQueue(this.#requests, responses, deadlines, ...bounds, executor.clock, {
      ...events,
      onSyncAsked: (framesPushed) => {
        // In this order: whoever sees the request finds the frame. Both are stored before the frame is published.
        Atomics.store(words, ControlWord.syncFrames, framesPushed);
        Atomics.add(words, ControlWord.syncRequests, 1);
      },
      onBegun: (first) => {
        this.#starts.began();
        events.onBegun(first);
      },
      onFault: (error) => this.#poison(error),
      onFailing: (error) => {
        this.#starts.began();
        this.#trouble.changed(error);
      },
    });
  }

  /** Starts the thread. */
  start(): void {
    const { arena, executor, generation, initOf, superVersions } = this.#parts;
    const rings = initOf(this.#requestRing, this.#responseRing, THREAD);
    const handle = executor.startWriter({ ...rings, generation, arena, deadlines: this.#deadlines });
    this.#handle = handle;
    superVersions.link(handle);
    this.#ended = handle.exited.then((error) => this.#died(error));
  }

  /** Settles when the thread has ended; at once when none was started. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Why no write is acknowledged any more; undefined while writes are. */
  get fault(): LsmError | undefined {
    return this.#fault;
  }

  /** The same, for a caller who is told so. */
  tellFault(): LsmError | undefined {
    if (this.#fault !== undefined) this.#isFaultTold = true;
    return this.#fault;
  }

  /** Whether a caller was told of the fault. */
  get isFaultTold(): boolean {
    return this.#isFaultTold || this.queue.isFailureTold;
  }

  /** Has the writer check whether writes succeed now. */
  ask(): void {
    if (this.#parts.isHeld()) return;
    this.queue.wake();
    this.#parts.publish();
  }

  /** The engine is closing: stops asking the writer by itself, and waits for none that is not there. */
  stopAsking(): void {
    this.#trouble.stop();
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (this.#starts.isWaiting) this.queue.close(CLOSED);
    this.#starts.close();
  }

  /** No other thread can replace the writer: nobody knows whether the log has the writes it was working on. */
  #died(error: Error | undefined): void {
    if (error === undefined) return;
    if (!this.#requests.hasConsumer) {
      this.#notBegun(error);
      return;
    }
    // The answers that it had given before are passed on first.
    this.#parts.drain();
    const fault = new LsmError('POISONED', `the writer thread died (${error.message}): restart the engine`, {
      cause: error,
    });
    this.fail(fault);
    this.#parts.superVersions.detachWriter();
  }

  /** Nothing was given to it, so another may begin in its place. */
  #notBegun(error: Error): void {
    if (this.#handle !== undefined) this.#parts.superVersions.unlink(this.#handle);
    if (this.#isClosing) {
      this.queue.close(CLOSED);
      return;
    }
    const refusal = this.#starts.failed(error);
    if (refusal !== undefined) this.queue.takeBack(refusal);
  }

  /** Nobody knows any more what the writer has done: no write is acknowledged from now on. */
  fail(fault: LsmError): void {
    this.#poison(fault);
    this.queue.close(fault);
  }

  #poison(fault: LsmError): void {
    this.#fault ??= fault;
    this.#parts.conditions.poisoned(fault);
    this.#trouble.stop();
    this.#starts.close();
    this.#parts.report(fault.message);
  }
}
