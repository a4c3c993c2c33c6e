import { Backoff } from '../../backoff.ts';
import type { Clock, Random } from '../../clock.ts';
import type { Log } from '../../log.ts';
import type { DatagramReader } from './datagram-codec.ts';
import { ReplyTime } from './reply-time.ts';

/** One peer, as far as datagrams to it need to know. */
export interface DatagramPeer {
  readonly nodeId: string;
  /**
   * Sends the request with this id over the connection, if its answer has not come yet.
   * @returns whether it was missing
   */
  resend(id: number, message: Buffer): boolean;
}

/** A datagram that was sent, kept until all its receivers have answered or were sent what they have missed. */
export class SentDatagram {
  readonly bytes: Buffer;
  readonly sentMs: number;
  /** How many paths still keep it. */
  keepers = 0;

  constructor(bytes: Buffer, sentMs: number) {
    this.bytes = bytes;
    this.sentMs = sentMs;
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
 * the connection, and after a while it is tried again.
 */
export class DatagramPath {
  readonly #peer: DatagramPeer;
  readonly #replyTime = new ReplyTime();
  readonly #rest: Backoff;
  readonly #log: Log;
  readonly #release: (datagram: SentDatagram) => void;
  /** Oldest first. */
  readonly #unanswered: Unanswered[] = [];
  /** Names the session at its receiver; 0: there is none. */
  tag = 0;
  /** Of this peer in the datagram that is being gathered; -1: it is not in it. */
  place = NOBODY;
  #isResting = false;
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

  /** @param release called for each datagram that this path no longer keeps */
  constructor(peer: DatagramPeer, random: Random, log: Log, release: (datagram: SentDatagram) => void) {
    this.#peer = peer;
    this.#log = log;
    this.#rest = new Backoff(REST_MIN_MS, REST_MAX_MS, random);
    this.#release = release;
  }

  /** Whether a write to the peer goes out as a datagram now. */
  get isUsed(): boolean {
    return this.tag !== 0 && !this.#isResting;
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
    for (const { datagram } of this.#unanswered.splice(0)) this.#release(datagram);
  }

  /** The path may have rested long enough. */
  tick(nowMs: number): void {
    if (!this.#isResting || nowMs < this.#restsUntilMs) return;
    this.#isResting = false;
    this.#lostInARow = 0;
  }

  /** @param firstId of the requests that the datagram brings to this peer */
  sent(datagram: SentDatagram, place: number, firstId: number, requests: number): void {
    this.#sent += requests;
    this.#unanswered.push({ datagram, place });
    if (this.#timedId !== NOBODY) return;
    this.#timedId = firstId;
    this.#timedFromMs = datagram.sentMs;
  }

  /** An answer has come. */
  onAnswer(id: number, clock: Clock): void {
    if (id !== this.#timedId) return;
    this.#timedId = NOBODY;
    this.#replyTime.heard(clock.monotonicMs() - this.#timedFromMs);
  }

  /** When the next datagram counts as lost if it is not answered; infinite: there is none. */
  get dueMs(): number {
    const oldest = this.#unanswered[0];
    return oldest === undefined
      ? Number.POSITIVE_INFINITY
      : oldest.datagram.sentMs + this.#replyTime.patienceMs;
  }

  /** Sends again what the peer has not answered in time. Over the connection nothing is lost, so once is enough. */
  collect(nowMs: number, reader: DatagramReader): void {
    while (this.dueMs <= nowMs) {
      const { datagram, place } = this.#unanswered.shift() as Unanswered;
      const missing = this.#resendMissing(datagram, place, reader);
      this.#release(datagram);
      if (missing === 0) this.#onArrived();
      else this.#onMissing(missing, nowMs);
    }
  }

  #resendMissing({ bytes }: SentDatagram, place: number, reader: DatagramReader): number {
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
    if (!this.#isTold) return;
    this.#isTold = false;
    this.#log.info(`Multicast reaches node ${this.#peer.nodeId} again`);
  }

  #onMissing(requests: number, nowMs: number): void {
    this.#resent += requests;
    this.#replyTime.missed();
    if (this.#lostInARow++ === 0) this.#lostSinceMs = nowMs;
    if (this.#isResting || this.#lostInARow < LOST_IN_A_ROW || nowMs - this.#lostSinceMs < LOST_FOR_MS)
      return;
    this.#isResting = true;
    this.#restsUntilMs = nowMs + this.#rest.nextMs();
    if (this.#isTold) return;
    this.#isTold = true;
    const { nodeId } = this.#peer;
    this.#log.warn(
      `Multicast does not reach node ${nodeId}: its writes go over RPC, and from time to time multicast is tried again`,
    );
  }
}
