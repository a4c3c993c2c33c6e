/**
 * Serves this node's replica to its peers over HTTP, on a port of its own that the system chooses and the RPC handshake
 * tells. A connection is served when its first request proves that it comes from the other end of an RPC session that
 * this node has accepted; everybody else is answered 404, whatever they ask. It ends with that session.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { formatAddress } from '../address.ts';
import type { Clock, TimerHandle } from '../clock.ts';
import { errorMessage, QuorateError } from '../errors.ts';
import { LimitedLog } from '../limited-log.ts';
import type { Log } from '../log.ts';
import { maxMessageBytes } from '../rpc/codec.ts';
import type { ReplicaHandler } from '../rpc/replica-handler.ts';
import type { RpcSession } from '../rpc/session.ts';
import { WaitingRoom } from '../rpc/waiting-room.ts';
import { claimOf, infoOf, isClaimProved, sessionName } from './connection-proof.ts';
import type { PeerHttpLimits } from './limits.ts';
import { Once } from './once.ts';
import { ByteShare, type ExchangeContext, type PeerShares, ReplicaExchange } from './replica-exchange.ts';
import { MAX_HEAD_BYTES, SESSION_TARGET } from './wire.ts';

/** How often each kind of line may be logged that somebody can cause who has not proved anything. */
const STRANGER_LOG_PERIOD_MS = 60_000;
const BACKLOG = 1_024;

interface PeerHttpServerOptions {
  readonly handler: ReplicaHandler;
  readonly clock: Clock;
  readonly log: Log;
  readonly maxValueBytes: number;
  readonly limits: PeerHttpLimits;
}

interface ServedSession extends PeerShares {
  readonly rpc: RpcSession;
  readonly numbers: Once;
  readonly connections: Set<ServedConnection>;
}

interface ServedConnection {
  readonly socket: Socket;
  readonly host: string;
  /** When a stranger is sent away. */
  readonly deadlineMs: number;
  /** Null: it has proved nothing. */
  session: ServedSession | null;
  /** Its last request is not answered. What was answered may still wait to be sent. */
  isBusy: boolean;
}

export class PeerHttpServer {
  readonly #clock: Clock;
  readonly #limits: PeerHttpLimits;
  readonly #log: Log;
  readonly #strangerLog: LimitedLog<'proof' | 'garbage' | 'full'>;
  readonly #exchangeContext: ExchangeContext;
  readonly #server: Server;
  readonly #tick: TimerHandle;
  readonly #connections = new Map<Socket, ServedConnection>();
  readonly #strangers: WaitingRoom<ServedConnection>;
  /** By name. */
  readonly #sessions = new Map<string, ServedSession>();
  readonly #closed = Promise.withResolvers<void>();
  #isStopping = false;

