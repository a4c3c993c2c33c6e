/**
 * Several listening sockets on one port, all for one server. A listening socket hands over one connection in a turn of
 * the event loop, however many wait, and under load a turn is long: with one socket a few dozen clients a second got
 * in, and those behind them waited for seconds. The kernel spreads connections over the sockets. Where it cannot
 * share a port (macOS, Windows), there is one.
 */
import type { Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net';

/** Connections taken in one turn: each costs about as much as a request. */
const LISTENERS = 8;
/** Connections that wait at each socket. Beyond it the clients' systems try again after a second, and then later. */
const BACKLOG = 1024;

export class Listeners {
  readonly #server: HttpServer;
  readonly #others: Server[] = [];
  #isClosed = false;

  constructor(server: HttpServer) {
    this.#server = server;
  }

  /** @throws the error of the system that says why the port cannot be listened on; then nothing listens */
  async listen(host: string, port: number): Promise<void> {
    try {
      await this.#listenOnAll(host, port);
    } catch (error) {
      const closed = this.close();
      // Clients that the first sockets let in meanwhile.
      this.#server.closeAllConnections();
      await closed;
      throw error;
    }
  }

  async #listenOnAll(host: string, port: number): Promise<void> {
    // A shared port can be taken by other processes of this user as well, so look first whether one has it.
    if (port !== 0) await probe(host, port);
    const shared = { host, backlog: BACKLOG, reusePort: true };
    try {
      await this.#listenOn(this.#server, { ...shared, port });
    } catch (error) {
      if (!isUnsupported(error)) throw error;
      await this.#listenOn(this.#server, { host, port, backlog: BACKLOG });
      return;
    }
    for (let i = 1; i < LISTENERS; i++) {
      // With the same option as an HTTP server's own.
      const other = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        this.#server.emit('connection', socket),
      );
      this.#others.push(other);
      await this.#listenOn(other, { ...shared, port: this.port });
    }
  }

  async #listenOn(server: Server, options: ListenOptions): Promise<void> {
    await listen(server, options);
    // `close` was called before this server listened, so it could not close it.
    if (this.#isClosed) throw new Error('it was closed before it listened');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are open now. */
  async connections(): Promise<number> {
    const counts = await Promise.all([this.#server, ...this.#others].map(connectionsOf));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Takes no more connections, and resolves when those that are open have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#server, ...this.#others].map(close));
  }
}

async function probe(host: string, port: number): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  await listen(server, { host, port });
  await close(server);
}

function listen(server: Server, options: ListenOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(options, () => {
    server.off('error', reject);
    // Without file descriptors left, accepting fails now and then: clients knock again.
    server.on('error', () => {});
    resolve();
  });
  return promise;
}

/** Also one that does not listen, or not any more. */
function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  return promise;
}

function connectionsOf(server: Server): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  return promise;
}

function isUnsupported(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOTSUP' || code === 'EINVAL' || code === 'ENOPROTOOPT';
}
