/**
 * Counts the replicas' answers to one request. Pure: `add` tells what the request has come to, and once it is
 * decided it stays so. It is decided as soon as it is certain: at the `ack`-th answer that counts, or when so
 * many have failed that `ack` can no longer be reached (after riak_kv_get_core).
 */
import { compareRecordVersions } from '../../native-free-lsm/index.ts';
import { type ReplicaReply, ReplyKind } from '../reply.ts';

export const Decision = {
  waiting: 0,
  succeeded: 1,
  failed: 2,
  /** Of a write: `ack` is out of reach because too many replicas hold a newer version, and not without those. */
  overtaken: 3,
} as const;
export type Decision = (typeof Decision)[keyof typeof Decision];

export const RequestKind = { read: 0, write: 1 } as const;
export type RequestKind = (typeof RequestKind)[keyof typeof RequestKind];

export class ResponseAccumulator {
  decision: Decision = Decision.waiting;
  /** Of a read, the newest record of any answer so far, also of those that do not count; null: none has the key. */
  freshest: Uint8Array | null = null;
  /** Answers that count. */
  successes = 0;
  readonly #kind: RequestKind;
  readonly #ack: number;
  readonly #from: number;
  #answered = 0;
  #failures = 0;
  /** Writes that met a newer version: neither success nor failure, because a later timestamp can still win there. */
  #stale = 0;

  /** 1 ≤ ack ≤ from ≤ MAX_REPLICAS, which is 32: positions are the bits of one word. */
  constructor(kind: RequestKind, ack: number, from: number) {
    this.#kind = kind;
    this.#ack = ack;
    this.#from = from;
  }

  /** Whether the replica at this position has answered. */
  hasAnswered(position: number): boolean {
    return (this.#answered & (1 << position)) !== 0;
  }

  /** Counts one answer; a second one of the same position, or one after the decision, changes nothing. */
  add(position: number, reply: ReplicaReply): Decision {
    const bit = 1 << position;
    if ((this.#answered & bit) !== 0 || this.decision !== Decision.waiting) return this.decision;
    this.#answered |= bit;
    if (reply.record !== null) this.#keepFreshest(reply.record);
    if (this.#counts(reply.kind)) {
      if (++this.successes === this.#ack) this.decision = Decision.succeeded;
    } else {
      if (reply.kind === ReplyKind.stale) this.#stale++;
      else this.#failures++;
      this.#seeWhatIsOutOfReach();
    }
    return this.decision;
  }

  #seeWhatIsOutOfReach(): void {
    const spare = this.#from - this.#ack;
    if (this.#failures > spare) this.decision = Decision.failed;
    else if (this.#failures + this.#stale > spare) this.decision = Decision.overtaken;
  }

  #counts(kind: ReplyKind): boolean {
    if (kind === ReplyKind.ok) return true;
    return this.#kind === RequestKind.read && kind === ReplyKind.absent;
  }

  #keepFreshest(record: Uint8Array): void {
    if (this.freshest === null || compareRecordVersions(record, 0, this.freshest, 0) > 0)
      this.freshest = record;
  }
}
