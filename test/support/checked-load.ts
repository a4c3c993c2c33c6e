/**
 * GETs, PUTs and DELETEs at a constant rate over several nodes, each answer judged: whether it came, and whether what was read
 * can be true. Requests are sent at their time whatever became of those before them, so nothing that hangs hides what
 * would have come after it. Latency counts from the sending: a late generator says nothing about the cluster.
 */
import { seededRandom } from '../../src/clock.ts';
import type { Answer, HttpClient, Quorum } from './http.ts';

const TICK_MS = 1;
/** Shorter ones are not noted. */
const STALL_MS = 20;
/** A busy machine is late with so many writes at once. */
const START_TIMEOUT_MS = 60_000;

export interface CheckedLoadPlan {
  /** Of the nodes that are asked, in turn. */
  readonly ports: readonly number[];
  readonly getsPerSecond: number;
  readonly putsPerSecond: number;
  /** Left out: none. */
  readonly deletesPerSecond?: number;
  readonly keys: number;
  readonly quorum: Quorum;
  readonly seed: number;
  /** A request that is not answered, or with a failure, is no fault: only what was answered is judged. */
  readonly mayFail?: boolean;
}

/** What became of a request. */
interface Done {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly sentMs: number;
  readonly latencyMs: number;
  /** 0: no answer. */
  readonly status: number;
  readonly isAnswered: boolean;
  /** What is wrong with it; empty when nothing is. */
  readonly fault: string;
}

/** A time in which this process did not run. */
interface Stall {
  readonly endMs: number;
  readonly lengthMs: number;
}

/** The requests of one kind that were sent within a time. */
export interface Latencies {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** A key has one writer at a time, so what was sent to it is in one order. */
class KeyState {
  readonly name: string;
  sent = 0;
  acknowledged = 0;
  /** The newest that a read has shown: a read that begins later must not show an older one. */
  seen = 0;
  isBeingWritten = false;
  readonly #deletions = new Set<number>();
  /** Writes that were not acknowledged: whether and when they take effect is open, and so is what they win over. */
  readonly #open = new Set<number>();

  constructor(name: string) {
    this.name = name;
  }

  valueOf(sequence: number): string {
    return `${this.name}=${sequence}`;
  }

  /** What a read must show that begins now, or something newer. */
  get least(): number {
    return Math.max(this.acknowledged, this.seen);
  }

  deleted(sequence: number): void {
    this.#deletions.add(sequence);
  }

  failed(sequence: number): void {
    this.#open.add(sequence);
  }

