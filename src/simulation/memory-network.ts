/**
 * A network in memory: streams between named hosts over an injected clock, cut into chunks of random size. It is as
 * strict as the contract of `ByteStream` allows: reused chunks are overwritten, memory that a `write` has not taken
 * completely is read only when its turn comes, chunks are cut anywhere, and nothing is called back during a call.
 */
import type { Clock, Random } from '../clock.ts';
import { QuorateError } from '../errors.ts';
import type { ByteStream, Listener, StreamHandler, Transport } from '../rpc/transport.ts';

/** The content of chunks that were overwritten. */
const OTHER_BYTES = 0xa5;

export class MemoryNetwork {
  readonly clock: Clock;
  readonly random: Random;
  latencyMs = 1;
  /** How much one direction of a stream holds before its writer has to wait. */
  bufferBytes = 64 * 1024;
  readonly #accepting = new Map<string, (stream: ByteStream) => void>();
  readonly #frozen = new Set<string>();
  readonly #streams = new Set<MemoryStream>();
  #nextPort = 1;
  /** What was written to all streams so far. */
  carriedBytes = 0;

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  /** The network as one host sees it. */
  transport(host: string): Transport {
    return {
      dial: (toHost, port) => this.#dial(host, toHost, port),
      listen: async (_host, port, onStream) => this.#listen(host, port, onStream),
    };
  }

  /** The host's process stops running: it reads and writes nothing, but its connections stay. */
  freeze(host: string): void {
    this.#frozen.add(host);
  }

  thaw(host: string): void {
    this.#frozen.delete(host);
    for (const stream of this.#streams) stream.wake();
  }

  isFrozen(host: string): boolean {
    return this.#frozen.has(host);
  }

  /** Cuts every stream that `chosen` selects; bytes on their way are lost. */
  cut(chosen: (fromHost: string, toHost: string) => boolean = () => true): void {
    for (const stream of [...this.#streams]) {
      if (chosen(stream.host, stream.peer.host)) stream.reset('cut');
    }
  }

  /** How many bytes on their way to a host it has not read. */
  undelivered(host: string): number {
    let bytes = 0;
    for (const stream of this.#streams) if (stream.host === host) bytes += stream.incomingBytes;
    return bytes;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  forget(stream: MemoryStream): void {
    this.#streams.delete(stream);
  }

  #listen(host: string, port: number, onStream: (stream: ByteStream) => void): Listener {
    const bound = port === 0 ? this.#nextPort++ : port;
    const name = `${host}:${bound}`;
    if (this.#accepting.has(name)) throw new QuorateError('ADDRESS_IN_USE', `${name} is taken`);
    this.#accepting.set(name, onStream);
    return {
      port: bound,
      close: async () => {
        this.#accepting.delete(name);
      },
    };
  }

  #dial(fromHost: string, toHost: string, port: number): ByteStream {
    const dialled = new MemoryStream(this, fromHost, `${toHost}:${port}`, true);
    const accepted = new MemoryStream(this, toHost, `${fromHost}:dialled`, false);
    dialled.peer = accepted;
    accepted.peer = dialled;
    this.clock.after(this.latencyMs, () => {
      const accept = this.#accepting.get(`${toHost}:${port}`);
      if (accept === undefined || dialled.isClosed) {
        dialled.refuse();
        return;
      }
      this.#streams.add(dialled);
      this.#streams.add(accepted);
      // As with a kernel, the connection is there before the process has accepted it.
      dialled.open();
      accepted.acceptInto(accept);
    });
    return dialled;
  }
}

interface Piece {
  readonly bytes: Uint8Array;
  at: number;
}

class MemoryStream implements ByteStream {
  readonly remoteAddress: string;
  readonly reusesChunks: boolean;
  readonly host: string;
  peer: MemoryStream = this;
  readonly #network: MemoryNetwork;
  #handler: StreamHandler | null = null;
  #accept: ((stream: ByteStream) => void) | null = null;
  /** What is on its way to this end. */
  readonly #incoming: Piece[] = [];
  #incomingBytes = 0;
  #isPaused = false;
  isClosed = false;
  #isScheduled = false;
  #writerWaits = false;
  #peerHasEnded = false;
  #closeReason = 'the other end closed the connection';

  constructor(network: MemoryNetwork, host: string, remoteAddress: string, reusesChunks: boolean) {
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
    this.peer.#close('the connection was reset');
  }

  /** Continues with what this end has to do, if anything. */
  wake(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#network.clock.after(this.#network.latencyMs * this.#network.random(), () => {
      this.#isScheduled = false;
      if (!this.#network.isFrozen(this.host)) this.#work();
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

  #take(bytes: Uint8Array): boolean {
    if (this.isClosed) {
      this.peer.#close('the connection was reset');
      return true;
    }
    this.#incomingBytes += bytes.length;
    this.#writerWaits = this.#incomingBytes > this.#network.bufferBytes;
    this.#incoming.push({ bytes: this.#writerWaits ? bytes : Uint8Array.from(bytes), at: 0 });
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
    if (piece !== undefined) this.#deliver(piece);
    if (this.#incoming.length > 0) this.wake();
    else if (this.#peerHasEnded) {
      // Like a socket that is not half-open: when the other end closes, this one closes too.
      this.#close(this.#closeReason);
      this.end();
    }
  }

  #deliver(piece: Piece): void {
    const left = piece.bytes.length - piece.at;
    const count = this.#network.random() < 0.3 ? 1 + Math.floor(this.#network.random() * left) : left;
    const chunk = Buffer.from(piece.bytes.subarray(piece.at, piece.at + count));
    piece.at += count;
    this.#incomingBytes -= count;
    if (piece.at === piece.bytes.length) this.#incoming.shift();
    if (this.#incoming.length === 0 && this.#writerWaits) {
      this.#writerWaits = false;
      const { peer } = this;
      this.#network.clock.after(0, () => {
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
