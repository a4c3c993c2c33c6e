import type { Clock, TimerHandle } from '../clock.ts';
import type { Log } from '../log.ts';
import type { HandshakePolicy } from './handshake.ts';
import { DEFAULT_RPC_LIMITS, type RpcLimits } from './limits.ts';
import type { ReplicaHandler } from './replica-handler.ts';
import { ServerConnection, type ServerContext } from './server-connection.ts';
import type { ByteStream, Listener, Transport } from './transport.ts';

export interface RpcServerOptions {
  readonly handler: ReplicaHandler;
  readonly policy: HandshakePolicy;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  /** What differs from `DEFAULT_RPC_LIMITS`. */
  readonly limits?: Partial<RpcLimits>;
}

/** Accepts the other nodes' connections and hands their requests to the replica. */
export class RpcServer implements AsyncDisposable {
  readonly #context: ServerContext;
  readonly #transport: Transport;
  readonly #connections = new Set<ServerConnection>();
  #listener: Listener | null = null;
  #tick: TimerHandle | null = null;
  #isClosing = false;
  readonly #allClosed = Promise.withResolvers<void>();

  constructor(options: RpcServerOptions) {
    const { handler, policy, clock, log } = options;
    this.#transport = options.transport;
    this.#context = {
      handler,
      policy,
      clock,
      log,
      limits: { ...DEFAULT_RPC_LIMITS, ...options.limits },
      onClosed: (connection) => this.#forget(connection),
    };
  }

  /**
   * @param port 0: any free one
   * @throws QuorateError ADDRESS_IN_USE
   */
  async listen(host: string, port: number): Promise<void> {
    this.#listener = await this.#transport.listen(host, port, (stream) => this.#accept(stream));
    const { clock, limits } = this.#context;
    this.#tick = clock.every(limits.tickMs, () => this.#onTick());
  }

  /** The port listened on; 0 before. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Takes no more requests, answers those under way, then closes. A peer that does not read delays it: `abort`. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#listener?.close();
    for (const connection of this.#connections) connection.drain();
    if (this.#connections.size > 0) await this.#allClosed.promise;
    this.#tick?.cancel();
  }

  /** Closes all connections now; answers to what is under way are lost. Ends a `close` that waits. */
  abort(): void {
    void this.close();
    for (const connection of this.#connections) connection.destroy('the node is stopping');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(stream: ByteStream): void {
    const connection = new ServerConnection(stream, this.#context);
    this.#connections.add(connection);
    if (this.#isClosing) connection.destroy('the node is stopping');
    else if (this.#connections.size > this.#context.limits.maxConnections) {
      this.#context.log.warn(
        `Closed a connection from ${stream.remoteAddress}: ${this.#context.limits.maxConnections} are open already`,
      );
      connection.destroy('too many connections');
    }
  }

  #forget(connection: ServerConnection): void {
    this.#connections.delete(connection);
    if (this.#isClosing && this.#connections.size === 0) this.#allClosed.resolve();
  }

  #onTick(): void {
    const nowMs = this.#context.clock.monotonicMs();
    for (const connection of this.#connections) connection.tick(nowMs);
  }
}
