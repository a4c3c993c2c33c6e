/**
 * Replicas of a simulated cluster that are well, dead, frozen or slow, as a test says and when it says so, and clients
 * that read from them at a constant rate. Everything happens on a fake clock.
 */
import { type Random, seededRandom } from '../../src/clock.ts';
import type { Replication } from '../../src/config.ts';
import { Coordinator } from '../../src/coordinator/coordinator.ts';
import type { HedgingFigures, HedgingOptions } from '../../src/coordinator/hedging.ts';
import { FailureCode } from '../../src/failure.ts';
import { Outcome, type OutcomeSink } from '../../src/outcome.ts';
import { ABSENT, failed } from '../../src/reply.ts';
import { quorumOptions } from '../../src/request-options.ts';
import type { SettlementSink } from '../../src/settlement.ts';
import { FakeClock } from '../../src/simulation/fake-clock.ts';
import { FakeTimestamps, viewOfNodes } from './coordinator-by-hand.ts';
import { FakeReplicas, type Question } from './fake-replicas.ts';

const DOWN = failed(FailureCode.peerUnavailable, 'node is down');
const TIMED_OUT = failed(FailureCode.timedOut, 'no answer in time');
const TIMEOUT_MS = 1_000;
/** Of a replica that is well: most answers are quick, one in fifty takes longer. */
const QUICK_MS = 1;
const LONGER_MS = 5;
const LONGER_SHARE = 0.02;

export const Ail = {
  none: 'none',
  dead: 'dead',
  /** It answers what it was asked once it has thawed. */
  frozen: 'frozen',
} as const;
export type Ail = (typeof Ail)[keyof typeof Ail];

/** One read and its answer. */
interface ReadTrace {
  readonly atMs: number;
  readonly tookMs: number;
  readonly isAnswered: boolean;
}

export class AilingReplicas {
  readonly clock = new FakeClock();
  readonly coordinator: Coordinator;
  readonly reads: ReadTrace[] = [];
  /** When each question was asked. */
  readonly #askedAtMs: number[] = [];
  readonly #random: Random;
  readonly #ails: Ail[];
  readonly #delaysMs: number[];
  readonly #frozen: (() => void)[][];
  #keys = 0;

  /** The coordinator is the first node. */
  constructor(
    nodes: number,
    replication: Replication,
    hedging: Partial<HedgingOptions>,
    settlements: SettlementSink = { onSettled: () => undefined },
    seed = 1,
  ) {
    this.#random = seededRandom(seed);
    this.#ails = new Array<Ail>(nodes).fill(Ail.none);
    this.#delaysMs = new Array<number>(nodes).fill(0);
    this.#frozen = Array.from({ length: nodes }, () => []);
    const replicas = new FakeReplicas(viewOfNodes(nodes), (question) => this.#onQuestion(question));
    this.coordinator = new Coordinator({
      replicas: { current: replicas },
      timestamps: new FakeTimestamps(this.clock),
      writerId: 1,
      clock: this.clock,
      timeoutMs: TIMEOUT_MS,
      settlements,
      writesBack: true,
      freshMs: 2_000,
      replication,
      hedging: { nodeId: 'node-1', delays: { minMs: 1, maxMs: 100 }, budget: 0.05, ...hedging },
    });
  }

  get figures(): HedgingFigures {
    return this.coordinator.hedging!;
  }

  ail(node: number, ail: Ail): void {
    this.#ails[node] = ail;
    if (ail !== Ail.none) return;
    for (const answer of this.#frozen[node].splice(0)) answer();
  }

  /** What each answer of the node takes besides. */
  delay(node: number, delayMs: number): void {
    this.#delaysMs[node] = delayMs;
  }

  /** Reads keys of three replicas, two of which must answer, one every `everyMs`. */
  read(forMs: number, everyMs = 1): void {
    const endMs = this.clock.monotonicMs() + forMs;
    while (this.clock.monotonicMs() < endMs) {
      this.#readOne();
      this.clock.advance(everyMs);
    }
  }

  /** Of the reads of the last `ms`. */
  p99Ms(ms: number): number {
    const sinceMs = this.clock.monotonicMs() - ms;
    const took = this.reads.filter(({ atMs }) => atMs >= sinceMs).map(({ tookMs }) => tookMs);
    return took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.99)];
  }

  /** How many replicas a read of the last `ms` has asked. */
  askedPerRead(ms: number, everyMs = 1): number {
    const sinceMs = this.clock.monotonicMs() - ms;
    return this.#askedAtMs.filter((atMs) => atMs >= sinceMs).length / (ms / everyMs);
  }

  get failures(): number {
    return this.reads.filter(({ isAnswered }) => !isAnswered).length;
  }

  #readOne(): void {
    const atMs = this.clock.monotonicMs();
    const reply: OutcomeSink = {
      onLargeValue: () => undefined,
      onOutcome: (outcome) => {
        const isAnswered = outcome === Outcome.ok || outcome === Outcome.notFound;
        this.reads.push({ atMs, tookMs: this.clock.monotonicMs() - atMs, isAnswered });
      },
    };
    this.coordinator.get(Buffer.from(`key ${this.#keys++}`), quorumOptions(2, 3), reply);
  }

  #onQuestion({ node, timeoutMs, reply }: Question): void {
    this.#askedAtMs.push(this.clock.monotonicMs());
    if (this.#ails[node] === Ail.dead) {
      reply(DOWN);
      return;
    }
    if (node === 0 && this.#delaysMs[0] === 0) {
      reply(ABSENT);
      return;
    }
    const untilMs = this.clock.monotonicMs() + timeoutMs;
    const answer = (): void => {
      const remainingMs = untilMs - this.clock.monotonicMs();
      if (this.#ails[node] !== Ail.frozen) {
        if (remainingMs > 0) reply(ABSENT);
        return;
      }
      this.#frozen[node].push(answer);
      this.clock.after(remainingMs, () => reply(TIMED_OUT));
    };
    const slowest = this.#random() < LONGER_SHARE ? LONGER_MS : QUICK_MS;
    this.clock.after(this.#delaysMs[node] + (0.2 + this.#random()) * slowest, answer);
  }
}
