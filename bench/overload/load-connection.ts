/** One client with one connection, and one request at a time on it. A connection that ends is opened again. */
import { connect, type Socket } from 'node:net';
import { AnswerParser } from './answer-parser.ts';
import type { Request } from './load.ts';

/** The status of a request whose connection ended without an answer. */
export const BROKEN = 0;
/** A failed connection is not tried again at once: that would be a load of its own. */
const RECONNECT_MS = 100;

export class LoadConnection {
  readonly #port: number;
  readonly #onAnswer: (connection: LoadConnection, status: number, bodyBytes: number) => void;
  #socket: Socket | null = null;
  #parser = new AnswerParser();
  #isAsking = false;
  #isClosed = false;
  sentMs = 0;

  /** @param onAnswer called once for each request; it may send the next one */
  constructor(
    port: number,
    onAnswer: (connection: LoadConnection, status: number, bodyBytes: number) => void,
  ) {
    this.#port = port;
    this.#onAnswer = onAnswer;
  }

  /** Whether a request that was sent has no answer yet. */
  get isAsking(): boolean {
    return this.#isAsking;
  }

  /** What the last answer asked for. */
  get retryAfterMs(): number {
    return this.#parser.retryAfterSeconds * 1000;
  }

  send(request: Request): void {
    this.#isAsking = true;
    this.sentMs = performance.now();
    const socket = this.#socket ?? this.#connect();
    if (request.body === null) {
      socket.write(request.head, 'latin1');
      return;
    }
    socket.cork();
    socket.write(request.head, 'latin1');
    socket.write(request.body);
    socket.uncork();
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.destroy();
  }

  #connect(): Socket {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    this.#parser = new AnswerParser();
    let isConnected = false;
    socket.on('connect', () => {
      isConnected = true;
    });
    socket.on('data', (bytes: Buffer) => this.#onData(socket, bytes));
    socket.on('end', () => {
      if (this.#socket !== socket || !this.#isAsking || !this.#parser.endsWithConnection) return;
      this.#answered(this.#parser.status, true);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (!this.#isAsking || this.#isClosed) return;
      if (isConnected) this.#answered(BROKEN, true);
      else setTimeout(() => this.#answered(BROKEN, true), RECONNECT_MS);
    });
    return socket;
  }

  #onData(socket: Socket, bytes: Buffer): void {
    if (this.#socket !== socket || !this.#isAsking || !this.#parser.push(bytes)) return;
    // The answer came before the request was sent completely: the rest of it would be taken for the next one.
    this.#answered(this.#parser.status, this.#parser.closes || socket.writableLength > 0);
  }

  #answered(status: number, isOver: boolean): void {
    if (this.#isClosed) return;
    const { bodyBytes } = this.#parser;
    if (isOver) {
      this.#socket?.destroy();
      this.#socket = null;
    }
    this.#isAsking = false;
    this.#onAnswer(this, status, bodyBytes);
  }
}
