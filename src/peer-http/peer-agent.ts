/**
 * The pool of connections to one peer: an agent of node:http that keeps them alive, and hands out none before the peer
 * has proved that it is the other end of the RPC session.
 */
import { Agent, type ClientRequestArgs } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { formatAddress } from '../address.ts';
import type { Clock, TimerHandle } from '../clock.ts';
import type { SessionKey } from '../rpc/cluster-secret.ts';
import { authorizationOf, isInfoProved } from './connection-proof.ts';
import { SESSION_TARGET } from './wire.ts';

type OnConnected = (error: Error | null, stream: Duplex) => void;

/** Its answer to the proof has a status and a header. */
const MAX_ANSWER_CHARACTERS = 1_024;
const HEAD_END = '\r\n\r\n';

interface PeerAgentOptions {
  readonly host: string;
  readonly port: number;
  readonly key: SessionKey;
  readonly clock: Clock;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
}

export class PeerAgent extends Agent {
  readonly #options: PeerAgentOptions;
  /** Connections whose peer has not proved itself yet. */
  readonly #openings = new Set<Opening>();
  #lastNumber = 0;
  #isDestroyed = false;

  constructor(options: PeerAgentOptions) {
    const { maxConnections } = options;
    super({ keepAlive: true, maxSockets: maxConnections, maxFreeSockets: maxConnections });
    this.#options = options;
  }

  override createConnection(_options: ClientRequestArgs, onConnected: OnConnected): undefined {
    const number = ++this.#lastNumber;
    const opening: Opening = new Opening(this.#options, number, (error, socket) => {
      this.#openings.delete(opening);
      onConnected(error, socket);
    });
    this.#openings.add(opening);
    if (this.#isDestroyed) opening.fail('the way to the peer was closed');
  }

  override destroy(): void {
    this.#isDestroyed = true;
    super.destroy();
    for (const opening of this.#openings) opening.fail('the way to the peer was closed');
  }
}

class Opening {
  readonly #key: SessionKey;
  readonly #number: number;
  readonly #onOver: (error: Error | null, socket: Socket) => void;
  readonly #socket: Socket;
  readonly #timer: TimerHandle;
  #answer = '';

  constructor(
    { host, port, key, clock, connectTimeoutMs }: PeerAgentOptions,
    number: number,
    onOver: (error: Error | null, socket: Socket) => void,
  ) {
    this.#key = key;
    this.#number = number;
    this.#onOver = onOver;
    const place = formatAddress({ host, port });
    this.#timer = clock.after(connectTimeoutMs, () =>
      this.fail(`no connection to ${place} within ${connectTimeoutMs} ms`),
    );
    const socket = connect({ host, port, noDelay: true });
    this.#socket = socket;
    socket.on('data', this.#onData);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    const authorization = authorizationOf(key, number);
    socket.write(
      `POST ${SESSION_TARGET} HTTP/1.1\r\nHost: ${place}\r\nAuthorization: ${authorization}\r\nContent-Length: 0${HEAD_END}`,
    );
  }

  fail(reason: string): void {
    this.#finish(new Error(reason));
    this.#socket.on('error', () => {});
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#answer += chunk.toString('latin1');
    const end = this.#answer.indexOf(HEAD_END);
    if (end < 0) {
      if (this.#answer.length > MAX_ANSWER_CHARACTERS) this.fail('the peer answered a proof with too much');
    } else if (this.#isProved(end)) this.#finish(null);
    else this.fail('the peer does not prove that it is the other end of the session');
  };

  readonly #onError = (error: Error): void => this.fail(error.message);

  readonly #onClose = (): void => this.fail('the peer closed the connection before it had proved itself');

  /** @param end of the head of the answer, which nothing may follow */
  #isProved(end: number): boolean {
    if (end + HEAD_END.length !== this.#answer.length) return false;
    const [status, ...headers] = this.#answer.slice(0, end).split('\r\n');
    const infos = headers.flatMap((header) => /^authentication-info: (.*)$/i.exec(header)?.[1] ?? []);
    return (
      status.startsWith('HTTP/1.1 204 ') &&
      infos.length === 1 &&
      isInfoProved(this.#key, this.#number, infos[0])
    );
  }

  #finish(error: Error | null): void {
    this.#timer.cancel();
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('error', this.#onError);
    socket.off('close', this.#onClose);
    this.#onOver(error, socket);
  }
}
