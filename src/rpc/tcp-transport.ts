import net from 'node:net';
import { errorMessage, QuorateError } from '../errors.ts';
import { resetSocket } from '../reset-socket.ts';
import { WAITS } from '../wait-places.ts';
import type { ByteStream, Listener, StreamHandler, Transport } from './transport.ts';

/** The most that one read of a dialled connection brings; libuv reads the same by itself. */
const CHUNK_BYTES = 64 * 1024;

class TcpStream implements ByteStream {
  readonly remoteAddress: string;
  readonly reusesChunks: boolean;
  readonly #socket: net.Socket;
  #waitsForDrain = false;
  #waitBeganMs = 0;
  #closeReason = 'the other end closed the connection';
  #handler: StreamHandler | null = null;

  private constructor(socket: net.Socket, remoteAddress: string, reusesChunks: boolean) {
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    this.reusesChunks = reusesChunks;
  }

  static accepted(socket: net.Socket): TcpStream {
    const stream = new TcpStream(socket, `${socket.remoteAddress}:${socket.remotePort}`, false);
    socket.on('data', (chunk: Buffer) => stream.#handler?.onData(chunk));
    return stream;
  }

  /**
   * Answers with large values would leave megabytes of chunks to the garbage collector, so each chunk is read into the
   * same memory. Node offers this only for sockets that connect.
   */
  static dialled(host: string, port: number): TcpStream {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const onChunk = (bytes: number): boolean => {
      stream.#handler?.onData(bytes === CHUNK_BYTES ? buffer : buffer.subarray(0, bytes));
      return true;
    };
    const socket = net.connect({ host, port, onread: { buffer, callback: onChunk } });
    const stream = new TcpStream(socket, `${host}:${port}`, true);
    return stream;
  }

  start(handler: StreamHandler): void {
    this.#handler = handler;
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.on('connect', () => handler.onOpen());
    socket.on('error', (error) => {
      this.#closeReason = errorMessage(error);
    });
    socket.on('close', () => {
      if (this.#waitsForDrain) WAITS.rpcSocket.end(this.#waitBeganMs);
      handler.onClose(this.#closeReason);
    });
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket.destroyed) return true;
    socket.write(bytes, this.#onWritten);
    // What the kernel took during the call counts as written.
    this.#waitsForDrain = socket.writableLength > 0;
    if (this.#waitsForDrain) this.#waitBeganMs = WAITS.rpcSocket.begin();
    return !this.#waitsForDrain;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(reason: string): void {
    this.#closeReason = reason;
    this.#socket.destroy();
  }

  reset(reason: string): void {
    this.#closeReason = reason;
    resetSocket(this.#socket);
  }

  /**
   * Node calls it, a little later, also for writes that the kernel took at once, so only an empty queue means
   * something.
   */
  readonly #onWritten = (): void => {
    if (!this.#waitsForDrain || this.#socket.writableLength > 0 || this.#socket.destroyed) return;
    this.#waitsForDrain = false;
    WAITS.rpcSocket.end(this.#waitBeganMs);
    this.#handler?.onDrain();
  };
}

class TcpListener implements Listener {
  readonly port: number;
  readonly #server: net.Server;

  constructor(server: net.Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  async close(): Promise<void> {
    // Its callback would wait for accepted sockets too, but these are closed by their owners.
    this.#server.close();
  }
}

export class TcpTransport implements Transport {
  dial(host: string, port: number): ByteStream {
    return TcpStream.dialled(host, port);
  }

  async listen(host: string, port: number, onStream: (stream: ByteStream) => void): Promise<Listener> {
    const server = net.createServer((socket) => onStream(TcpStream.accepted(socket)));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host, port }, resolve);
    try {
      await promise;
    } catch (error) {
      throw listenFault(host, port, error);
    }
    server.off('error', reject);
    // Accepting fails while no file descriptors are left: peers dial again.
    server.on('error', () => {});
    const address = server.address();
    return new TcpListener(server, typeof address === 'object' && address !== null ? address.port : port);
  }
}

function listenFault(host: string, port: number, error: unknown): QuorateError {
  const inUse = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  if (inUse) {
    const message = `Port ${port} of ${host} is taken by another program: stop it, or choose another port for RPC`;
    return new QuorateError('ADDRESS_IN_USE', message, error);
  }
  return new QuorateError(
    'INVALID_CONFIG',
    `Cannot listen on ${host}:${port} for RPC: ${errorMessage(error)}`,
    error,
  );
}