  /** @returns what cannot be true of a read that found nothing; empty when it can */
  absenceFaultOf(leastSequence: number): string {
    let earliest = Number.POSITIVE_INFINITY;
    for (const sequence of this.#deletions) {
      if (this.#open.has(sequence)) return '';
      if (sequence >= leastSequence && sequence < earliest) earliest = sequence;
    }
    if (earliest > this.sent) return `${this.valueOf(leastSequence)} or a newer one was not found`;
    this.seen = Math.max(this.seen, earliest);
    return '';
  }

  /** @returns what cannot be true of a value that was read; empty when it can */
  faultOf(value: string, leastSequence: number): string {
    const [name, sequence] = value.split('=');
    const number = Number(sequence);
    if (name !== this.name || !Number.isSafeInteger(number)) return `${this.name} was read as ${value}`;
    if (this.#open.has(number)) return '';
    if (number < leastSequence)
      return `${value} was read after ${this.valueOf(leastSequence)} was acknowledged or read`;
    if (number > this.sent || this.#deletions.has(number)) return `${value} was read and never written`;
    this.seen = Math.max(this.seen, number);
    return '';
  }
}

export class CheckedLoad implements AsyncDisposable {
  readonly #client: HttpClient;
  readonly #plan: CheckedLoadPlan;
  readonly #keys: readonly KeyState[];
  readonly #random: () => number;
  readonly #done: Done[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #stalls: Stall[] = [];
  #timer: NodeJS.Timeout | undefined;
  #tickedMs = 0;
  #startMs = 0;
  #getsSent = 0;
  #putsSent = 0;
  #deletesSent = 0;
  /** Of the nodes that are asked, in turn. */
  ports: readonly number[];

  constructor(client: HttpClient, plan: CheckedLoadPlan) {
    this.#client = client;
    this.#plan = plan;
    this.ports = plan.ports;
    this.#keys = Array.from({ length: plan.keys }, (_, i) => new KeyState(`key${i}`));
    this.#random = seededRandom(plan.seed);
  }

  /** Writes every key, again where that failed, and goes on from then on until it is disposed of. */
  async start(): Promise<void> {
    const endMs = performance.now() + START_TIMEOUT_MS;
    for (let unwritten = this.#keys; unwritten.length > 0; unwritten = this.#unwritten()) {
      if (performance.now() > endMs)
        throw new Error(`${unwritten.length} keys could not be written: ${this.#done.at(-1)?.fault}`);
      await Promise.all(unwritten.map((key, i) => this.#put(key, i)));
    }
    this.resume();
  }

  /** Sends no more; resolves once everything that was sent has its answer. */
  async pause(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.settled();
  }

  resume(): void {
    this.#startMs = performance.now();
    this.#tickedMs = this.#startMs;
    this.#getsSent = 0;
    this.#putsSent = 0;
    this.#deletesSent = 0;
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS);
  }

  /** Reads every key once, each from the next node, and waits for the answers. */
  async readAll(): Promise<void> {
    await Promise.all(this.#keys.map((key, turn) => this.#get(key, turn)));
  }

  /** How many requests of those sent between two times were answered with success. */
  answered(fromMs: number, toMs: number): number {
    return this.#between(fromMs, toMs).filter(({ isAnswered }) => isAnswered).length;
  }

  sent(fromMs: number, toMs: number): number {
    return this.#between(fromMs, toMs).length;
  }

  /** Of what was sent between two times, as `performance.now()` has them; what has no answer yet is not in it. */
  latencies(method: 'GET' | 'PUT', fromMs: number, toMs: number): Latencies {
    const sorted = this.#between(fromMs, toMs)
      .filter((done) => done.method === method)
      .map(({ latencyMs }) => latencyMs)
      .toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
    return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  }

  /** Everything that was wrong with answers to what was sent between two times. */
  faults(fromMs: number, toMs: number): string[] {
    return this.#between(fromMs, toMs)
      .filter(({ fault }) => fault !== '')
      .map(({ fault, method, sentMs }) => `${method} ${(sentMs - fromMs).toFixed(0)} ms later: ${fault}`);
  }

  /** Of these, how many were answers: the others are failures. */
  falseAnswers(fromMs: number, toMs: number): number {
    return this.#between(fromMs, toMs).filter(({ fault, isAnswered }) => isAnswered && fault !== '').length;
  }

  /** The longest time between two in which this process did not run: the nodes beside it may not have run either. */
  longestStallMs(fromMs: number, toMs: number): number {
    const within = this.#stalls.filter(({ endMs }) => endMs >= fromMs && endMs < toMs);
    return Math.max(0, ...within.map(({ lengthMs }) => lengthMs));
  }

  /** Resolves once everything that was sent has its answer, or will have none. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.settled();
  }

  #unwritten(): KeyState[] {
    return this.#keys.filter(({ acknowledged }) => acknowledged === 0);
  }

  #between(fromMs: number, toMs: number): Done[] {
    return this.#done.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs);
  }

  #sendDue(): void {
    const { deletesPerSecond = 0, getsPerSecond, putsPerSecond } = this.#plan;
    const nowMs = performance.now();
    const lengthMs = nowMs - this.#tickedMs - TICK_MS;
    if (lengthMs >= STALL_MS) this.#stalls.push({ endMs: nowMs, lengthMs });
    this.#tickedMs = nowMs;
    const elapsedSeconds = (nowMs - this.#startMs) / 1_000;
    for (; this.#getsSent < elapsedSeconds * getsPerSecond; this.#getsSent++)
      this.#keep(this.#get(this.#drawKey(), this.#getsSent));
    for (; this.#putsSent < elapsedSeconds * putsPerSecond; this.#putsSent++) {
      const key = this.#drawKey();
      // Two writers of one key would leave its order open.
      if (!key.isBeingWritten) this.#keep(this.#put(key, this.#putsSent));
    }
    for (; this.#deletesSent < elapsedSeconds * deletesPerSecond; this.#deletesSent++) {
      const key = this.#drawKey();
      if (!key.isBeingWritten) this.#keep(this.#delete(key, this.#deletesSent));
    }
  }

  #keep(request: Promise<void>): void {
    this.#underWay.add(request);
    void request.then(() => this.#underWay.delete(request));
  }

  #drawKey(): KeyState {
    return this.#keys[Math.floor(this.#random() * this.#keys.length)];
  }

  #port(turn: number): number {
    return this.ports[turn % this.ports.length];
  }

  async #get(key: KeyState, turn: number): Promise<void> {
    const { least } = key;
    await this.#judge(
      'GET',
      () => this.#client.get(this.#port(turn), key.name, this.#plan.quorum),
      ({ body, status }) => {
        if (status === 404) return key.absenceFaultOf(least);
        return status === 200 ? key.faultOf(body.toString(), least) : null;
      },
    );
  }

  async #put(key: KeyState, turn: number): Promise<void> {
    const sequence = ++key.sent;
    key.isBeingWritten = true;
    await this.#judge(
      'PUT',
      () => this.#client.put(this.#port(turn), key.name, key.valueOf(sequence), this.#plan.quorum),
      ({ status }) => {
        if (status !== 201) return null;
        key.acknowledged = sequence;
        return '';
      },
    );
    if (key.acknowledged < sequence) key.failed(sequence);
    key.isBeingWritten = false;
  }

  async #delete(key: KeyState, turn: number): Promise<void> {
    const sequence = ++key.sent;
    key.deleted(sequence);
    key.isBeingWritten = true;
    await this.#judge(
      'DELETE',
      () => this.#client.delete(this.#port(turn), key.name, this.#plan.quorum),
      ({ status }) => {
        if (status !== 202) return null;
        key.acknowledged = sequence;
        return '';
      },
    );
    if (key.acknowledged < sequence) key.failed(sequence);
    key.isBeingWritten = false;
  }

  async #judge(
    method: Done['method'],
    send: () => Promise<Answer>,
    /** Null: the answer is a failure. */
    faultOf: (answer: Answer) => string | null,
  ): Promise<void> {
    const sentMs = performance.now();
    let status = 0;
    let fault: string | null = null;
    let failure = '';
    try {
      const answer = await send();
      status = answer.status;
      fault = faultOf(answer);
      if (fault === null) failure = `${status} ${answer.body}`;
    } catch (error) {
      failure = `no answer: ${error instanceof Error ? error.message : error}`;
    }
    this.#done.push({
      method,
      sentMs,
      latencyMs: performance.now() - sentMs,
      status,
      isAnswered: fault !== null,
      fault: fault ?? (this.#plan.mayFail === true ? '' : failure),
    });
  }
}
