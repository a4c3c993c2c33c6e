/**
 * What is known of one client connection, kept on its socket: what it asked for, how much of that is in work, what its
 * client has not read yet, and where it broke. A client may pipeline as it likes; what is begun for it is bounded, and
 * when it is gone nothing more is.
 */
import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * Beyond it a pipelining client gets 503. It takes more small requests at once than one read of a socket brings, and
 * while some wait the socket is not read.
 */
export const MAX_PIPELINED_REQUESTS = 2048;
/**
 * Of these so many are in work, few at first and one more for each that is answered: how long answers are shows only
 * then. The others are begun, in their order, as those are answered.
 */
export const FIRST_REQUESTS_IN_WORK = 4;
export const MAX_REQUESTS_IN_WORK = 16;
/** Nothing is begun beside others for a client that has so much still to read, or would have. */
export const MAX_UNREAD_BYTES = 1024 * 1024;
/** How much a shorter answer than before counts in what the next is expected to have. */
const SHORTER_WEIGHT = 1 / 4;

const CONNECTION = Symbol('connection');

/** Whoever reads the body of a request. */
export interface BodyReader {
  /**
   * The rest of the body cannot come: it is not HTTP, or it took too long.
   * @returns whether it sees to the answer and the connection's end; false: its request has an answer
   */
  onBrokenBody(status: number, sentence: string): boolean;
}

/** A request that waits for those before it on its connection. */
export interface Beginner {
  begin(): void;
  /** The client is gone. */
  drop(): void;
}

/** An answer that its client has not read yet. */
export interface UnreadAnswer {
  readonly unreadBytes: number;
  /** Called once: the client has it, or is gone. */
  onGone(): void;
}

export class Connection {
  /** Requests taken on whose answers are still owed by the node. */
  unanswered = 0;
  /** Of the last request that came. */
  latestResponse: ServerResponse | null = null;
  /** Of the last request, if it has a body that somebody reads. */
  bodyReader: BodyReader | null = null;
  /** The client has been told that no further request is served: what comes behind must not be. */
  isClosing = false;
  /** What comes cannot be read as requests any more. */
  isBroken = false;
  #inWork = 0;
  #maxInWork = FIRST_REQUESTS_IN_WORK;
  #expectedBytes = 0;
  #unreadBytes = 0;
  #isBeginning = false;
  readonly #socket: Duplex;
  readonly #waiting: Beginner[] = [];
  readonly #unread = new Set<UnreadAnswer>();

  private constructor(socket: Duplex) {
    this.#socket = socket;
  }

  static of(socket: Duplex & { [CONNECTION]?: Connection }): Connection {
    let connection = socket[CONNECTION];
    if (connection === undefined) {
      const created = new Connection(socket);
      connection = created;
      socket[CONNECTION] = connection;
      // An answer behind others has no socket yet, and does not hear that there will be none.
      socket.once('close', () => created.#onClosed());
    }
    return connection;
  }

  /** Begins a request now or, when enough of the connection are in work, later. */
  begin(request: Beginner): void {
    if (this.#waiting.length === 0 && this.#hasRoom) {
      this.#inWork++;
      request.begin();
    } else {
      this.#waiting.push(request);
      this.#socket.pause();
    }
  }

  /** One that was begun is answered. @param bytes of its answer */
  end(bytes: number): void {
    this.#inWork--;
    if (this.#maxInWork < MAX_REQUESTS_IN_WORK) this.#maxInWork++;
    const shorterBytes = this.#expectedBytes - bytes;
    this.#expectedBytes = shorterBytes > 0 ? bytes + (1 - SHORTER_WEIGHT) * shorterBytes : bytes;
    this.#beginMore();
  }

  /** Lets an answer that is written count until the client has it, or is gone. */
  holdUnread(response: ServerResponse, answer: UnreadAnswer): void {
    this.#unread.add(answer);
    this.#unreadBytes += answer.unreadBytes;
    response.once('close', () => {
      this.#letGo(answer);
      this.#beginMore();
    });
  }

  get #hasRoom(): boolean {
    if (this.#inWork === 0 && this.#unreadBytes === 0) return true;
    if (this.#inWork >= this.#maxInWork) return false;
    return this.#unreadBytes + (this.#inWork + 1) * this.#expectedBytes <= MAX_UNREAD_BYTES;
  }

  /** What is begun may be answered before the call returns: never one call within the other. */
  #beginMore(): void {
    if (this.#waiting.length === 0 || this.#isBeginning) return;
    this.#isBeginning = true;
    while (this.#waiting.length > 0 && this.#hasRoom) {
      this.#inWork++;
      this.#waiting.shift()?.begin();
    }
    this.#isBeginning = false;
    if (this.#waiting.length === 0) this.#socket.resume();
  }

  #letGo(answer: UnreadAnswer): void {
    if (!this.#unread.delete(answer)) return;
    this.#unreadBytes -= answer.unreadBytes;
    answer.onGone();
  }

  #onClosed(): void {
    for (const request of this.#waiting.splice(0)) request.drop();
    for (const answer of this.#unread) this.#letGo(answer);
  }
}
