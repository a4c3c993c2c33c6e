/**
 * One request over simulated replicas, and what its answer and its settlement must be: replayed from what the replicas
 * were seen to say, in plain terms, without the coordinator's own counting.
 */
import { encodeRecord, recordTimestamp } from '../../../native-free-lsm/index.ts';
import type { Random } from '../../../src/clock.ts';
import { FailureCode, failureName } from '../../../src/failure.ts';
import type { Outcome } from '../../../src/outcome.ts';
import { ABSENT, failed, found, incomplete, type ReplicaReply, STORED, stale } from '../../../src/reply.ts';
import type { Question } from '../../support/fake-replicas.ts';
import { type KeptSettlement, versionText } from '../../support/kept-settlements.ts';

export interface Said {
  readonly position: number;
  readonly counts: boolean;
  /** 0: it has no record. */
  readonly timestamp: number;
  readonly writer: number;
  readonly failure: FailureCode;
}

/** Of the coordinator. */
export const WRITER = 1;
const OTHER_WRITER = 2;
const VERSIONS = 10_000;
/** How far ahead of a write the versions are that it meets. */
const AHEAD = 5;
const TIMED_OUT = failed(FailureCode.timedOut, 'no answer in time');

export class SimulatedRequest {
  readonly isRead: boolean;
  readonly ack: number;
  readonly from: number;
  /** What reached the coordinator in answer to the last try, in order, a replica's second words left out. */
  said: Said[] = [];
  readonly outcomes: Outcome[] = [];
  readonly settled: KeptSettlement[] = [];
  value = '';
  /** Words that had reached it when it answered. */
  heardAtAnswer = -1;
  /** Of the monotonic time. */
  answeredMs = -1;
  startedMs = 0;
  /** Positions that were asked, in the last try. */
  #asked = new Set<number>();
  /** Of a write: the timestamp of its last try; 0: it was not sent. */
  #tried = 0;
  /** Positions that have said what they hold, and those that had when the last try began. */
  #known = new Set<number>();
  #knownBefore = new Set<number>();
  /** Of earlier tries: each answers once, too. */
  #heardEarlier = new Set<string>();
  #isFrozen = false;
  readonly #nowMs: () => number;

  constructor(random: Random, nodes: number, nowMs: () => number) {
    this.isRead = random() < 0.5;
    this.from = 1 + Math.floor(random() * nodes);
    this.ack = 1 + Math.floor(random() * this.from);
    this.#nowMs = nowMs;
  }

  onLargeValue(): void {}

  onOutcome(outcome: Outcome, value: Uint8Array | null): void {
    this.outcomes.push(outcome);
    this.value = value === null ? '' : Buffer.from(value).toString();
    this.heardAtAnswer = this.said.length;
    this.answeredMs = this.#nowMs();
  }

  onSettled(settlement: KeptSettlement): void {
    if (this.outcomes.length !== 1) throw new Error('it settled before it was answered');
    this.settled.push(settlement);
  }

  get isSent(): boolean {
    return this.#asked.size > 0;
  }

  /** The node stops: what is said from now on reaches nobody. */
  freeze(): void {
    this.#isFrozen = true;
  }

  get isAnsweredByAll(): boolean {
    return this.said.length === this.#asked.size;
  }