  constructor({ handler, clock, log, maxValueBytes, limits }: PeerHttpServerOptions) {
    this.#clock = clock;
    this.#limits = limits;
    this.#log = log;
    this.#strangerLog = new LimitedLog(log, clock, STRANGER_LOG_PERIOD_MS);
    this.#strangers = new WaitingRoom(limits.maxStrangers);
    const isStopping = (): boolean => this.#isStopping;
    this.#exchangeContext = {
      handler,
      log,
      maxRecordBytes: maxMessageBytes(maxValueBytes),
      get isStopping() {
        return isStopping();
      },
    };
    // Strangers have a deadline of their own, and a peer's connection lives as long as its session.
    const server = createServer({
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0,
      noDelay: true,
      requireHostHeader: false,
    });
    server.on('connection', (socket: Socket) => this.#accept(socket));
    for (const event of ['request', 'checkContinue', 'checkExpectation'] as const)
      server.on(event, (request, response) => this.#onRequest(request, response));
    server.on('clientError', (error, socket) => this.#onGarbage(error, socket as Socket));
    server.on('connect', (_request, socket) => socket.destroy());
    // A server that closes does this by itself, and would cut off the answers that are given and not sent yet.
    server.closeIdleConnections = () => {};
    this.#server = server;
    this.#tick = clock.every(limits.tickMs, () => this.#onTick());
  }

  /** @throws QuorateError with a sentence for people */
  async listen(host: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const server = this.#server;
    server.once('error', reject);
    server.listen({ host, port: 0, backlog: BACKLOG }, resolve);
    try {
      await promise;
    } catch (error) {
      const place = formatAddress({ host, port: 0 });
      const sentence = `Cannot listen on ${place} for the peers' HTTP: ${errorMessage(error)}`;
      throw new QuorateError('INVALID_CONFIG', sentence, error);
    }
    server.off('error', reject);
    // Accepting fails while no file descriptors are left: peers connect again.
    server.on('error', () => {});
  }

  /** 0: it does not listen yet. */
  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** A peer has finished its handshake: from now on its connections are served, until the session ends. */
  openSession(rpc: RpcSession): void {
    const name = sessionName(rpc.key);
    const { maxQueuedBytes } = this.#limits;
    const session: ServedSession = {
      rpc,
      nodeId: rpc.peer.nodeId,
      incoming: new ByteShare(maxQueuedBytes),
      outgoing: new ByteShare(maxQueuedBytes),
      numbers: new Once(),
      connections: new Set(),
    };
    this.#sessions.set(name, session);
    const onEnd = (): void => {
      this.#sessions.delete(name);
      for (const { socket } of session.connections) socket.destroy();
    };
    rpc.ended.addEventListener('abort', onEnd, { once: true });
  }

  /**
   * Takes no more requests, answers those that are being served, then closes. A peer that does not read delays it: see
   * `abort`.
   */
  close(): Promise<void> {
    if (this.#isStopping) return this.#closed.promise;
    this.#isStopping = true;
    this.#tick.cancel();
    // The callback would not come for a server that never listened.
    if (this.#server.listening) this.#server.close();
    for (const { socket, isBusy } of this.#connections.values()) if (!isBusy) socket.destroySoon();
    this.#resolveWhenClosed();
    return this.#closed.promise;
  }

  /** Closes all connections now, without the answers that are not sent yet. A `close` that waits then ends. */
  abort(): void {
    void this.close();
    for (const { socket } of this.#connections.values()) socket.destroy();
  }

  #accept(socket: Socket): void {
    const { proofTimeoutMs, maxStrangers } = this.#limits;
    const connection: ServedConnection = {
      socket,
      host: socket.remoteAddress ?? '',
      deadlineMs: this.#clock.monotonicMs() + proofTimeoutMs,
      session: null,
      isBusy: false,
    };
    this.#connections.set(socket, connection);
    socket.on('close', () => this.#forget(connection));
    const away = this.#strangers.add(connection.host, connection);
    if (this.#isStopping) socket.destroy();
    else if (away !== null) {
      this.#strangerLog.warn(
        'full',
        `Closed a connection from ${away.host} to the port for peers' HTTP: ${maxStrangers} newer ones have not proved themselves yet`,
      );
      this.#strangers.remove(away.host, away);
      away.socket.destroy();
    }
  }

  #forget(connection: ServedConnection): void {
    this.#connections.delete(connection.socket);
    this.#strangers.remove(connection.host, connection);
    connection.session?.connections.delete(connection);
    this.#resolveWhenClosed();
  }

  #resolveWhenClosed(): void {
    if (this.#isStopping && this.#connections.size === 0) this.#closed.resolve();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = this.#connections.get(socket);
    // One that is being closed takes no answer any more.
    if (connection === undefined || !socket.writable) return;
    if (connection.session === null) this.#onClaim(connection, request, response);
    else if (connection.isBusy) {
      // Peers send one request at a time, so what they can have under way is bounded by their connections.
      this.#log.warn(
        `Closed an HTTP connection of node ${connection.session.nodeId}: it sent a request before the answer to the last`,
      );
      socket.destroy();
    } else {
      connection.isBusy = true;
      const onReplied = (): void => {
        connection.isBusy = false;
      };
      new ReplicaExchange(this.#exchangeContext, connection.session, request, response, onReplied).start();
    }
  }

  #onClaim(connection: ServedConnection, request: IncomingMessage, response: ServerResponse): void {
    response.sendDate = false;
    const claim = request.url === SESSION_TARGET ? claimOf(request.headers.authorization) : null;
    const session = claim === null ? undefined : this.#sessions.get(claim.sessionName);
    if (
      claim === null ||
      session === undefined ||
      !isClaimProved(session.rpc.key, claim) ||
      !this.#hasRoom(session) ||
      !session.numbers.use(claim.number)
    ) {
      this.#refuse(connection, response);
      return;
    }
    this.#strangers.remove(connection.host, connection);
    connection.session = session;
    session.connections.add(connection);
    response.writeHead(204, ['Authentication-Info', infoOf(session.rpc.key, claim.number)]);
    response.end();
  }

  /** Those that a peer has given up may still be closing, so it may have twice as many as it uses. */
  #hasRoom({ connections }: ServedSession): boolean {
    return connections.size < 2 * this.#limits.maxConnections;
  }

  #refuse({ host, socket }: ServedConnection, response: ServerResponse): void {
    this.#strangerLog.warn(
      'proof',
      `Answered 404 to ${host} on the port for peers' HTTP: it does not prove that it belongs to an RPC session of a node of this cluster`,
    );
    response.writeHead(404, ['Content-Length', '0', 'Connection', 'close']);
    response.end();
    // Whatever it sends behind this is not read.
    response.on('finish', () => socket.destroySoon());
  }

  #onGarbage(error: Error, socket: Socket): void {
    if (!socket.destroyed && this.#connections.has(socket)) {
      const { host, session } = this.#connections.get(socket) as ServedConnection;
      const who = session === null ? host : `node ${session.nodeId}`;
      this.#strangerLog.warn(
        'garbage',
        `Closed an HTTP connection of ${who}: it sent what is no HTTP (${error.message})`,
      );
    }
    socket.destroy();
  }

  #onTick(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const { deadlineMs, socket } of this.#strangers) if (deadlineMs <= nowMs) socket.destroy();
  }
}
