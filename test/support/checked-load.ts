/**
 * GETs and PUTs at a constant rate over several nodes, each answer judged: whether it came, and whether what was read
 * can be true. Requests are sent at their time whatever became of those before them, so nothing that hangs hides what
 * would have come after it. Latency counts from the sending: a late generator says nothing about the cluster.
 */
import { seededRandom } from '../../src/clock.ts';
import type { Answer, HttpClient, Quorum } from './http.ts';

const TICK_MS = 1;
/** Shorter ones are not noted. */
const STALL_MS = 20;

export interface CheckedLoadPlan {
  /** Of the nodes that are asked, in turn. */
  readonly ports: readonly number[];
  readonly getsPerSecond: number;
  readonly putsPerSecond: number;
  readonly keys: number;
  readonly quorum: Quorum;
  readonly seed: number;
}

/** What became of a request. */
interface Done {
  readonly method: 'GET' | 'PUT';
  readonly sentMs: number;
  readonly latencyMs: number;
  /** 0: no answer. */
  readonly status: number;
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
  isBeingWritten = false;

  constructor(name: string) {
    this.name = name;
  }

  valueOf(sequence: number): string {
    return `${this.name}=${sequence}`;
  }

  /** @returns what cannot be true of a value that was read; empty when it can */
  faultOf(value: string, leastSequence: number): string {
    const [name, sequence] = value.split('=');
    const number = Number(sequence);
    if (name !== this.name || !Number.isSafeInteger(number)) return `${this.name} was read as ${value}`;
    if (number < leastSequence)
      return `${value} was read after ${this.valueOf(leastSequence)} was acknowledged`;
    return number > this.sent ? `${value} was read and never written` : '';
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

  constructor(client: HttpClient, plan: CheckedLoadPlan) {
    this.#client = client;
    this.#plan = plan;
    this.#keys = Array.from({ length: plan.keys }, (_, i) => new KeyState(`key${i}`));
    this.#random = seededRandom(plan.seed);
  }

  /** Writes every key, and goes on from then on until it is disposed of. */
  async start(): Promise<void> {
    await Promise.all(this.#keys.map((key, i) => this.#put(key, i)));
    this.#startMs = performance.now();
    this.#tickedMs = this.#startMs;
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS);
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

  #between(fromMs: number, toMs: number): Done[] {
    return this.#done.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs);
  }

  #sendDue(): void {
    const { getsPerSecond, putsPerSecond } = this.#plan;
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
  }

  #keep(request: Promise<void>): void {
    this.#underWay.add(request);
    void request.then(() => this.#underWay.delete(request));
  }

  #drawKey(): KeyState {
    return this.#keys[Math.floor(this.#random() * this.#keys.length)];
  }

  #port(turn: number): number {
    return this.#plan.ports[turn % this.#plan.ports.length];
  }

  async #get(key: KeyState, turn: number): Promise<void> {
    const least = key.acknowledged;
    await this.#judge(
      'GET',
      () => this.#client.get(this.#port(turn), key.name, this.#plan.quorum),
      ({ body, status }) => (status === 200 ? key.faultOf(body.toString(), least) : `${status} ${body}`),
    );
  }

  async #put(key: KeyState, turn: number): Promise<void> {
    const sequence = ++key.sent;
    key.isBeingWritten = true;
    await this.#judge(
      'PUT',
      () => this.#client.put(this.#port(turn), key.name, key.valueOf(sequence), this.#plan.quorum),
      ({ body, status }) => {
        if (status !== 201) return `${status} ${body}`;
        key.acknowledged = sequence;
        return '';
      },
    );
    key.isBeingWritten = false;
  }

  async #judge(
    method: Done['method'],
    send: () => Promise<Answer>,
    faultOf: (answer: Answer) => string,
  ): Promise<void> {
    const sentMs = performance.now();
    let status = 0;
    let fault: string;
    try {
      const answer = await send();
      status = answer.status;
      fault = faultOf(answer);
    } catch (error) {
      fault = `no answer: ${error instanceof Error ? error.message : error}`;
    }
    this.#done.push({ method, sentMs, latencyMs: performance.now() - sentMs, status, fault });
  }
}
