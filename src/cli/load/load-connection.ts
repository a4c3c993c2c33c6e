/** One client: a bare connection with one request at a time on it. One that ends is made anew. */
import { connect, type Socket } from 'node:net';
import type { Address } from '../../address.ts';
import type { Clock } from '../../clock.ts';
import { AnswerReader } from './answer-reader.ts';
import { NoAnswer } from './no-answer.ts';
import type { Request } from './request-writer.ts';

/** A connection that cannot be made is not tried again at once: that would be a load of its own. */
const RECONNECT_MS = 100;
const CHUNK_BYTES = 64 * 1024;

export interface LoadConnectionOwner {
  /** The answer to the request is whole. The next may be sent within the call. */
  onAnswer(connection: LoadConnection, status: number): void;
  /** There will be none. Not within the call that sent the request. */
  onFailure(connection: LoadConnection, why: NoAnswer): void;
}

export class LoadConnection {
  readonly target: number;
  /** What the generator notes about the request under way. */
  dueMs = 0;
  operation = 0;
  key = 0;
  isSecondStep = false;
  isAsking = false;
  readonly #address: Address;
  readonly #owner: LoadConnectionOwner;
  readonly #clock: Clock;
  readonly #reader = new AnswerReader();
  #socket: Socket | null = null;
  #isClosed = false;

  /** @param target the index of `address` */
  constructor(target: number, address: Address, clock: Clock, owner: LoadConnectionOwner) {
    this.target = target;
    this.#address = address;
    this.#clock = clock;
    this.#owner = owner;
  }

  /** Of the last answer. */
  get bodyBytes(): number {
    return this.#reader.bodyBytes;
  }

  /** What the last answer, a 503, asks its client to wait; 0: nothing. */
  get retryAfterMs(): number {
    return this.#reader.retryAfterSeconds * 1_000;
  }

  send(request: Request): void {
    this.isAsking = true;
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
    const { host, port } = this.#address;
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const onread = {
      buffer,
      callback: (bytes: number): boolean => {
        if (this.#socket === socket) this.#onBytes(socket, buffer, bytes);
        return true;
      },
    };
    const socket = connect({ port, host, noDelay: true, onread });
    this.#socket = socket;
    this.#reader.reset();
    let isConnected = false;
    socket.on('connect', () => {
      isConnected = true;
    });
    socket.on('end', () => {
      if (this.#socket === socket && this.isAsking && this.#reader.endsWithConnection) this.#answered(true);
    });
    // What it was is told by `close`.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (!this.isAsking || this.#isClosed) return;
      if (isConnected) this.#failed(NoAnswer.broken);
      else this.#clock.after(RECONNECT_MS, () => this.#failed(NoAnswer.refused));
    });
    return socket;
  }

  #onBytes(socket: Socket, bytes: Buffer, length: number): void {
    if (!this.isAsking) {
      // Nothing was asked: the connection is good for nothing any more.
      this.#drop();
      return;
    }
    try {
      if (!this.#reader.push(bytes, 0, length)) return;
    } catch {
      this.#drop();
      this.#clock.after(0, () => this.#failed(NoAnswer.malformed));
      return;
    }
    // An answer that comes before the request is sent whole: the rest would be taken for the next request.
    this.#answered(this.#reader.closes || socket.writableLength > 0);
  }

  #answered(isLast: boolean): void {
    if (this.#isClosed) return;
    if (isLast) this.#drop();
    this.isAsking = false;
    this.#owner.onAnswer(this, this.#reader.status);
  }

  #failed(why: NoAnswer): void {
    if (this.#isClosed) return;
    this.isAsking = false;
    this.#owner.onFailure(this, why);
  }

  #drop(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }
}
