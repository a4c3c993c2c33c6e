import { encodeFragmentHead, FRAGMENT_BYTES, fragmentFrameBytes } from './codec.ts';

const INITIAL_BYTES = 16 * 1024;
/** A buffer that has grown larger than this in a burst is released once it is sent. */
const KEPT_BYTES = 256 * 1024;
const EMPTY = Buffer.alloc(0);

/** A message too large for one frame: its bytes are `head` followed by `body`. */
export interface LargeMessage {
  readonly id: number;
  readonly head: Uint8Array;
  /** It is not copied until it is sent, so it must not change. */
  readonly body: Uint8Array;
}

/** What became of a large message that is no longer wanted. */
export const Dropped = { notFound: 0, unsent: 1, partlySent: 2 } as const;
export type Dropped = (typeof Dropped)[keyof typeof Dropped];

/**
 * What waits to be sent with one priority: small frames, gathered in one buffer, and large messages, of which one
 * fragment at a time is sent behind them. Large messages are sent one after the other, so that the receiver never has
 * to put together more than one per lane.
 */
export class Lane {
  /** Allocated when there is something to send: a connection that failed at once costs no memory. */
  bytes: Buffer = EMPTY;
  #used = 0;
  /** What the socket has, between `take` and `release`. */
  #taken: Buffer = EMPTY;
  #spare: Buffer = EMPTY;
  readonly #large: LargeMessage[] = [];
  /** How many bytes of the first large message were sent. */
  #largeSent = 0;
  #largeBytes = 0;

  /** Reserves `count` bytes in `bytes`, which may be another buffer after the call, and returns where they start. */
  reserve(count: number): number {
    const at = this.#used;
    this.#used = at + count;
    if (this.#used > this.bytes.length) this.#grow();
    return at;
  }

  /** Returns where the copy of the frame starts in `bytes`. */
  append(frame: Uint8Array): number {
    const at = this.reserve(frame.length);
    this.bytes.set(frame, at);
    return at;
  }

  appendLarge(message: LargeMessage): void {
    this.#large.push(message);
    this.#largeBytes += message.head.length + message.body.length;
  }

  get queuedBytes(): number {
    return this.#used + this.#largeBytes;
  }

  get isEmpty(): boolean {
    return this.#used === 0 && this.#large.length === 0;
  }

  dropLarge(id: number): Dropped {
    const index = this.#large.findIndex((message) => message.id === id);
    if (index < 0) return Dropped.notFound;
    const [message] = this.#large.splice(index, 1);
    this.#largeBytes -= message.head.length + message.body.length;
    if (index > 0 || this.#largeSent === 0) return Dropped.unsent;
    this.#largeBytes += this.#largeSent;
    this.#largeSent = 0;
    return Dropped.partlySent;
  }

  /**
   * What goes to the socket next: the small frames gathered so far and, behind them, a fragment. The caller gives the
   * memory back with `release`; until then, frames gather in another buffer.
   */
  take(): Buffer {
    if (this.#large.length > 0 && this.#used < FRAGMENT_BYTES) this.#gatherFragment();
    const taken = this.bytes;
    const used = this.#used;
    this.bytes = this.#spare;
    this.#spare = EMPTY;
    this.#taken = taken;
    this.#used = 0;
    return taken.subarray(0, used);
  }

  release(): void {
    if (this.#taken.length <= KEPT_BYTES) this.#spare = this.#taken;
    this.#taken = EMPTY;
  }

  #gatherFragment(): void {
    const { id, head, body } = this.#large[0];
    const total = head.length + body.length;
    const offset = this.#largeSent;
    const payloadBytes = Math.min(total - offset, FRAGMENT_BYTES);
    const at = this.reserve(fragmentFrameBytes(payloadBytes));
    const next = encodeFragmentHead(this.bytes, at, id, total, offset, payloadBytes);
    // The head is shorter than a fragment, so it is in the first one only.
    const headBytes = offset === 0 ? head.length : 0;
    if (headBytes > 0) this.bytes.set(head, next);
    const bodyStart = offset + headBytes - head.length;
    this.bytes.set(body.subarray(bodyStart, bodyStart + payloadBytes - headBytes), next + headBytes);
    this.#largeBytes -= payloadBytes;
    this.#largeSent += payloadBytes;
    if (this.#largeSent === total) {
      this.#large.shift();
      this.#largeSent = 0;
    }
  }

  #grow(): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#used, 2 * this.bytes.length, INITIAL_BYTES));
    grown.set(this.bytes);
    this.bytes = grown;
  }
}