  /** To be told of each question before it is answered. */
  onAsked({ position, record }: Question): void {
    const timestamp = record === null ? 0 : recordTimestamp(record, 0);
    if (timestamp !== this.#tried) this.#beginTry(timestamp);
    if (this.#asked.has(position)) throw new Error('a replica is asked twice');
    this.#asked.add(position);
  }

  #beginTry(timestamp: number): void {
    for (const { position } of this.said) this.#heardEarlier.add(`${this.#tried} ${position}`);
    this.#tried = timestamp;
    this.said = [];
    this.#asked = new Set();
    this.#knownBefore = new Set(this.#known);
  }

  /** A reply of a replica at random, noted as it is given. */
  say(question: Question, random: Random): ReplicaReply {
    const kind = Math.floor(random() * 5);
    if (kind === 3) return this.#note(question, false, 0, 0, failed(FailureCode.peerLost, 'down'));
    if (question.record !== null) return this.#sayOfWrite(question, kind, random);
    const timestamp = 1 + Math.floor(random() * VERSIONS);
    if (kind === 2) return this.#note(question, true, 0, 0, ABSENT);
    const record = recordOf(timestamp);
    const isWhole = kind !== 4;
    const reply = isWhole ? found(record) : incomplete(random() < 0.5 ? null : record);
    return this.#note(question, isWhole, reply.record === null ? 0 : timestamp, WRITER, reply);
  }

  /** As the network does at last for each question that has no answer. */
  sayNothingInTime(question: Question): ReplicaReply {
    return this.#note(question, false, 0, 0, TIMED_OUT);
  }

  /** What it must tell, by position, of the nodes there. */
  expectedReplicas(nodeIds: readonly string[]): string[] {
    return nodeIds.map((id, position) => `${id}: ${this.#expectedOf(position)}`);
  }

  get expectedVersion(): string {
    if (!this.isRead) return versionText(this.#tried, WRITER);
    const newest = Math.max(0, ...this.said.map(({ timestamp }) => timestamp));
    return versionText(newest, WRITER);
  }

  #expectedOf(position: number): string {
    const said = this.said.find((one) => one.position === position);
    if (said === undefined) return this.#asked.has(position) ? 'silent' : 'unasked';
    const holds = versionText(said.timestamp, said.writer);
    const failure = said.failure === FailureCode.none ? [] : [failureName(said.failure)];
    if (said.failure === FailureCode.timedOut) return ['silent', ...failure].join(', ');
    if (said.failure === FailureCode.peerLost) return ['failed', ...failure].join(', ');
    if (holds === this.expectedVersion)
      return ['current', ...(holds === '' ? [] : [holds]), ...failure].join(', ');
    if (!this.isRead) return `newer, ${holds}`;
    return [holds === '' ? 'missing' : `stale, ${holds}`, ...failure].join(', ');
  }

  #sayOfWrite(question: Question, kind: number, random: Random): ReplicaReply {
    const timestamp = recordTimestamp(question.record!, 0);
    if (kind > 1) return this.#note(question, true, timestamp, WRITER, STORED);
    const met = timestamp + Math.floor(random() * AHEAD);
    const isOwn = met === timestamp && kind === 0;
    const writer = isOwn ? WRITER : OTHER_WRITER;
    const counts = isOwn || this.#knownBefore.has(question.position);
    return this.#note(question, counts, met, writer, stale(met, writer));
  }

  #note(
    { position, record }: Question,
    counts: boolean,
    timestamp: number,
    writer: number,
    reply: ReplicaReply,
  ): ReplicaReply {
    const tried = record === null ? 0 : recordTimestamp(record, 0);
    const isFirst =
      tried === this.#tried
        ? this.said.every((said) => said.position !== position)
        : !this.#heardEarlier.has(`${tried} ${position}`);
    if (!isFirst || this.#isFrozen) return reply;
    if (tried === this.#tried) {
      const failure = reply.code as FailureCode;
      this.said.push({ position, counts, timestamp, writer, failure });
    } else this.#heardEarlier.add(`${tried} ${position}`);
    if (reply.code === FailureCode.none) this.#known.add(position);
    return reply;
  }
}

/** A third of the versions are deletions. */
function recordOf(version: number): Uint8Array {
  const fields = {
    timestamp: version,
    writer: WRITER,
    tombstone: isDeletion(version),
    from: 3,
    expiryMs: 0,
  };
  return encodeRecord(fields, Buffer.from(isDeletion(version) ? '' : `value ${version}`));
}

export function isDeletion(version: number): boolean {
  return version % 3 === 0;
}
