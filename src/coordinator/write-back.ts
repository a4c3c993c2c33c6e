import {
  compareVersions,
  recordFault,
  recordFrom,
  recordTimestamp,
  recordWriter,
} from '../../native-free-lsm/index.ts';
import type { Clock, TimerHandle } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import { FailureCode } from '../failure.ts';
import { failed, isSettledVersion, type ReplicaReply, ReplyKind, type ReplySink } from '../reply.ts';
import { countPositions } from './positions.ts';
import type { ReplicaSet } from './replica-access.ts';
import type { ResponseAccumulator } from './response-accumulator.ts';

/** After this share of the time that is left, replicas that say nothing are late, and others are written to. */
const LATE_SHARE = 1 / 4;
const NOT_ASKED = 'not written to';

/** The read that waits for it. */
export interface WrittenBackRead {
  /** Enough replicas have the version, or a newer one. */
  onWrittenBack(): void;
  /** Enough of them never will. */
  onNotWrittenBack(sentence: string): void;
  /** A replica has the version now. Also said after the end. */
  onBrought(position: number, timestamp: number, writer: number): void;
  /** Every replica that was written to has answered. Also said after the end. */
  onAllAnswered(): void;
}

/** What the read has come to. */
interface FreshestAnswer {
  readonly replicas: ReplicaSet;
  readonly listOffset: number;
  readonly key: Uint8Array;
  readonly ack: number;
  readonly from: number;
  readonly said: ResponseAccumulator;
  /** It is no value: a replica may have forgotten it together with what is older. */
  readonly isForgettable: boolean;
  /** What is left of the read's time. */
  readonly remainingMs: number;
}

/**
 * Brings the version that a read is to answer to `ack` replicas, before it is answered. So no later read answers an older
 * one, if it hears any of these replicas: the write-back of Attiya, Bar-Noy and Dolev ("Sharing Memory Robustly in
 * Message-Passing Systems", 1995). Without it a write that has reached too few replicas is seen by one read and missed by
 * the next.
 *
 * First it is written to the replicas that have said an older version or none. Where one of these fails or is late, so it
 * is to the others. It never goes to more replicas than the write asked for: beyond the `from` that is in the record, only
 * one that has an older version gets it. Where there are fewer than `ack` of all these, all of them must have it.
 *
 * It is an ordinary write, which changes nothing where the replica has the version or a newer one, and such a replica
 * counts. So does one that refuses a deletion because all that is so old is settled: it had the deletion, and has
 * forgotten it together with what was deleted.
 */
export class WriteBack {
  readonly #read: WrittenBackRead;
  readonly #answer: FreshestAnswer;
  readonly #clock: Clock;
  readonly #timestamp: number;
  readonly #writer: number;
  /** Null once the read is answered: nobody is written to any more. */
  #record: Uint8Array | null;
  readonly #isForgettable: boolean;
  /** One bit a position, as in all that follow: replicas that may have the version. */
  readonly #owners: number;
  /** How many of them must. */
  readonly #needed: number;
  /** Have it, or a newer one. */
  #holders = 0;
  #asked = 0;
  /** Have not answered. */
  #pending = 0;
  #reasons: string[] | null = null;
  #lateTimer: TimerHandle | null = null;
  readonly #untilMs: number;

  /** @param record what the read is to answer: kept no longer than until it has */
  constructor(read: WrittenBackRead, record: Uint8Array, answer: FreshestAnswer, clock: Clock) {
    this.#read = read;
    this.#answer = answer;
    this.#clock = clock;
    const { ack, from, isForgettable, remainingMs, said } = answer;
    const timestamp = recordTimestamp(record, 0);
    const writer = recordWriter(record, 0);
    const writtenFrom = recordFrom(record, 0);
    let owners = 0;
    for (let position = 0; position < from; position++) {
      if (position < writtenFrom || said.timestampOf(position) > 0) owners |= 1 << position;
      if (said.hasNamed(position, timestamp, writer)) this.#holders |= 1 << position;
    }
    this.#record = record;
    this.#timestamp = timestamp;
    this.#writer = writer;
    this.#isForgettable = isForgettable;
    this.#owners = owners;
    this.#needed = Math.min(ack, countPositions(owners));
    this.#untilMs = clock.monotonicMs() + remainingMs;
  }

  /** Replicas have been written to that have not answered. */
  get isPending(): boolean {
    return this.#pending !== 0;
  }

