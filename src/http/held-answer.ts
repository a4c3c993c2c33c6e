/**
 * A value that is being sent, or waits for answers before it: its client may be slow to read it, or leave it unread.
 * Until it is gone its bytes count among those in flight, and a client that does not read it is cut. It keeps its place
 * in its line for a short while: so not too many values are read at a time, and no other request waits for a client.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { UnreadAnswer } from '../admission/client-connection.ts';
import type { TimerHandle } from '../clock.ts';
import { resetSocket } from '../reset-socket.ts';
import { WAITS } from '../wait-places.ts';
import { HttpConnection } from './connection.ts';
import type { HttpContext } from './context.ts';
import type { Reader } from './reader-watch.ts';

const SENDING_MS = 100;

/** A request that has a place in a line. */
export interface PlaceHolder {
  leaveLine(): void;
}

export class HeldAnswer implements Reader, UnreadAnswer {
  readonly unreadBytes: number;
  readonly socket: Socket;
  readonly #context: HttpContext;
  readonly #response: ServerResponse;
  readonly #holder: PlaceHolder;
  readonly #timer: TimerHandle;
  readonly #waitBeganMs = WAITS.httpSocket.begin();

  /**
   * @param bytes reserved already
   * @param holder gives up its place when the answer is gone, or takes long
   */
  constructor(
    context: HttpContext,
    socket: Socket,
    response: ServerResponse,
    bytes: number,
    holder: PlaceHolder,
  ) {
    this.#context = context;
    this.socket = socket;
    this.#response = response;
    this.unreadBytes = bytes;
    this.#holder = holder;
    this.#timer = context.clock.after(SENDING_MS, () => holder.leaveLine());
    context.readers.add(this);
    const connection = HttpConnection.of(socket);
    connection.holdUnread(this);
    response.once('close', () => connection.letGo(this));
  }

  /** Behind other answers of its connection it has no socket yet. */
  get isAwaited(): boolean {
    return this.#response.socket !== null;
  }

  onTooSlow(): void {
    resetSocket(this.socket);
  }

  onGone(): void {
    const { admission, readers } = this.#context;
    this.#timer.cancel();
    WAITS.httpSocket.end(this.#waitBeganMs);
    readers.delete(this);
    admission.releaseBytes(this.unreadBytes);
    this.#holder.leaveLine();
  }
}
