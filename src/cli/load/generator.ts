/**
 * A thread's part of a load. Open loop (after wrk2, and Gil Tene's "How NOT to measure latency"): requests are due at
 * fixed times whether or not those before them were answered, one that finds no connection free waits, and its latency
 * counts from when it was due. Closed loop: each connection asks again as soon as it has its answer.
 */
import { type Clock, seededRandom, type TimerHandle } from '../../clock.ts';
import { createKeyChoice, type KeyChoice, LoadKeys } from './key-choice.ts';
import { LoadConnection, type LoadConnectionOwner } from './load-connection.ts';
import type { NoAnswer } from './no-answer.ts';
import { LoadOperation, OperationMix } from './operation-mix.ts';
import type { ThreadPlan } from './plan.ts';
import { RequestWriter } from './request-writer.ts';
import { Schedule } from './schedule.ts';
import { isGood, Tally, type TallyData } from './tally.ts';

const TICK_MS = 1;
const SECOND_MS = 1_000;
/** How long answers are waited for when no more is asked. */
const GRACE_MS = 10_000;
const THREAD_SEED_STEP = 0x9e3779b1;

/** `after`: nothing more is asked, and what was asked or due is waited for. */
type LoadPhase = 'warm-up' | 'measured' | 'after';

/** A second of a thread's load, or what there was of it. */
export interface ThreadSecond {
  /** From 0, the warm-up's seconds included. */
  readonly second: number;
  readonly phase: LoadPhase;
  readonly tally: TallyData;
  /** How long after the load's time it ended; 0 but in the last one. */
  readonly lagMs: number;
}

export class Generator implements LoadConnectionOwner {
  readonly #plan: ThreadPlan;
  readonly #clock: Clock;
  readonly #onSecond: (second: ThreadSecond) => void;
  readonly #mix: OperationMix;
  readonly #keys: LoadKeys;
  readonly #choice: KeyChoice;
  readonly #writer: RequestWriter;
  readonly #schedule: Schedule;
  readonly #connections: LoadConnection[] = [];
  readonly #free: LoadConnection[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #tally = new Tally();
  #phase: LoadPhase;
  #second = 0;
  #secondStartMs = 0;
  /** A request is due and waits for a connection. */
  #isShort = false;
  #startMs = 0;
  #tick: TimerHandle | null = null;
  #isOver = false;

  constructor(plan: ThreadPlan, clock: Clock, onSecond: (second: ThreadSecond) => void) {
    this.#plan = plan;
    this.#clock = clock;
    this.#onSecond = onSecond;
    const { keyChoice, keys, shares, thread, threads } = plan;
    // Each thread draws numbers of its own.
    const random = seededRandom(plan.seed + Math.imul(thread, THREAD_SEED_STEP));
    this.#mix = new OperationMix(shares, random);
    this.#keys = new LoadKeys(keys, thread, threads);
    this.#choice = createKeyChoice(keyChoice, this.#keys, random, thread, threads);
    this.#writer = new RequestWriter(plan, random);
    this.#phase = plan.warmUpMs > 0 ? 'warm-up' : 'measured';
    this.#schedule = new Schedule(plan.ratePerSecond, plan.warmUpMs + plan.durationMs);
  }

