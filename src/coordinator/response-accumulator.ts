/**
 * Counts the replicas' answers to one request. Pure: `add` tells what the request has come to, and once it is
 * decided it stays so. It is decided as soon as it is certain: at the `ack`-th answer that counts, or when so
 * many have failed that `ack` can no longer be reached (after riak_kv_get_core).
 *
 * It also keeps what each replica has said, by position, before the decision and after it: version, kind, failure and
 * time, four numbers a replica, however long the value is. It keeps one record, the freshest, until the decision or
 * until the request is answered without one.
 */
import { compareVersions, recordFrom, recordTimestamp, recordWriter } from '../../native-free-lsm/index.ts';
import { FailureCode } from '../failure.ts';
import { type ReplicaReply, ReplyKind, SETTLED_WRITER } from '../reply.ts';
import { ReplicaState, RequestKind } from '../settlement.ts';

export const Decision = {
  waiting: 0,
  succeeded: 1,
  failed: 2,
  /** Of a write: `ack` is out of reach because too many replicas hold a newer version, and not without those. */
  overtaken: 3,
} as const;
export type Decision = (typeof Decision)[keyof typeof Decision];

/** What it comes to that a replica holds a newer version than the one that is written to it. */
export const NewerVersion = {
  /** It counts where it came to the replica after the write had begun. Elsewhere the write has to win over it. */
  isJudged: 0,
  /** It counts: the write is later than all that were there before it. */
  counts: 1,
  /** It does not count, and the write gives way. */
  overtakes: 2,
} as const;
export type NewerVersion = (typeof NewerVersion)[keyof typeof NewerVersion];

/** What is kept of each position, one behind the other. */
const TIMESTAMP_AT = 0;
const WRITER_AT = 1;
/** The reply's kind, and above it the failure. */
const SAID_AT = 2;
const ANSWERED_AFTER_AT = 3;
const NUMBERS_PER_POSITION = 4;
const KIND_BITS = 3;
const KIND_MASK = (1 << KIND_BITS) - 1;
const NOBODY = -1;
const WORD_BITS = 32;

export class ResponseAccumulator {
  decision: Decision = Decision.waiting;
  /** Of a read, the newest record of any answer until the decision, also of those that do not count; null: none kept. */
  freshest: Uint8Array | null = null;
  /** Answers that count. */
  successes = 0;
  /** Of a read: whether answers that came before the decision name different versions. */
  disagrees = false;
  /** Of a read: with which `from` the freshest version that anybody has said was written; 0: nobody has one. */
  writtenFrom = 0;
  /** Of a write. */
  newerVersion: NewerVersion = NewerVersion.isJudged;
  readonly #kind: RequestKind;
  readonly #ack: number;
  readonly #from: number;
  /** One bit a position, as in all that follow: replicas that were asked, in the last try, and that have answered. */
  #asked = 0;
  #answered = 0;
  #failures = 0;
  /** Writes that met a newer version: neither success nor failure, because a later timestamp can still win there. */
  #overtaken = 0;
  /** Whether any of the answers that led to the decision, also one that counts, named a newer version. */
  #hasMetNewer = false;
  #keepsRecord = true;
  /** Who has said the newest version of a read. */
  #freshestPosition = NOBODY;
  /** Of a read: whether any replica has said what it holds. */
  #isHeard = false;
  /** Of a write: the version of its last try. */
  #timestamp = 0;
  #writer = 0;
  /** Replicas that have said what they hold, one bit each; and which of them had when the last try began. */
  #known = 0;
  #knownBefore = 0;
  /** Has holes where nobody has answered: those are never read. */
  readonly #numbers: number[];

  /** 1 ≤ ack ≤ from ≤ MAX_REPLICAS, which is 32: positions are the bits of one word. */
  constructor(kind: RequestKind, ack: number, from: number) {
    this.#kind = kind;
    this.#ack = ack;
    this.#from = from;
    this.#numbers = new Array<number>(from * NUMBERS_PER_POSITION);
  }

  /** A write is sent under this version, for the first time or again: only what is said of this version counts. */
  beginTry(timestamp: number, writer: number): void {
    this.decision = Decision.waiting;
    this.successes = 0;
    this.#asked = 0;
    this.#answered = 0;
    this.#failures = 0;
    this.#overtaken = 0;
    this.#hasMetNewer = false;
    this.#timestamp = timestamp;
    this.#writer = writer;
    this.#knownBefore = this.#known;
  }

  /** This replica is asked. */
  ask(position: number): void {
    this.#asked |= 1 << position;
  }

