/**
 * One end of a stream in memory, over an injected clock. It is as strict as the contract of `ByteStream` allows: reused
 * chunks are overwritten, memory that a `write` has not taken completely is read only when its turn comes, chunks are cut
 * anywhere, and nothing is called back during a call.
 */
import type { Clock, Random, TimerHandle } from '../clock.ts';
import type { ByteStream, StreamHandler } from '../rpc/transport.ts';
import type { Links } from './links.ts';

/** The content of chunks that were overwritten. */
const OTHER_BYTES = 0xa5;

/** What a stream needs of its network. */
interface StreamNetwork {
  readonly clock: Clock;
  readonly random: Random;
  readonly links: Links;
  readonly latencyMs: number;
  readonly bufferBytes: number;
  carriedBytes: number;
  isFrozen(host: string): boolean;
  forget(stream: MemoryStream): void;
}

interface Piece {
  readonly bytes: Uint8Array;
  at: number;
  /** Before this, its first byte cannot arrive. */
  firstMs: number;
  /** When all of it has arrived, of the network's monotonic time. */
  dueMs: number;
}

export class MemoryStream implements ByteStream {
  readonly remoteAddress: string;
  readonly reusesChunks: boolean;
  readonly host: string;
  peer: MemoryStream = this;
  readonly #network: StreamNetwork;
  #handler: StreamHandler | null = null;
  #accept: ((stream: ByteStream) => void) | null = null;
  /** What is on its way to this end. */
  readonly #incoming: Piece[] = [];
  #incomingBytes = 0;
  /** When the last of it arrives. */
  #lastDueMs = 0;
  #isPaused = false;
  isClosed = false;
  /** Set while this end has something to do. */
  #timer: TimerHandle | null = null;
  #writerWaits = false;
  #peerHasEnded = false;
  #closeReason = 'the other end closed the connection';

  constructor(network: StreamNetwork, host: string, remoteAddress: string, reusesChunks: boolean) {
    this.#network = network;
    this.host = host;
    this.remoteAddress = remoteAddress;
    this.reusesChunks = reusesChunks;
  }

  start(handler: StreamHandler): void {
    this.#handler = handler;
  }

  write(bytes: Uint8Array): boolean {
    this.#network.carriedBytes += bytes.length;
    return this.isClosed || this.peer.#take(bytes);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.wake();
  }

  end(): void {
    this.peer.#peerHasEnded = true;
    this.peer.wake();
  }

  destroy(reason: string): void {
    if (this.isClosed) return;
    this.#close(reason);
    this.end();
  }

