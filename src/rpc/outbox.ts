import type { Clock } from '../clock.ts';
import { Dropped, Lane, type LargeMessage } from './lane.ts';
import type { ByteStream } from './transport.ts';

/** How much a connection sends before the rest of the node gets its turn. */
const BYTES_PER_TURN = 512 * 1024;

/**
 * What one connection has to send. Everything that was gathered in a turn of the event loop goes to the socket in one
 * write. While the socket has not taken a write completely, frames gather for the next one. The background lane is sent
 * when the foreground lane is empty, and never while the socket is busy.
 */
export class Outbox {
  readonly foreground: Lane = new Lane();
  readonly background: Lane = new Lane();
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  #isScheduled = false;
  #isClosed = false;
  #endsWhenSent = false;
  /** What the socket has not taken completely yet, and the lane it came from. */
  #writing: Buffer | null = null;
  #writingLane: Lane = this.foreground;

  constructor(stream: ByteStream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
  }

  /** The bytes that the socket has not taken yet. */
  get queuedBytes(): number {
    const writing = this.#writing === null ? 0 : this.#writing.length;
    return writing + this.foreground.queuedBytes + this.background.queuedBytes;
  }

  /**
   * Reserves `count` bytes for one frame at the returned offset of the lane's `bytes`. Fill them before any other call
   * of the outbox.
   */
  reserve(lane: Lane, count: number): number {
    if (!this.#isScheduled) this.#schedule();
    return lane.reserve(count);
  }

  /** Returns where the copy of the frame starts in the lane's `bytes`. */
  append(lane: Lane, frame: Uint8Array): number {
    if (!this.#isScheduled) this.#schedule();
    return lane.append(frame);
  }

  appendLarge(lane: Lane, message: LargeMessage): void {
    if (!this.#isScheduled) this.#schedule();
    lane.appendLarge(message);
  }

  dropLarge(id: number): Dropped {
    const dropped = this.foreground.dropLarge(id);
    return dropped === Dropped.notFound ? this.background.dropLarge(id) : dropped;
  }

  /** The socket has taken everything written. */
  drained(): void {
    if (this.#writing === null) return;
    this.#writingLane.release();
    this.#writing = null;
    this.#flush();
  }

  /** Closes the stream once everything appended so far is sent. */
  endWhenSent(): void {
    this.#endsWhenSent = true;
    if (!this.#isScheduled) this.#schedule();
  }

  /** Nothing more is sent. */
  close(): void {
    this.#isClosed = true;
  }

  #schedule(): void {
    this.#isScheduled = true;
    this.#clock.endOfTurn(this.#endOfTurn);
  }

  readonly #endOfTurn = (): void => {
    this.#isScheduled = false;
    this.#flush();
  };

  #flush(): void {
    let budget = BYTES_PER_TURN;
    while (this.#writing === null && !this.#isClosed) {
      const lane = this.foreground.isEmpty ? this.background : this.foreground;
      if (lane.isEmpty) {
        if (this.#endsWhenSent) this.#end();
        return;
      }
      if (budget <= 0) {
        if (!this.#isScheduled) this.#schedule();
        return;
      }
      const bytes = lane.take();
      budget -= bytes.length;
      if (this.#stream.write(bytes)) lane.release();
      else {
        this.#writing = bytes;
        this.#writingLane = lane;
      }
    }
  }

  #end(): void {
    this.#isClosed = true;
    this.#stream.end();
  }
}
