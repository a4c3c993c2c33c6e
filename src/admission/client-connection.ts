/**
 * What is in work for one client connection, and what its client has not read yet. A client may ask for as much as it
 * likes before it has its answers; what is begun for it is bounded, and when it is gone nothing more is.
 */

/**
 * A client that asks for more than this before it has answers is refused. It is more small requests than one read of a
 * socket brings, and while some wait the socket is not read.
 */
export const MAX_PIPELINED_REQUESTS = 2048;
/**
 * Of these so many are in work at a time: few at first, and one more for each that is answered, because how long answers
 * are is known only then. The others are begun, in their order, as those are answered.
 */
export const FIRST_REQUESTS_IN_WORK = 4;
export const MAX_REQUESTS_IN_WORK = 16;
/** A client that has so much still to read, or would have, gets one request begun at a time. */
export const MAX_UNREAD_BYTES = 1024 * 1024;
/** How much an answer that is shorter than expected counts in how long the next is expected to be. */
const SHORTER_WEIGHT = 1 / 4;

/** Where requests come from: it is not read while some wait. */
interface RequestStream {
  pause(): unknown;
  resume(): unknown;
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

export class ClientConnection {
  /** Requests taken on whose answers are still owed by the node. */
  unanswered = 0;
  #inWork = 0;
  #maxInWork = FIRST_REQUESTS_IN_WORK;
  #expectedBytes = 0;
  #unreadBytes = 0;
  #isBeginning = false;
  readonly #stream: RequestStream;
  readonly #waiting: Beginner[] = [];
  readonly #unread = new Set<UnreadAnswer>();

  constructor(stream: RequestStream) {
    this.#stream = stream;
  }

  /** Begins a request now or, when enough of the connection are in work, later. */
  begin(request: Beginner): void {
    if (this.#waiting.length === 0 && this.#hasRoom) {
      this.#inWork++;
      request.begin();
    } else {
      this.#waiting.push(request);
      this.#stream.pause();
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

  /** Lets an answer that is written count until it is let go. */
  holdUnread(answer: UnreadAnswer): void {
    this.#unread.add(answer);
    this.#unreadBytes += answer.unreadBytes;
  }

  /** The client has the answer, or will never have it. Nothing happens to one that is not held. */
  letGo(answer: UnreadAnswer): void {
    if (!this.#unread.delete(answer)) return;
    this.#unreadBytes -= answer.unreadBytes;
    answer.onGone();
    this.#beginMore();
  }

  /** The client is gone, and with it all that it still wanted. */
  close(): void {
    for (const request of this.#waiting.splice(0)) request.drop();
    for (const answer of this.#unread) this.letGo(answer);
  }

  get #hasRoom(): boolean {
    if (this.#inWork === 0 && this.#unreadBytes === 0) return true;
    if (this.#inWork >= this.#maxInWork) return false;
    return this.#unreadBytes + (this.#inWork + 1) * this.#expectedBytes <= MAX_UNREAD_BYTES;
  }

  /** A request that is begun may be answered before the call returns, and then this is called again within itself. */
  #beginMore(): void {
    if (this.#waiting.length === 0 || this.#isBeginning) return;
    this.#isBeginning = true;
    while (this.#waiting.length > 0 && this.#hasRoom) {
      this.#inWork++;
      this.#waiting.shift()?.begin();
    }
    this.#isBeginning = false;
    if (this.#waiting.length === 0) this.#stream.resume();
  }
}