  reset(reason: string): void {
    if (this.isClosed) return;
    this.#close(reason);
    this.peer.#incoming.length = 0;
    if (this.#reachesPeer) this.peer.#close('the connection was reset');
    // Its word does not arrive. The other end learns of it when it says something itself.
    else this.peer.#peerHasEnded = true;
  }

  /** The process at this end is gone: its handler is called no more. */
  abandon(): void {
    this.#handler = null;
    this.#accept = null;
  }

  /** What is on its way to this end comes so much later. */
  delayBy(delayMs: number): void {
    for (const piece of this.#incoming) {
      piece.firstMs += delayMs;
      piece.dueMs += delayMs;
    }
    this.#lastDueMs = Math.max(this.#lastDueMs, this.#network.clock.monotonicMs()) + delayMs;
  }

  /**
   * The way to this end has another rate now, in bytes per ms: what has not arrived yet takes as much longer or shorter.
   * What was sent at an infinite rate has left the link already, and stays as it is.
   */
  changeRate(oldRate: number, newRate: number): void {
    if (oldRate === Number.POSITIVE_INFINITY || this.#incoming.length === 0) return;
    const nowMs = this.#network.clock.monotonicMs();
    // When the piece before has arrived, at each of the two rates.
    let oldMs = nowMs;
    let newMs = nowMs;
    for (const piece of this.#incoming) {
      if (piece.dueMs <= nowMs) continue;
      const leftMs = piece.dueMs - Math.max(oldMs, piece.firstMs);
      oldMs = piece.dueMs;
      newMs = Math.max(newMs, piece.firstMs) + (leftMs * oldRate) / newRate;
      piece.dueMs = newMs;
    }
    this.#lastDueMs = newMs;
    this.#timer?.cancel();
    this.#timer = null;
    this.wake();
  }

  /** Continues with what this end has to do, if anything. */
  wake(): void {
    if (this.#timer !== null) return;
    const { clock, latencyMs, random } = this.#network;
    const dueMs = this.#incoming[0]?.dueMs ?? this.#lastDueMs;
    const leftMs = dueMs - clock.monotonicMs();
    this.#timer = clock.after(leftMs > 0 ? leftMs : latencyMs * random(), () => {
      this.#timer = null;
      if (!this.#network.isFrozen(this.host) && this.#hearsPeer) this.#work();
    });
  }

  get incomingBytes(): number {
    return this.#incomingBytes;
  }

  open(): void {
    this.#handler?.onOpen();
  }

  refuse(): void {
    this.#close('connection refused');
  }

  acceptInto(accept: (stream: ByteStream) => void): void {
    this.#accept = accept;
    this.wake();
  }

  get #hearsPeer(): boolean {
    return this.#network.links.isOpen(this.peer.host, this.host);
  }

  get #reachesPeer(): boolean {
    return this.#network.links.isOpen(this.host, this.peer.host);
  }

  #take(bytes: Uint8Array): boolean {
    if (this.isClosed) {
      // Nobody answers for a machine that is off, or cannot be reached.
      if (this.#hearsPeer && this.#reachesPeer) this.peer.#close('the connection was reset');
      return true;
    }
    const { bufferBytes, clock, latencyMs, links, random } = this.#network;
    this.#incomingBytes += bytes.length;
    this.#writerWaits = this.#incomingBytes > bufferBytes;
    const from = this.peer.host;
    const arrivesMs = clock.monotonicMs() + links.delayMs(from, this.host) + latencyMs * random();
    this.#lastDueMs = Math.max(this.#lastDueMs, arrivesMs) + bytes.length / links.bytesPerMs(from, this.host);
    const kept = this.#writerWaits ? bytes : Uint8Array.from(bytes);
    this.#incoming.push({ bytes: kept, at: 0, firstMs: arrivesMs, dueMs: this.#lastDueMs });
    this.wake();
    return !this.#writerWaits;
  }

  #work(): void {
    if (this.isClosed) return;
    if (this.#accept !== null) {
      this.#accept(this);
      this.#accept = null;
    }
    if (this.#isPaused) return;
    const piece = this.#incoming[0];
    if (piece !== undefined && piece.dueMs <= this.#network.clock.monotonicMs()) this.#deliver(piece);
    if (this.#incoming.length > 0) this.wake();
    else if (this.#peerHasEnded) {
      // Like a socket that is not half-open: when the other end closes, this one closes too.
      this.#close(this.#closeReason);
      this.end();
    }
  }

  #deliver(piece: Piece): void {
    const { clock, random } = this.#network;
    const left = piece.bytes.length - piece.at;
    const count = random() < 0.3 ? 1 + Math.floor(random() * left) : left;
    const chunk = Buffer.from(piece.bytes.subarray(piece.at, piece.at + count));
    piece.at += count;
    this.#incomingBytes -= count;
    if (piece.at === piece.bytes.length) this.#incoming.shift();
    if (this.#incoming.length === 0 && this.#writerWaits) {
      this.#writerWaits = false;
      const { peer } = this;
      clock.after(0, () => {
        if (!peer.isClosed) peer.#handler?.onDrain();
      });
    }
    this.#handler?.onData(chunk);
    if (this.reusesChunks) chunk.fill(OTHER_BYTES);
  }

  #close(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#closeReason = reason;
    this.#network.forget(this);
    this.#network.clock.after(0, () => this.#handler?.onClose(reason));
  }
}
