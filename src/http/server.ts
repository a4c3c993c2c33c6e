/** The door through which HTTP comes: listens, hands requests to the router, and closes. */
import { createServer, type Server } from 'node:http';
import { formatAddress } from '../address.ts';
import type { Door, DoorContext } from '../admission/door.ts';
import type { Clock } from '../clock.ts';
import { errorMessage, QuorateError } from '../errors.ts';
import { BodyWatch } from './body-watch.ts';
import { onClientError, onConnect } from './broken-connection.ts';
import type { HttpContext, HttpLimits } from './context.ts';
import { createDiscards } from './early-answer.ts';
import { HostCheck } from './host-check.ts';
import { Listeners } from './listeners.ts';
import { ReaderWatch } from './reader-watch.ts';
import { Router } from './router.ts';
import { unacknowledgedBytes } from './unacknowledged.ts';
import { declineUpgrade, hasBody } from './upgrade.ts';

export interface HttpServerOptions extends HttpLimits {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Names in Host beyond the node's own. */
  readonly allowedHosts: readonly string[];
  /** From the connection, or the end of the request before, to the end of the headers. */
  readonly headersTimeoutMs: number;
  /** To the end of the body. */
  readonly bodyTimeoutMs: number;
  /** How long an idle connection stays. */
  readonly keepAliveTimeoutMs: number;
}

/** Two keys of the greatest length, every byte percent-encoded, and room for other headers. */
const MAX_HEADER_BYTES = 32 * 1024;
/** While it closes: how often connections that fell idle are closed, and how long the others may take. */
const SWEEP_MS = 20;
const GRACE_MS = 250;

export class HttpServer implements Door {
  /** Known once it listens, and afterwards. */
  address = '';
  readonly #options: HttpServerOptions;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #listeners: Listeners;
  #closed: Promise<void> | null = null;

  constructor(door: DoorContext, options: HttpServerOptions) {
    const { clock } = door;
    this.#options = options;
    this.#clock = clock;
    const { rangeTimeoutMs: timeoutMs, minReadBytesPerSecond: minBytesPerSecond } = options;
    const context: HttpContext = {
      ...door,
      limits: options,
      discards: createDiscards(),
      bodyWatch: new BodyWatch(options.minBodyBytesPerSecond, clock),
      readers: new ReaderWatch({ timeoutMs, minBytesPerSecond }, clock, unacknowledgedBytes),
      hosts: new HostCheck(options.host, options.allowedHosts),
    };
    const router = new Router(context);
    const { headersTimeoutMs, bodyTimeoutMs, keepAliveTimeoutMs } = options;
    const shortestMs = Math.min(headersTimeoutMs, bodyTimeoutMs);
    const server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: shortestMs,
      requestTimeout: bodyTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(Math.max(shortestMs >> 2, 10), 1000),
      // Both are answered by the router: with a sentence, and without the cost of a stream that has no bytes.
      requireHostHeader: false,
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: (request) => !hasBody(request),
    });
    // However many headers fit: the thousandth may be the Content-Length, and must not be overlooked.
    server.maxHeadersCount = 0;
    // A client may shut its half of the connection when it has sent its request, and still gets its answer.
    Object.assign(server, { httpAllowHalfOpen: true });
    server.on('request', (request, response) => router.handle(request, response, false));
    server.on('checkContinue', (request, response) => router.handle(request, response, true));
    server.on('checkExpectation', (request, response) => router.refuseExpectation(request, response));
    server.on('clientError', (error, socket) => onClientError(context, error, socket));
    server.on('connect', (_request, socket) => onConnect(context, socket));
    server.on('upgrade', (request, socket, behind) => declineUpgrade(server, request, socket, behind));
    this.#server = server;
    this.#listeners = new Listeners(server);
  }

  /** Resolves when connections are accepted. */
  async listen(): Promise<void> {
    const { host, port } = this.#options;
    try {
      await this.#listeners.listen(host, port);
      this.address = `http://${formatAddress({ host, port: this.port })}`;
    } catch (error) {
      throw listenError(error as NodeJS.ErrnoException, host, port);
    }
  }

  get port(): number {
    return this.#listeners.port;
  }

  /** Connections that are open now. */
  connections(): Promise<number> {
    return this.#listeners.connections();
  }

  quiesce(): void {
    this.#server.closeIdleConnections();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  abort(): void {
    this.#server.closeAllConnections();
  }

  async #close(): Promise<void> {
    const sweep = this.#clock.every(SWEEP_MS, () => this.#server.closeIdleConnections());
    const grace = this.#clock.after(GRACE_MS, () => this.#server.closeAllConnections());
    await this.#listeners.close();
    sweep.cancel();
    grace.cancel();
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): QuorateError {
  const place = `${host}:${port}`;
  switch (error.code) {
    case 'EADDRINUSE': {
      const advice = 'stop what listens there, or choose another port with --port';
      return new QuorateError('ADDRESS_IN_USE', `${place} is in use already: ${advice}.`, error);
    }
    case 'EACCES': {
      const advice = 'choose a port above 1023 with --port';
      return new QuorateError('INVALID_CONFIG', `${place} may not be listened on: ${advice}.`, error);
    }
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND': {
      const advice = 'give an address of its own with --host';
      return new QuorateError('INVALID_CONFIG', `${host} is no address of this machine: ${advice}.`, error);
    }
    default:
      return new QuorateError(
        'INVALID_CONFIG',
        `${place} cannot be listened on: ${errorMessage(error)}.`,
        error,
      );
  }
}
