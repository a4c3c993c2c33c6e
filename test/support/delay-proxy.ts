/**
 * A TCP proxy that makes a good network a bad one, for tests and benchmarks: each way of it can be delayed, held to a
 * rate, or frozen, and its connections can be cut. Bytes keep their order, and a receiver that does not read stops its
 * sender. It shares the event loop of whoever uses it, so whoever keeps that busy adds to the delay.
 *
 * Two things differ from a real network, because the kernel makes connections by itself: a client's connection is made
 * at once, and its way to the target takes the delay once (not twice before the client may send); and a target that
 * refuses connections is met as one that resets them.
 */
import { createServer, type Server, Socket } from 'node:net';
import type { Address } from '../../src/address.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { resetSocket } from '../../src/reset-socket.ts';
import { DelayLine, LinkDirection } from './delay-line.ts';

const HOST = '127.0.0.1';
/** On the way, per connection and direction; a sender is not read beyond it. It is 80 MB/s at a delay of 50 ms. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

export class DelayProxy implements AsyncDisposable {
  readonly address: Address;
  readonly toTarget = new LinkDirection();
  readonly toClient = new LinkDirection();
  readonly #target: Address;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #connections = new Set<ProxiedConnection>();
  #isCut = false;

  private constructor(server: Server, port: number, target: Address, clock: Clock) {
    this.#server = server;
    this.address = { host: HOST, port };
    this.#target = target;
    this.#clock = clock;
    server.on('connection', (socket) => this.#onConnection(socket));
  }

  /** Begins to listen on a port that the system chooses; the target need not listen yet. */
  static async listen(target: Address, clock: Clock = systemClock): Promise<DelayProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host: HOST, port: 0 }, resolve);
    await promise;
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new Error('a proxy has no port');
    return new DelayProxy(server, bound.port, target, clock);
  }

  /** That are open on either side. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Both ways. */
  set delayMs(delayMs: number) {
    this.toTarget.delayMs = delayMs;
    this.toClient.delayMs = delayMs;
  }

  /** Connections are taken, and nothing passes them, either way. */
  freeze(): void {
    this.toTarget.freeze();
    this.toClient.freeze();
  }

  thaw(): void {
    this.toTarget.thaw();
    this.toClient.thaw();
  }

  /** Resets every connection, and each new one until `mend`. */
  cut(): void {
    this.#isCut = true;
    for (const connection of this.#connections) connection.reset();
  }

  mend(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #onConnection(client: Socket): void {
    if (this.#isCut) {
      // A reset that arrives before it is heard of is no fault.
      client.on('error', () => undefined);
      resetSocket(client);
      return;
    }
    const link = { address: this.#target, toTarget: this.toTarget, toClient: this.toClient };
    const connection = new ProxiedConnection(client, link, this.#clock, () =>
      this.#connections.delete(connection),
    );
    this.#connections.add(connection);
  }
}

/** What travels besides bytes, in its place among them. */
const Event = { open: 0, end: 1, reset: 2 } as const;
type Event = (typeof Event)[keyof typeof Event];

interface Link {
  readonly address: Address;
  readonly toTarget: LinkDirection;
  readonly toClient: LinkDirection;
}

class ProxiedConnection {
  readonly #client: Socket;
  readonly #target = new Socket({ allowHalfOpen: true });
  readonly #address: Address;
  readonly #toTarget: DelayLine<Buffer | Event>;
  readonly #toClient: DelayLine<Buffer | Event>;
  readonly #onClosed: () => void;
  #openSockets = 2;

  constructor(client: Socket, link: Link, clock: Clock, onClosed: () => void) {
    const target = this.#target;
    this.#client = client;
    this.#address = link.address;
    this.#onClosed = onClosed;
    this.#toTarget = new DelayLine(link.toTarget, clock, (item) => this.#deliver(item, target, client));
    this.#toClient = new DelayLine(link.toClient, clock, (item) => this.#deliver(item, client, target));
    this.#carry(client, this.#toTarget, this.#toClient);
    this.#carry(target, this.#toClient, this.#toTarget);
    this.#toTarget.push(Event.open, 0);
  }

  reset(): void {
    this.#toTarget.close();
    this.#toClient.close();
    resetSocket(this.#client);
    resetSocket(this.#target);
  }

  /**
   * @param line what this socket sends
   * @param back what is sent to it
   */
  #carry(socket: Socket, line: DelayLine<Buffer | Event>, back: DelayLine<Buffer | Event>): void {
    socket.on('data', (chunk: Buffer) => {
      line.push(chunk, chunk.length);
      if (line.queuedBytes >= MAX_QUEUED_BYTES) socket.pause();
    });
    socket.on('end', () => line.push(Event.end, 0));
    socket.on('drain', () => back.unblock());
    // `close` tells that there was one.
    socket.on('error', () => undefined);
    socket.on('close', (hadError) => {
      // Nobody is left whom this could reach.
      back.close();
      if (hadError) line.push(Event.reset, 0);
      if (--this.#openSockets === 0) this.#onClosed();
    });
  }

  /** @returns whether the receiver takes more */
  #deliver(item: Buffer | Event, to: Socket, from: Socket): boolean {
    switch (item) {
      case Event.open:
        to.setNoDelay(true).connect(this.#address.port, this.#address.host);
        return true;
      case Event.end:
        to.end();
        return true;
      case Event.reset:
        resetSocket(to);
        return true;
      default: {
        const { queuedBytes } = to === this.#target ? this.#toTarget : this.#toClient;
        if (from.isPaused() && queuedBytes < MAX_QUEUED_BYTES / 2) from.resume();
        return to.write(item);
      }
    }
  }
}
