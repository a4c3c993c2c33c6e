/**
 * One request over simulated replicas, and what its answer must be: replayed from what the replicas were seen to
 * say, in plain terms, without the coordinator's own counting.
 */
import { encodeRecord } from '../../../native-free-lsm/index.ts';
import type { Random } from '../../../src/clock.ts';
import { FailureCode } from '../../../src/failure.ts';
import type { Outcome } from '../../../src/outcome.ts';
import { ABSENT, failed, found, incomplete, type ReplicaReply, STORED } from '../../../src/reply.ts';

export interface Said {
  readonly position: number;
  readonly counts: boolean;
  /** 0: it has no record. */
  readonly version: number;
}

const VERSIONS = 10_000;

export class SimulatedRequest {
  readonly isRead: boolean;
  readonly ack: number;
  readonly from: number;
  /** What reached the coordinator, in order, a replica's second words left out. */
  readonly said: Said[] = [];
  readonly outcomes: Outcome[] = [];
  value = '';
  /** Words that had reached it when it answered. */
  heardAtAnswer = -1;
  /** Of the monotonic time. */
  answeredMs = -1;
  startedMs = 0;
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

  /** A reply of a replica at random, noted as it is given. */
  say(position: number, random: Random): ReplicaReply {
    const kind = Math.floor(random() * 5);
    const version = 1 + Math.floor(random() * VERSIONS);
    if (kind === 3) return this.#note(position, false, 0, failed(FailureCode.peerUnavailable, 'down'));
    if (!this.isRead) return this.#note(position, true, 0, STORED);
    if (kind === 2) return this.#note(position, true, 0, ABSENT);
    const isWhole = kind !== 4;
    const record = recordOf(version);
    return this.#note(position, isWhole, version, isWhole ? found(record) : incomplete(record));
  }

  #note(position: number, counts: boolean, version: number, reply: ReplicaReply): ReplicaReply {
    const isFirst = this.said.every((said) => said.position !== position);
    if (isFirst) this.said.push({ position, counts, version });
    return reply;
  }
}

/** A third of the versions are deletions. */
function recordOf(version: number): Uint8Array {
  const fields = { timestamp: version, writer: 1, tombstone: isDeletion(version), from: 3, expiryMs: 0 };
  return encodeRecord(fields, Buffer.from(isDeletion(version) ? '' : `value ${version}`));
}

export function isDeletion(version: number): boolean {
  return version % 3 === 0;
}
