import { Backoff } from '../../backoff.ts';
import type { Clock, Random } from '../../clock.ts';
import type { Log } from '../../log.ts';
import type { DatagramReader } from './datagram-codec.ts';
import { ReplyTime } from './reply-time.ts';

/** One peer, as far as datagrams to it need to know. */
export interface DatagramPeer {
  readonly nodeId: string;
  /**
   * Sends the request with this id over the connection, if its answer has not come yet and it has time left.
   * @returns whether its answer is missing
   */
  resend(id: number, message: Buffer): boolean;
}

/** A datagram that was sent, kept until all its receivers have answered or were sent what they have missed. */
export class SentDatagram {
  readonly bytes: Buffer;
  readonly sentMs: number;
  /** It is waited for no longer, however patient one is: half the time of its first request to time out is over. */
  readonly latestMs: number;
  /** How many paths still keep it. */
  keepers = 0;

  /** @param deadlineMs of the first of its requests to time out */
  constructor(bytes: Buffer, sentMs: number, deadlineMs: number) {
    this.bytes = bytes;
    this.sentMs = sentMs;
    this.latestMs = sentMs + (deadlineMs - sentMs) / 2;
  }
}

interface Unanswered {
  readonly datagram: SentDatagram;
  /** Of the peer in it. */
  readonly place: number;
}

export interface PathStatus {
  readonly id: string;
  /** Whether writes to the peer go out as datagrams now. */
  readonly isUsed: boolean;
  /** Requests that datagrams have brought, or were to bring. */
  readonly sent: number;
  /** How many of them were sent again over the connection. */
  readonly resent: number;
  readonly patienceMs: number;
}

/** What datagrams to a peer are used for. */
const Use = {
  /** Every write that they can bring. */
  all: 0,
  /** None: nothing got through. The path rests. */
  none: 1,
  /** It has rested: the next write, and no other. */
  trial: 2,
  /** None until it shows whether that write got through. */
  tried: 3,
} as const;
type Use = (typeof Use)[keyof typeof Use];

/** So many datagrams in a row that bring nothing, … */
const LOST_IN_A_ROW = 8;
/** … over at least this time, so that a peer that was only busy is not meant: they do not get through. */
const LOST_FOR_MS = 500;
const REST_MIN_MS = 1_000;
const REST_MAX_MS = 60_000;
const NOBODY = -1;

/**
 * The datagrams to one peer: which were not answered yet, when they count as lost, and whether datagrams reach the peer
 * at all. Many networks carry no multicast, and say so by nothing but silence; then the path rests, its writes go over
 * the connection, and after a while it is tried again, with one write, so that no other waits in vain.
 */
export class DatagramPath {
  readonly #peer: DatagramPeer;
  readonly #reader: DatagramReader;
  readonly #replyTime = new ReplyTime();
  readonly #rest: Backoff;
  readonly #log: Log;
  readonly #release: (datagram: SentDatagram) => void;
  /** Oldest first. */
  readonly #unanswered: Unanswered[] = [];
  /** None of them has a `latestMs` before this. */
  #soonestMs = Number.POSITIVE_INFINITY;
  /** Names the session at its receiver; 0: there is none. */
  tag = 0;
  /** Of this peer in the datagram that is being gathered; -1: it is not in it. */
  place = NOBODY;
  #use: Use = Use.all;
  /** Whether the log says that datagrams do not get through. */
  #isTold = false;
  #restsUntilMs = 0;
  #lostInARow = 0;
  #lostSinceMs = 0;
  /** The request whose answer is timed, one at a time. */
  #timedId = NOBODY;
  #timedFromMs = 0;
  #sent = 0;
  #resent = 0;

  /**
   * @param reader serves all paths in turn
   * @param release called for each datagram that this path no longer keeps
   */
  constructor(
    peer: DatagramPeer,
    reader: DatagramReader,
    random: Random,
    log: Log,
    release: (datagram: SentDatagram) => void,
  ) {
    this.#peer = peer;
    this.#reader = reader;
    this.#log = log;
    this.#rest = new Backoff(REST_MIN_MS, REST_MAX_MS, random);
    this.#release = release;
  }

