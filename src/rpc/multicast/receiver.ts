import type { Clock } from '../../clock.ts';
import { protocolError, QuorateError } from '../../errors.ts';
import { LimitedLog } from '../../limited-log.ts';
import type { Log } from '../../log.ts';
import { Message } from '../message.ts';
import { MessageDecoder } from '../message-decoder.ts';
import { WRITE } from '../operation-table.ts';
import { MessageKind } from '../operations.ts';
import { DatagramReader } from './datagram-codec.ts';
import type { DatagramSeal } from './datagram-seal.ts';

/** What became of a write in a datagram. */
export const Intake = {
  /** It is served, or refused over the connection. */
  taken: 0,
  /** It was served before, or nobody waits for it any more. */
  known: 1,
  /** It was not taken: its sender sends it again over the connection. */
  left: 2,
} as const;
export type Intake = (typeof Intake)[keyof typeof Intake];

/** A session by which a peer asks this node. */
export interface DatagramSession {
  /** A datagram of the peer came: it lives. */
  heard(): void;
  /** Serves a write, which has its id in this session. */
  onDatagramWrite(message: Message): Intake;
}

export interface ReceivedFigures {
  readonly datagrams: number;
  /** Writes for this node that datagrams brought. */
  readonly writes: number;
  /** Of them: known already. */
  readonly duplicates: number;
  /** Of them: not taken, because there was too much to do. */
  readonly left: number;
  /** Writes that were sent again over the connection, though their datagram had come. */
  readonly resentInVain: number;
  /** Datagrams that name no session of this node: of others, of earlier sessions, of strangers. */
  readonly foreign: number;
  /** Datagrams with a wrong seal. */
  readonly unsealed: number;
  /** Datagrams that were not looked at, because too many had a wrong seal or had come before. */
  readonly unread: number;
  /** Datagrams with the right seal that no node of this build sends. */
  readonly malformed: number;
}

/** How often a kind of line may be logged that a stranger can cause. */
const LOG_PERIOD_MS = 60_000;
/** To check a seal costs time for each byte: in a second, no more is spent on datagrams that bring nothing. */
const WASTED_BYTES_PER_SECOND = 4 * 1024 * 1024;
/** What a datagram counts for besides its bytes. */
const WASTED_BYTES_EACH = 2_048;

/**
 * Takes the datagrams of all peers, drops what is not theirs, and hands each write to the session that it belongs to.
 * Nothing is answered to a datagram itself, so that a stranger learns nothing. A datagram whose sessions are not of this
 * node is dropped before its seal is looked at: so a replay of an earlier session costs next to nothing.
 */
export class MulticastReceiver {
  readonly #seal: DatagramSeal;
  readonly #clock: Clock;
  readonly #log: LimitedLog<'seal' | 'malformed'>;
  readonly #sessions = new Map<number, DatagramSession>();
  readonly #reader = new DatagramReader();
  readonly #decoder = new MessageDecoder();
  readonly #message = new Message();
  #wastedBytes = 0;
  #wastedSinceMs = 0;
  #datagrams = 0;
  #writes = 0;
  #duplicates = 0;
  #left = 0;
  #resentInVain = 0;
  #foreign = 0;
  #unsealed = 0;
  #unread = 0;
  #malformed = 0;

  constructor(seal: DatagramSeal, clock: Clock, log: Log) {
    this.#seal = seal;
    this.#clock = clock;
    this.#log = new LimitedLog(log, clock, LOG_PERIOD_MS);
  }

  get figures(): ReceivedFigures {
    return {
      datagrams: this.#datagrams,
      writes: this.#writes,
      duplicates: this.#duplicates,
      left: this.#left,
      resentInVain: this.#resentInVain,
      foreign: this.#foreign,
      unsealed: this.#unsealed,
      unread: this.#unread,
      malformed: this.#malformed,
    };
  }

  addSession(tag: number, session: DatagramSession): void {
    this.#sessions.set(tag, session);
  }

  removeSession(tag: number, session: DatagramSession): void {
    if (this.#sessions.get(tag) === session) this.#sessions.delete(tag);
  }

  /** A write came over the connection that was served before. */
  onResentInVain(): void {
    this.#resentInVain++;
  }

  onDatagram(bytes: Buffer): void {
    this.#datagrams++;
    const reader = this.#reader;
    if (!reader.open(bytes)) {
      this.#foreign++;
      return;
    }
    for (let place = 0; place < reader.receivers; place++) {
      const session = this.#sessions.get(reader.tagOf(place));
      if (session === undefined) continue;
      if (this.#isSpent()) this.#unread++;
      else this.#onAddressed(bytes, place, session);
      reader.clear();
      this.#decoder.clear(this.#message);
      return;
    }
    reader.clear();
    this.#foreign++;
  }

  #onAddressed(bytes: Buffer, place: number, session: DatagramSession): void {
    if (!this.#seal.isSealed(bytes)) {
      this.#unsealed++;
      this.#log.warn('seal', 'Dropped a datagram that names a session of this node and has a wrong seal');
      this.#waste(bytes);
      return;
    }
    session.heard();
    const known = this.#duplicates;
    const writes = this.#writes;
    this.#take(bytes, place, session);
    if (this.#duplicates - known === this.#writes - writes) this.#waste(bytes);
  }

  /** Whether so much was wasted in this second that nothing more is looked at. */
  #isSpent(): boolean {
    if (this.#wastedBytes < WASTED_BYTES_PER_SECOND) return false;
    if (this.#clock.monotonicMs() - this.#wastedSinceMs < 1_000) return true;
    this.#wastedBytes = 0;
    return false;
  }

  #waste(bytes: Buffer): void {
    if (this.#wastedBytes === 0) this.#wastedSinceMs = this.#clock.monotonicMs();
    this.#wastedBytes += bytes.length + WASTED_BYTES_EACH;
  }

  #take(bytes: Buffer, place: number, session: DatagramSession): void {
    const reader = this.#reader;
    try {
      while (reader.next()) {
        const id = reader.idFor(place);
        if (id >= 0) this.#takeWrite(bytes, id, session);
      }
      if (!reader.isWhole) throw protocolError('a datagram that ends within a write');
    } catch (error) {
      if (!(error instanceof QuorateError) || error.code !== 'PROTOCOL') throw error;
      this.#onMalformed(error.message);
    }
  }

  #takeWrite(bytes: Buffer, id: number, session: DatagramSession): void {
    const message = this.#message;
    this.#decoder.decode(bytes, this.#reader.messageStart, this.#reader.messageEnd, message);
    if (message.kind !== MessageKind.request || message.operation !== WRITE.number)
      throw protocolError('a datagram with a message that is no write');
    message.id = id;
    this.#writes++;
    const intake = session.onDatagramWrite(message);
    if (intake === Intake.known) this.#duplicates++;
    else if (intake === Intake.left) this.#left++;
  }

  /** What it brings is sent again over the connection, where a fault is told to the peer. */
  #onMalformed(what: string): void {
    this.#malformed++;
    this.#log.warn('malformed', `Dropped a datagram of a node of this cluster: ${what}`);
  }
}