  /** The read may have been answered when this returns. */
  start(): void {
    if (this.#isDone()) return;
    const { from, remainingMs, said } = this.#answer;
    this.#lateTimer = this.#clock.after(remainingMs * LATE_SHARE, () => this.#write(this.#owners));
    let behind = 0;
    for (let position = 0; position < from; position++) if (said.counts(position)) behind |= 1 << position;
    this.#write(behind & this.#owners);
    this.#goOn();
  }

  /** A replica has answered the read meanwhile. */
  onRead(position: number): void {
    if (this.#record === null || !this.#answer.said.hasNamed(position, this.#timestamp, this.#writer)) return;
    this.#holders |= 1 << position;
    this.#goOn();
  }

  onWritten(position: number, reply: ReplicaReply): void {
    const bit = 1 << position;
    if ((this.#pending & bit) === 0) return;
    this.#pending &= ~bit;
    if (this.#isHolder(reply)) {
      this.#holders |= bit;
      this.#read.onBrought(position, this.#timestamp, this.#writer);
    } else this.#noteReason(position, reply);
    this.#goOn();
    if (this.#pending === 0) this.#read.onAllAnswered();
  }

  /** The read is answered. What is on its way still goes to its replicas. */
  end(): void {
    this.#record = null;
    this.#lateTimer?.cancel();
    this.#lateTimer = null;
  }

  /**
   * Why it fell short, for the client.
   * @param silence what is said of replicas that have not answered
   */
  shortfall(silence: string): string {
    const { from, listOffset, replicas } = this.#answer;
    const { nodes, placement } = replicas.view;
    const others: string[] = [];
    for (let position = 0; position < from; position++) {
      const bit = 1 << position;
      if ((this.#owners & ~this.#holders & bit) === 0) continue;
      const reason = (this.#pending & bit) !== 0 ? silence : (this.#reasons?.[position] ?? NOT_ASKED);
      others.push(`${nodes[placement.lists[listOffset + position]].id}: ${reason}`);
    }
    const have = countPositions(this.#holders);
    return `The replicas differ, and ${this.#needed} of ${from} had to have the newest version before it is answered; ${have} did (${others.join('; ')}).`;
  }

  #goOn(): void {
    if (this.#isDone()) return;
    if (this.#mayCome < this.#needed) this.#write(this.#owners);
    if (this.#record === null || this.#mayCome >= this.#needed) return;
    this.end();
    this.#read.onNotWrittenBack(this.shortfall('no answer yet'));
  }

  get #mayCome(): number {
    return countPositions(this.#holders | this.#pending);
  }

  #isDone(): boolean {
    if (this.#record === null) return true;
    if (countPositions(this.#holders) < this.#needed) return false;
    this.end();
    this.#read.onWrittenBack();
    return true;
  }

  /** Of these, to each that does not have it and was not written to. */
  #write(positions: number): void {
    for (let position = 0; position < this.#answer.from; position++) {
      const bit = 1 << position;
      if (this.#record === null) return;
      if ((positions & ~this.#holders & ~this.#asked & bit) !== 0) this.#ask(position, this.#record);
    }
  }

  #ask(position: number, record: Uint8Array): void {
    const { key, listOffset, replicas } = this.#answer;
    const timeoutMs = Math.max(this.#untilMs - this.#clock.monotonicMs(), 0);
    this.#asked |= 1 << position;
    this.#pending |= 1 << position;
    try {
      replicas.write(listOffset + position, 1, { key, record, timeoutMs }, new Written(this, position));
    } catch (error) {
      this.onWritten(position, failed(FailureCode.peerUnavailable, errorMessage(error)));
    }
  }

  #isHolder({ kind, record }: ReplicaReply): boolean {
    if (kind === ReplyKind.ok) return true;
    if (kind !== ReplyKind.stale || record === null) return false;
    if (recordFault(record, 0, record.length) !== undefined) return false;
    if (isSettledVersion(record)) return this.#isForgettable;
    const timestamp = recordTimestamp(record, 0);
    return compareVersions(timestamp, recordWriter(record, 0), this.#timestamp, this.#writer) >= 0;
  }

  #noteReason(position: number, { reason }: ReplicaReply): void {
    this.#reasons ??= [];
    this.#reasons[position] = reason === '' ? 'failed' : reason;
  }
}

/** Takes the answer of the one replica that was written to. */
class Written implements ReplySink {
  readonly #writeBack: WriteBack;
  readonly #position: number;

  constructor(writeBack: WriteBack, position: number) {
    this.#writeBack = writeBack;
    this.#position = position;
  }

  onReply(_: number, reply: ReplicaReply): void {
    this.#writeBack.onWritten(this.#position, reply);
  }
}