  /** Whether a write to the peer goes out as a datagram now. */
  get isUsed(): boolean {
    return this.tag !== 0 && (this.#use === Use.all || this.#use === Use.trial);
  }

  status(): PathStatus {
    return {
      id: this.#peer.nodeId,
      isUsed: this.isUsed,
      sent: this.#sent,
      resent: this.#resent,
      patienceMs: this.#replyTime.patienceMs,
    };
  }

  /** A session with the peer has begun. @param tag 0: without datagrams */
  open(tag: number): void {
    this.tag = tag;
  }

  /** The session is over, and its requests are answered. */
  close(): void {
    this.tag = 0;
    this.#timedId = NOBODY;
    this.#soonestMs = Number.POSITIVE_INFINITY;
    if (this.#use === Use.tried) this.#use = Use.trial;
    for (const { datagram } of this.#unanswered.splice(0)) this.#release(datagram);
  }

  /** No more datagrams are sent, and the session goes on: what is not answered goes over the connection at once. */
  giveUp(): void {
    for (const { datagram, place } of this.#unanswered.splice(0)) {
      this.#resent += this.#resendMissing(datagram, place);
      this.#release(datagram);
    }
    this.close();
  }

  /**
   * The path may have rested long enough. Call it before requests are answered whose time is up: theirs are missing
   * answers, too.
   */
  tick(nowMs: number): void {
    this.collect(nowMs);
    if (this.#use === Use.none && nowMs >= this.#restsUntilMs) this.#use = Use.trial;
  }

  /** The datagram that is being gathered is for this peer, too. */
  join(place: number): void {
    this.place = place;
    if (this.#use === Use.trial) this.#use = Use.tried;
  }

  /**
   * @param firstId of the requests that the datagram brings to this peer
   * @returns when it counts as lost if it is not answered
   */
  sent(datagram: SentDatagram, place: number, firstId: number, requests: number): number {
    const { latestMs, sentMs } = datagram;
    this.#sent += requests;
    this.#unanswered.push({ datagram, place });
    this.#soonestMs = Math.min(this.#soonestMs, latestMs);
    if (this.#timedId === NOBODY) {
      this.#timedId = firstId;
      this.#timedFromMs = sentMs;
    }
    return Math.min(sentMs + this.#replyTime.patienceMs, latestMs);
  }

  /** An answer has come. */
  onAnswer(id: number, clock: Clock): void {
    if (id !== this.#timedId) return;
    this.#timedId = NOBODY;
    this.#replyTime.heard(clock.monotonicMs() - this.#timedFromMs);
  }

  /** When the next datagram counts as lost if it is not answered; infinite: there is none. */
  get dueMs(): number {
    return Math.min(this.#patientUntilMs, this.#soonestMs);
  }

  /** Sends again what the peer has not answered in time. Over the connection nothing is lost, so once is enough. */
  collect(nowMs: number): void {
    while (this.#patientUntilMs <= nowMs) this.#settle(this.#unanswered.shift() as Unanswered, nowMs);
    // It may be of one that is settled.
    if (this.#unanswered.length === 0) this.#soonestMs = Number.POSITIVE_INFINITY;
    else if (this.#soonestMs <= nowMs) this.#collectShort(nowMs);
  }

  /** When patience with the oldest ends. */
  get #patientUntilMs(): number {
    const oldest = this.#unanswered[0];
    return oldest === undefined
      ? Number.POSITIVE_INFINITY
      : oldest.datagram.sentMs + this.#replyTime.patienceMs;
  }

  /** Settles those whose requests have too little time for patience, wherever they are in the row. */
  #collectShort(nowMs: number): void {
    const short: Unanswered[] = [];
    let kept = 0;
    this.#soonestMs = Number.POSITIVE_INFINITY;
    for (const unanswered of this.#unanswered) {
      const { latestMs } = unanswered.datagram;
      if (latestMs <= nowMs) short.push(unanswered);
      else {
        this.#unanswered[kept++] = unanswered;
        this.#soonestMs = Math.min(this.#soonestMs, latestMs);
      }
    }
    this.#unanswered.length = kept;
    for (const unanswered of short) this.#settle(unanswered, nowMs);
  }

  #settle({ datagram, place }: Unanswered, nowMs: number): void {
    const missing = this.#resendMissing(datagram, place);
    this.#release(datagram);
    if (missing === 0) {
      this.#onArrived();
      return;
    }
    // One that was given less time says nothing about the patience.
    if (datagram.sentMs + this.#replyTime.patienceMs <= nowMs) this.#replyTime.missed();
    this.#onMissing(missing, nowMs);
  }

  #resendMissing({ bytes }: SentDatagram, place: number): number {
    const reader = this.#reader;
    let missing = 0;
    reader.open(bytes);
    while (reader.next()) {
      const id = reader.idFor(place);
      if (id < 0) continue;
      // Which of the two sendings its answer belongs to could not be told.
      if (id === this.#timedId) this.#timedId = NOBODY;
      if (this.#peer.resend(id, bytes.subarray(reader.messageStart, reader.messageEnd))) missing++;
    }
    reader.clear();
    return missing;
  }

  #onArrived(): void {
    this.#lostInARow = 0;
    this.#rest.reset();
    this.#use = Use.all;
    if (!this.#isTold) return;
    this.#isTold = false;
    this.#log.info(`Multicast reaches node ${this.#peer.nodeId} again`);
  }

  #onMissing(requests: number, nowMs: number): void {
    this.#resent += requests;
    if (this.#lostInARow++ === 0) this.#lostSinceMs = nowMs;
    const isNothingHeard = this.#lostInARow >= LOST_IN_A_ROW && nowMs - this.#lostSinceMs >= LOST_FOR_MS;
    if (this.#use === Use.tried || (this.#use === Use.all && isNothingHeard)) this.#startRest(nowMs);
  }

  #startRest(nowMs: number): void {
    this.#use = Use.none;
    this.#restsUntilMs = nowMs + this.#rest.nextMs();
    if (this.#isTold) return;
    this.#isTold = true;
    const { nodeId } = this.#peer;
    this.#log.warn(
      `Multicast does not reach node ${nodeId}: its writes go over RPC, and from time to time multicast is tried again`,
    );
  }
}
