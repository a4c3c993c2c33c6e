import type { Clock, TimerHandle } from '../clock.ts';
import { QuorateError } from '../errors.ts';
import { LimitedLog } from '../limited-log.ts';
import type { Log } from '../log.ts';
import type { Credentials } from './authentication.ts';
import type { HandshakePolicy } from './handshake.ts';
import { DEFAULT_RPC_LIMITS, type RpcLimits } from './limits.ts';
import type { MulticastReceiver } from './multicast/receiver.ts';
import type { ReplicaHandler } from './replica-handler.ts';
import { ServerConnection, type ServerContext } from './server-connection.ts';
import type { RpcSession } from './session.ts';
import type { ByteStream, Listener, Transport } from './transport.ts';
import { WaitingRoom } from './waiting-room.ts';

/** How often each kind of line may be logged that can be caused by somebody who has not proved anything. */
const STRANGER_LOG_PERIOD_MS = 60_000;

interface RpcServerOptions {
  readonly handler: ReplicaHandler;
  readonly policy: HandshakePolicy;
  readonly credentials: Credentials;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears of each session before the peer does. */
  readonly onSession?: (session: RpcSession) => void;
  /** What differs from `DEFAULT_RPC_LIMITS`. */
  readonly limits?: Partial<RpcLimits>;
  /** Null: no datagrams are heard. */
  readonly multicast?: MulticastReceiver | null;
}

/** Accepts the connections of the other nodes and hands their requests to the replica. */
export class RpcServer implements AsyncDisposable {
  readonly #context: ServerContext;
  readonly #transport: Transport;
  /** Connections after their handshake, oldest first. */
  readonly #members = new Set<ServerConnection>();
  /** Strangers have places of their own, so that none of them takes a member's. */
  readonly #strangers: WaitingRoom<ServerConnection>;
  #listener: Listener | null = null;
  #tick: TimerHandle | null = null;
  #isClosing = false;
  readonly #allClosed = Promise.withResolvers<void>();

  constructor(options: RpcServerOptions) {
    const { handler, policy, credentials, clock, log, onSession = () => {} } = options;
    this.#transport = options.transport;
    const limits = { ...DEFAULT_RPC_LIMITS, ...options.limits };
    this.#strangers = new WaitingRoom(limits.maxHandshakes);
    this.#context = {
      handler,
      policy,
      credentials,
      clock,
      log,
      strangerLog: new LimitedLog(log, clock, STRANGER_LOG_PERIOD_MS),
      limits,
      onSession,
      multicast: options.multicast ?? null,
      onMember: (connection, nodeId) => this.#becomeMember(connection, nodeId),
      onClosed: (connection) => this.#forget(connection),
    };
  }

  /**
   * @param port 0: any free one
   * @throws QuorateError ADDRESS_IN_USE; DRAINING when it was closed meanwhile
   */
  async listen(host: string, port: number): Promise<void> {
    const listener = await this.#transport.listen(host, port, (stream) => this.#accept(stream));
    if (this.#isClosing) {
      await listener.close();
      throw new QuorateError('DRAINING', `The RPC server was closed before it listened on ${host}:${port}`);
    }
    this.#listener = listener;
    const { clock, limits } = this.#context;
    this.#tick = clock.every(limits.tickMs, () => this.#onTick());
  }

  /** The port it listens on; 0 before it listens. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  get connections(): number {
    return this.#members.size + this.#strangers.size;
  }

  /**
   * Takes no more requests, answers those that are being served, then closes. A peer that does not read delays it: see
   * `abort`.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#listener?.close();
    for (const stranger of this.#strangers) stranger.destroy('the node is stopping');
    for (const member of this.#members) member.drain();
    if (this.connections > 0) await this.#allClosed.promise;
    this.#tick?.cancel();
  }

  /** Closes all connections now, without the answers that are not sent yet. A `close` that waits then ends. */
  abort(): void {
    void this.close();
    for (const connection of [...this.#strangers, ...this.#members])
      connection.destroy('the node is stopping');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(stream: ByteStream): void {
    const connection = new ServerConnection(stream, this.#context);
    const away = this.#strangers.add(connection.remoteHost, connection);
    if (this.#isClosing) connection.destroy('the node is stopping');
    else if (away !== null) {
      const { maxHandshakes } = this.#context.limits;
      this.#context.strangerLog.warn(
        'full',
        `Closed a connection from ${away.remoteHost} whose handshake was not over: ${maxHandshakes} newer ones are open`,
      );
      away.destroy('too many connections without a handshake');
      this.#forget(away);
    }
  }

  /**
   * A node has one connection. More are left over from lost ones, or come from a second node that runs with its id by
   * mistake.
   */
  #becomeMember(connection: ServerConnection, nodeId: string): void {
    this.#strangers.remove(connection.remoteHost, connection);
    const ofNode = [...this.#members].filter((member) => member.peerNodeId === nodeId);
    this.#members.add(connection);
    if (ofNode.length >= this.#context.limits.maxConnectionsPerNode)
      ofNode[0].destroy('the node has connected again and again');
  }

  #forget(connection: ServerConnection): void {
    this.#strangers.remove(connection.remoteHost, connection);
    this.#members.delete(connection);
    if (this.#isClosing && this.connections === 0) this.#allClosed.resolve();
  }

  #onTick(): void {
    const nowMs = this.#context.clock.monotonicMs();
    for (const stranger of this.#strangers) stranger.tick(nowMs);
    for (const member of this.#members) member.tick(nowMs);
  }
}