  /** Ends when the load's time is over and what was due is answered, or at once with the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { connections, ratePerSecond, targets, thread, threads } = this.#plan;
    for (let i = 0; i < connections; i++) {
      const target = (thread + i * threads) % targets.length;
      this.#connections.push(new LoadConnection(target, targets[target], this.#clock, this));
    }
    this.#startMs = this.#clock.monotonicMs();
    if (ratePerSecond > 0) this.#free.push(...this.#connections);
    else for (const connection of this.#connections) this.#ask(connection, this.#startMs);
    this.#tick = this.#clock.every(TICK_MS, () => this.#onTick());
    signal.addEventListener('abort', () => this.#end(), { once: true });
    if (signal.aborted) this.#end();
    await this.#ended.promise;
  }

  onAnswer(connection: LoadConnection, status: number): void {
    if (
      connection.operation === LoadOperation.readModifyWrite &&
      !connection.isSecondStep &&
      isGood(status)
    ) {
      connection.isSecondStep = true;
      connection.send(this.#writer.write(LoadOperation.put, connection.target, connection.key));
      return;
    }
    if (connection.operation === LoadOperation.insert && isGood(status))
      this.#keys.acknowledge(connection.key);
    const nowMs = this.#clock.monotonicMs();
    if (this.#counts(connection))
      this.#tally.answered(connection.operation, status, nowMs - connection.dueMs);
    this.#goOn(connection, nowMs);
  }

  onFailure(connection: LoadConnection, why: NoAnswer): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#counts(connection)) this.#tally.failed(connection.operation, why, nowMs - connection.dueMs);
    this.#goOn(connection, nowMs);
  }

  /** What was due in the warm-up does not count in the measured time. */
  #counts({ dueMs }: LoadConnection): boolean {
    return this.#phase === 'warm-up' || dueMs - this.#startMs >= this.#plan.warmUpMs;
  }

  #goOn(connection: LoadConnection, nowMs: number): void {
    if (this.#plan.ratePerSecond > 0) {
      this.#free.push(connection);
      this.#askDue(nowMs);
    } else if (this.#phase !== 'after') this.#ask(connection, nowMs);
  }

  #onTick(): void {
    const nowMs = this.#clock.monotonicMs();
    const elapsedMs = nowMs - this.#startMs;
    const { durationMs, ratePerSecond, warmUpMs } = this.#plan;
    const totalMs = warmUpMs + durationMs;
    // The last of the measured seconds may be a part of one.
    for (
      let endMs = this.#secondEndMs;
      elapsedMs >= endMs && this.#phase !== 'after';
      endMs = this.#secondEndMs
    ) {
      this.#endSecond();
      this.#phase = endMs >= totalMs ? 'after' : endMs >= warmUpMs ? 'measured' : 'warm-up';
    }
    if (ratePerSecond > 0) this.#askDue(nowMs);
    if (this.#phase !== 'after') return;
    const isAnswered = this.#schedule.due(elapsedMs) === 0 && this.#connections.every((one) => !one.isAsking);
    if (isAnswered || elapsedMs >= totalMs + GRACE_MS) this.#end();
  }

  /** When the second under way ends, ms after the start: warm-up and measured time may end between two. */
  get #secondEndMs(): number {
    const { durationMs, warmUpMs } = this.#plan;
    const bound = this.#phase === 'warm-up' ? warmUpMs : warmUpMs + durationMs;
    return Math.min(this.#secondStartMs + SECOND_MS, bound);
  }

  /** Sends what is due by now, as far as connections are free. */
  #askDue(nowMs: number): void {
    const elapsedMs = nowMs - this.#startMs;
    for (let due = this.#schedule.due(elapsedMs); due > 0; due--) {
      const connection = this.#free.pop();
      if (connection === undefined) {
        this.#isShort = true;
        return;
      }
      const dueMs = this.#startMs + this.#schedule.take();
      this.#ask(connection, dueMs);
      // One that waited for a connection is late for that, and not for the generator.
      if (!this.#isShort) this.#tally.sent(Math.max(nowMs - dueMs, 0));
    }
    this.#isShort = false;
  }

  #ask(connection: LoadConnection, dueMs: number): void {
    const operation = this.#mix.next();
    const key = operation === LoadOperation.insert ? this.#keys.insert() : this.#choice.next();
    connection.dueMs = dueMs;
    connection.operation = operation;
    connection.key = key;
    connection.isSecondStep = false;
    connection.send(this.#writer.write(operation, connection.target, key));
  }

  #endSecond(lagMs = 0): void {
    this.#onSecond({ second: this.#second++, phase: this.#phase, tally: this.#tally.data(), lagMs });
    this.#secondStartMs = this.#secondEndMs;
    this.#tally = new Tally();
  }

  /** What has no answer even now counts with the time it has waited, whether it was sent or waited for a connection. */
  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#tick?.cancel();
    const nowMs = this.#clock.monotonicMs();
    for (const connection of this.#connections) {
      if (connection.isAsking && this.#counts(connection))
        this.#tally.unanswered(connection.operation, nowMs - connection.dueMs);
      connection.close();
    }
    for (let due = this.#schedule.due(nowMs - this.#startMs); due > 0; due--)
      this.#tally.unanswered(this.#mix.next(), nowMs - this.#startMs - this.#schedule.take());
    const { durationMs, warmUpMs } = this.#plan;
    this.#endSecond(Math.max(nowMs - this.#startMs - warmUpMs - durationMs, 0));
    this.#ended.resolve();
  }
}
