/** Node 'a', which asks over HTTP, and node 'b', which serves a replica on a Map: real sockets, and a clock by hand. */
import { randomBytes } from 'node:crypto';
import { FailureCode } from '../../../src/failure.ts';
import type { PeerLink } from '../../../src/peer-http/client.ts';
import type { PeerHttpLimits } from '../../../src/peer-http/limits.ts';
import { PeerHttp } from '../../../src/peer-http/peer-http.ts';
import { failed } from '../../../src/reply.ts';
import { SessionKey } from '../../../src/rpc/cluster-secret.ts';
import type { RpcSession } from '../../../src/rpc/session.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { helloOf, KeptLog, MapReplica, ReplyBook } from '../../support/rpc-nodes.ts';
import { until } from '../../support/until.ts';

const PATIENCE_MS = 30_000;
export const MAX_VALUE_BYTES = 2 * 1024 * 1024;
/** Of the routes: this node itself, and its one peer. */
export const HERE = 0;
export const PEER = 1;

export const DOWN = failed(FailureCode.peerUnavailable, 'node b is down: test');

/** As the RPC connection from 'a' to 'b' has it, at the end of 'a'. */
export class TestLink implements PeerLink {
  readonly host = '127.0.0.1';
  session: RpcSession | null = null;
  unavailable = DOWN;
}

export class HttpPair implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly log = new KeptLog();
  readonly replica = new MapReplica();
  readonly asking: PeerHttp;
  readonly serving: PeerHttp;
  readonly link = new TestLink();
  readonly book = new ReplyBook();
  #end = new AbortController();
  #position = 0;

  private constructor(limits: Partial<PeerHttpLimits>) {
    const { clock, log, replica: handler } = this;
    const shared = { handler, clock, log, maxValueBytes: MAX_VALUE_BYTES, limits };
    this.asking = new PeerHttp(shared);
    this.serving = new PeerHttp(shared);
  }

  static async start(limits: Partial<PeerHttpLimits> = {}): Promise<HttpPair> {
    const pair = new HttpPair(limits);
    await pair.serving.server.listen('127.0.0.1');
    pair.meet();
    return pair;
  }

  get port(): number {
    return this.serving.server.port;
  }

  get key(): SessionKey {
    return (this.link.session as RpcSession).key;
  }

  /**
   * The two have shaken hands.
   * @param port of the peer, for one that is not what it says
   */
  meet(port = this.port, key = new SessionKey(randomBytes(32))): RpcSession {
    this.#end = new AbortController();
    const { signal: ended } = this.#end;
    const maxValueBytes = MAX_VALUE_BYTES;
    this.serving.server.openSession({ peer: helloOf('a', { maxValueBytes }), key, ended });
    const session = { peer: helloOf('b', { maxValueBytes, peerHttpPort: port }), key, ended };
    this.link.session = session;
    return session;
  }

  /** The RPC connection has ended. */
  part(): void {
    this.link.session = null;
    this.#end.abort();
  }

  /** @returns the position of its reply */
  read(key: string | Uint8Array, timeoutMs = 1_000): number {
    const position = this.#position++;
    this.#routes().read(PEER, Buffer.from(key), timeoutMs, this.book, position);
    return position;
  }

  readVersion(key: string | Uint8Array, timeoutMs = 1_000): number {
    const position = this.#position++;
    this.#routes().readVersion(PEER, Buffer.from(key), timeoutMs, this.book, position);
    return position;
  }

  write(key: string | Uint8Array, record: Uint8Array, timeoutMs = 1_000): number {
    const position = this.#position++;
    const sink = {
      onReply: (_: number, reply: ReturnType<ReplyBook['of']>) => this.book.onReply(position, reply),
    };
    const nodes = Uint16Array.of(HERE, PEER);
    const refusals = this.#routes().write(nodes, 0, 2, Buffer.from(key), record, timeoutMs, sink);
    const refusal = refusals?.[PEER] ?? null;
    if (refusal !== null) this.book.onReply(position, refusal);
    return position;
  }

  async answered(position: number): Promise<ReturnType<ReplyBook['of']>> {
    await this.until(() => this.book.replies.has(position), `request ${position} has no answer`);
    return this.book.of(position);
  }

  until(condition: () => boolean, fault: string): Promise<void> {
    return until(condition, PATIENCE_MS, () => fault);
  }

  #routes() {
    return this.asking.client.routesOver([null, this.link]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.part();
    for (const side of [this.asking, this.serving]) {
      side.abort();
      await side.close();
    }
  }
}