  /** All are asked, so that the first of them may answer before the last one is asked in fact. */
  askAll(): void {
    this.#asked = (-1 >>> (WORD_BITS - this.#from)) | 0;
  }

  /** Whether the replica at this position was asked, in the last try. */
  isAsked(position: number): boolean {
    return (this.#asked & (1 << position)) !== 0;
  }

  /** The request is answered, maybe without a decision: from now on a record would be kept for nobody. */
  dropRecord(): void {
    this.freshest = null;
    this.#keepsRecord = false;
  }

  /** The replica has said, to an earlier try, what it holds. */
  noteKnown(position: number): void {
    this.#known |= 1 << position;
  }

  /** Whether the replica at this position has answered, to the last try. */
  hasAnswered(position: number): boolean {
    return (this.#answered & (1 << position)) !== 0;
  }

  /** Whether there is nothing more to come: all that were asked have answered, or nobody was asked. */
  get isComplete(): boolean {
    return this.#answered === this.#asked;
  }

  /** Of a write that succeeded: whether it had met a newer version by then, which wins over it. */
  get isConflict(): boolean {
    return this.#hasMetNewer && this.decision === Decision.succeeded;
  }

  /**
   * Takes one answer; a second one of the same position changes nothing, and one after the decision does not change
   * that.
   * @param answeredAfterMs since the request began
   */
  add(position: number, reply: ReplicaReply, answeredAfterMs: number): Decision {
    const bit = 1 << position;
    if ((this.#answered & bit) !== 0) return this.decision;
    this.#answered |= bit;
    const { code, record } = reply;
    const timestamp = record === null ? 0 : recordTimestamp(record, 0);
    const writer = record === null ? 0 : recordWriter(record, 0);
    const isSame = reply.kind === ReplyKind.stale && this.#isOwn(timestamp, writer);
    const kind = isSame ? ReplyKind.ok : reply.kind;
    const numbers = this.#numbers;
    const at = position * NUMBERS_PER_POSITION;
    numbers[at + TIMESTAMP_AT] = timestamp;
    numbers[at + WRITER_AT] = writer;
    numbers[at + SAID_AT] = kind | (code << KIND_BITS);
    numbers[at + ANSWERED_AFTER_AT] = answeredAfterMs;
    if (this.#kind === RequestKind.read) {
      if (this.decision === Decision.waiting) this.#compare(kind, timestamp, writer);
      if (record !== null) this.#keepFreshest(position, record);
    }
    const isSettled = writer === SETTLED_WRITER;
    if (this.decision === Decision.waiting) this.#count(bit, kind, code, isSettled);
    // Who names its watermark has not looked at the key: what it holds may be newer, and from before this write began.
    if (code === FailureCode.none && !isSettled) this.#known |= bit;
    return this.decision;
  }

  /** Whether the replica's answer to a read counts. */
  counts(position: number): boolean {
    return this.#isOfKind(position, ReplyKind.ok) || this.#isOfKind(position, ReplyKind.absent);
  }

  /** Whether the replica, in an answer to a read that counts, has named this version or a newer one. */
  hasNamed(position: number, timestamp: number, writer: number): boolean {
    if (!this.#isOfKind(position, ReplyKind.ok)) return false;
    const at = position * NUMBERS_PER_POSITION;
    const numbers = this.#numbers;
    return compareVersions(numbers[at + TIMESTAMP_AT], numbers[at + WRITER_AT], timestamp, writer) >= 0;
  }

  /** The version that was read has been brought to a replica since. One that gave no answer that counts stays so. */
  noteBrought(position: number, timestamp: number, writer: number): void {
    if (!this.counts(position) || this.hasNamed(position, timestamp, writer)) return;
    const at = position * NUMBERS_PER_POSITION;
    this.#numbers[at + TIMESTAMP_AT] = timestamp;
    this.#numbers[at + WRITER_AT] = writer;
    this.#numbers[at + SAID_AT] = ReplyKind.ok;
  }

  /** Of a read the freshest version that anybody has said, of a write that of its last try; 0 by 0: none. */
  get timestamp(): number {
    if (this.#kind === RequestKind.write) return this.#timestamp;
    return this.#freshestPosition === NOBODY ? 0 : this.#number(this.#freshestPosition, TIMESTAMP_AT);
  }

  get writer(): number {
    if (this.#kind === RequestKind.write) return this.#writer;
    return this.#freshestPosition === NOBODY ? 0 : this.#number(this.#freshestPosition, WRITER_AT);
  }

  stateOf(position: number): ReplicaState {
    if (!this.isAsked(position)) return ReplicaState.unasked;
    if (!this.hasAnswered(position)) return ReplicaState.silent;
    const kind = this.#number(position, SAID_AT) & KIND_MASK;
    if (kind === ReplyKind.failed) {
      return this.failureOf(position) === FailureCode.timedOut ? ReplicaState.silent : ReplicaState.failed;
    }
    if (this.#kind === RequestKind.write) {
      if (kind === ReplyKind.stale) return ReplicaState.newer;
      return kind === ReplyKind.ok ? ReplicaState.current : ReplicaState.failed;
    }
    const timestamp = this.#number(position, TIMESTAMP_AT);
    if (timestamp === this.timestamp && this.#number(position, WRITER_AT) === this.writer)
      return ReplicaState.current;
    return timestamp === 0 ? ReplicaState.missing : ReplicaState.stale;
  }

  timestampOf(position: number): number {
    if (this.#isStored(position)) return this.#timestamp;
    return this.hasAnswered(position) ? this.#number(position, TIMESTAMP_AT) : 0;
  }

  writerOf(position: number): number {
    if (this.#isStored(position)) return this.#writer;
    return this.hasAnswered(position) ? this.#number(position, WRITER_AT) : 0;
  }

  /** `none` also for one that has not answered. */
  failureOf(position: number): number {
    return this.hasAnswered(position) ? this.#number(position, SAID_AT) >> KIND_BITS : FailureCode.none;
  }

  /** -1: it has not. */
  answeredAfterMs(position: number): number {
    return this.hasAnswered(position) ? this.#number(position, ANSWERED_AFTER_AT) : -1;
  }

  #isOfKind(position: number, kind: ReplyKind): boolean {
    return this.hasAnswered(position) && (this.#number(position, SAID_AT) & KIND_MASK) === kind;
  }

  #isOwn(timestamp: number, writer: number): boolean {
    return timestamp === this.#timestamp && writer === this.#writer;
  }

  #isStored(position: number): boolean {
    return this.#kind === RequestKind.write && this.stateOf(position) === ReplicaState.current;
  }

  #number(position: number, which: number): number {
    return this.#numbers[position * NUMBERS_PER_POSITION + which];
  }

  /** @param isSettled the replica has no newer version: it stores nothing that is so old */
  #count(bit: number, kind: ReplyKind, code: number, isSettled: boolean): void {
    if (kind === ReplyKind.stale && !isSettled) this.#hasMetNewer = true;
    if (this.#counts(bit, kind, isSettled)) {
      if (++this.successes === this.#ack) this.decision = Decision.succeeded;
      return;
    }
    // One with a failure is so far ahead that there is no later timestamp to be had.
    if (kind === ReplyKind.stale && code === FailureCode.none && this.#overtakes(isSettled))
      this.#overtaken++;
    else this.#failures++;
    const spare = this.#from - this.#ack;
    if (this.#failures > spare) this.decision = Decision.failed;
    else if (this.#failures + this.#overtaken > spare) this.decision = Decision.overtaken;
  }

  #counts(bit: number, kind: ReplyKind, isSettled: boolean): boolean {
    if (kind === ReplyKind.ok) return true;
    if (kind === ReplyKind.absent) return this.#kind === RequestKind.read;
    if (kind !== ReplyKind.stale || isSettled) return false;
    if (this.newerVersion === NewerVersion.isJudged) return (this.#knownBefore & bit) !== 0;
    return this.newerVersion === NewerVersion.counts;
  }

  /** A later timestamp helps where all that is so old is settled, but not every write may take one. */
  #overtakes(isSettled: boolean): boolean {
    return !isSettled || this.newerVersion === NewerVersion.isJudged;
  }

  /** One that fails says nothing, nor does one that is not whole and has none. */
  #compare(kind: ReplyKind, timestamp: number, writer: number): void {
    if (kind === ReplyKind.failed || (kind === ReplyKind.incomplete && timestamp === 0)) return;
    if (this.#isHeard && !(timestamp === this.timestamp && writer === this.writer)) this.disagrees = true;
    this.#isHeard = true;
  }

  #keepFreshest(position: number, record: Uint8Array): void {
    const { timestamp, writer } = this;
    const isNewer =
      this.#freshestPosition === NOBODY ||
      compareVersions(
        this.#number(position, TIMESTAMP_AT),
        this.#number(position, WRITER_AT),
        timestamp,
        writer,
      ) > 0;
    if (!isNewer) return;
    this.#freshestPosition = position;
    this.writtenFrom = recordFrom(record, 0);
    if (this.#keepsRecord && this.decision === Decision.waiting) this.freshest = record;
  }
}
