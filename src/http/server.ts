/**
 * The HTTP server of a node: listens, hands requests to the router, and drains.
 */
import { createServer, type Server } from 'node:http';
import { Admission, type AdmissionFigures } from '../admission/admission.ts';
import { Lines } from '../admission/lines.ts';
import { ScanSlots } from '../admission/scan-slots.ts';
import type { Clock } from '../clock.ts';
import { errorMessage, QuorateError } from '../errors.ts';
import { BodyWatch } from './body-watch.ts';
import { onClientError, onConnect } from './broken-connection.ts';
import type { HttpContext, HttpLimits, HttpLog, HttpServices } from './context.ts';
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
  readonly requestTimeoutMs: number;
  /** How long an idle connection stays. */
  readonly keepAliveTimeoutMs: number;
}

/** Two keys of the greatest length, every byte percent-encoded, and room for other headers. */
const MAX_HEADER_BYTES = 32 * 1024;
/** While draining: how often connections that fell idle are closed, and how long the others may take. */
const SWEEP_MS = 20;
const GRACE_MS = 250;

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #clock: Clock;
  readonly #admission: Admission;
  readonly #lines: Lines;
  readonly #scans: ScanSlots;
  readonly #server: Server;
  readonly #listeners: Listeners;
  #drained: PromiseWithResolvers<void> | null = null;
  #isClosing = false;

  constructor(services: HttpServices, options: HttpServerOptions, clock: Clock, log: HttpLog) {
    this.#options = options;
    this.#clock = clock;
    this.#admission = new Admission(options);
    this.#lines = new Lines(options.answerTimeoutMs, clock);
    const hosts = new HostCheck(options.host, options.allowedHosts);
    const bodyWatch = new BodyWatch(options.minBodyBytesPerSecond, clock);
    this.#scans = new ScanSlots(options.answerTimeoutMs / 2, clock);
    const { rangeTimeoutMs: timeoutMs, minReadBytesPerSecond: minBytesPerSecond } = options;
    const readers = new ReaderWatch({ timeoutMs, minBytesPerSecond }, clock, unacknowledgedBytes);
    const context: HttpContext = {
      services,
      limits: options,
      admission: this.#admission,
      lines: this.#lines,
      scans: this.#scans,
      discards: createDiscards(),
      bodyWatch,
      readers,
      hosts,
      clock,
      log,
    };
    const router = new Router(context);
    const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs } = options;
    const shortestMs = Math.min(headersTimeoutMs, requestTimeoutMs);
    const server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: shortestMs,
      requestTimeout: requestTimeoutMs,
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
    } catch (error) {
      throw listenError(error as NodeJS.ErrnoException, host, port);
    }
  }

  /** Where it listens. */
  get port(): number {
    return this.#listeners.port;
  }

  /** Connections that are open now. */
  connections(): Promise<number> {
    return this.#listeners.connections();
  }

  get figures(): AdmissionFigures {
    return this.#admission.figures;
  }

  /**
   * Refuses new requests with 503 and lets those in flight end, then closes. Resolves when every connection is gone.
   * @param signal its abort destroys what is left
   */
  drain(signal?: AbortSignal): Promise<void> {
    if (this.#drained === null) {
      this.#drained = Promise.withResolvers<void>();
      this.#server.closeIdleConnections();
      this.#scans.flush();
      this.#lines.refusals.flush();
      this.#lines.bodyRefusals.flush();
      // Requests end before their answers are written: the turn's end is after both.
      this.#admission.drain(() => this.#clock.endOfTurn(() => this.#close()));
    }
    if (signal?.aborted === true) this.#destroy();
    else signal?.addEventListener('abort', () => this.#destroy(), { once: true });
    return this.#drained.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(AbortSignal.abort());
  }

  #close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const sweep = this.#clock.every(SWEEP_MS, () => this.#server.closeIdleConnections());
    const grace = this.#clock.after(GRACE_MS, () => this.#server.closeAllConnections());
    void this.#listeners.close().then(() => {
      sweep.cancel();
      grace.cancel();
      this.#drained?.resolve();
    });
  }

  #destroy(): void {
    this.#close();
    this.#server.closeAllConnections();
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
