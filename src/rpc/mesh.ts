import type { Clock, Random, TimerHandle } from '../clock.ts';
import { FailureCode } from '../failure.ts';
import type { Log } from '../log.ts';
import { failed, type ReplySink } from '../reply.ts';
import type { Credentials } from './authentication.ts';
import type { HandshakePolicy } from './handshake.ts';
import { DEFAULT_RPC_LIMITS, type RpcLimits } from './limits.ts';
import type { Multicast } from './multicast/multicast.ts';
import { HINT, REPAIR_WRITE, type RpcOperation } from './operation-table.ts';
import { Peer, type PeerAddress, type PeerContext, type PeerStatus } from './peer.ts';
import { PeerRoutes, wholeTimeoutMs, writeFrame } from './peer-routes.ts';
import { NO_SUCH_PEER } from './response.ts';
import type { Transport } from './transport.ts';

interface RpcMeshOptions {
  readonly policy: HandshakePolicy;
  readonly credentials: Credentials;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** How long a request may take, and so how long the requests of an older view may still ask its peers. */
  readonly requestTimeoutMs: number;
  /** Limits that differ from `DEFAULT_RPC_LIMITS`. */
  readonly limits?: Partial<RpcLimits>;
  /** Null: every write goes over the connection of its peer. */
  readonly multicast?: Multicast | null;
}

const GONE = failed(
  FailureCode.peerUnavailable,
  'the cluster has changed since the request began, and the node is not in it any more, or at another address',
);

/**
 * This node's connections to all others, by id. They outlive the views of the cluster: `setPeers` makes the routes of a
 * new view over the connections that are there, dials the nodes that are new, and closes the connections that no view
 * needs any more. Every request calls its sink exactly once: with the answer, or with a failed reply. It fails at once
 * when the peer is down or refused, the connection is lost or a bound is reached, and otherwise when the time is up.
 */
export class RpcMesh implements AsyncDisposable {
  readonly #context: PeerContext;
  readonly #multicast: Multicast | null;
  readonly #requestTimeoutMs: number;
  readonly #tick: TimerHandle;
  readonly #frame = writeFrame();
  /** The peers of the current view, in its order. */
  #peers: ReadonlyMap<string, Peer> = new Map();
  /** Peers that only older views have, each with the monotonic time up to which requests of those views may ask it. */
  readonly #leaving = new Map<Peer, number>();
  #isDialling = false;

  constructor(options: RpcMeshOptions) {
    const { policy, credentials, transport, clock, random, log, requestTimeoutMs } = options;
    const limits = { ...DEFAULT_RPC_LIMITS, ...options.limits };
    this.#multicast = options.multicast ?? null;
    const multicast = this.#multicast?.sender ?? null;
    this.#context = { policy, credentials, transport, clock, random, log, limits, multicast };
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#tick = clock.every(limits.tickMs, () => this.#onTick());
  }

  /**
   * Makes these the peers of this node.
   *
   * @param addresses by index in the view; null where this node itself stands
   * @returns the way to them for the requests of that view
   */
  setPeers(addresses: readonly (PeerAddress | null)[]): PeerRoutes {
    const before = this.#peers;
    const peers = addresses.map((address) => (address === null ? null : this.#peerAt(address)));
    const present = peers.filter((peer) => peer !== null);
    this.#peers = new Map(present.map((peer) => [peer.nodeId, peer]));
    for (const peer of before.values()) {
      if (this.#peers.get(peer.nodeId) === peer) continue;
      peer.mayLeave = true;
      this.#leaving.set(peer, this.#context.clock.monotonicMs() + this.#requestTimeoutMs);
    }
    this.#multicast?.setMembers(addresses.filter((address) => address !== null));
    return new PeerRoutes(peers, this.#frame, this.#context.clock, this.#context.multicast);
  }

  /** Dials every peer, and from now on keeps at it. */
  start(): void {
    this.#isDialling = true;
    for (const peer of this.#peers.values()) peer.dial();
  }

  /**
   * Asks one node for what is not part of a client's request.
   * @param key empty for an operation without one
   */
  ask(
    operation: RpcOperation,
    nodeId: string,
    key: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) sink.onReply(position, NO_SUCH_PEER);
    else peer.requests.ask(operation, key, wholeTimeoutMs(timeoutMs), sink, position);
  }

  /** Brings a record that this node has to the replica of another: see `RequestChannel.askWithRecord`. */
  repairWrite(
    nodeId: string,
    key: Uint8Array,
    record: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) sink.onReply(position, NO_SUCH_PEER);
    else peer.requests.askWithRecord(REPAIR_WRITE, key, record, wholeTimeoutMs(timeoutMs), sink, position);
  }

  /**
   * Asks a node to remember that another has missed writes.
   * @param page the keys of the writes: replica/FORMAT.md
   */
  hint(
    holderId: string,
    missedId: string,
    page: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void {
    const peer = this.#peers.get(holderId);
    if (peer === undefined) sink.onReply(position, NO_SUCH_PEER);
    else
      peer.requests.askWithRecord(
        HINT,
        Buffer.from(missedId),
        page,
        wholeTimeoutMs(timeoutMs),
        sink,
        position,
      );
  }

  /** Whether requests to the node would be sent. */
  isUp(nodeId: string): boolean {
    return this.#peers.get(nodeId)?.isUp ?? false;
  }

  /** The peers of the current view, in its order. */
  peers(): PeerStatus[] {
    return Array.from(this.#peers.values(), (peer) => peer.status());
  }

  /** A node has dialled this one. If it counts as down, it is dialled now, and not when the next attempt is due. */
  peerSeen(nodeId: string): void {
    this.#peers.get(nodeId)?.dialSoon();
  }

  /** The whole cluster is stopping: a peer that closes its connection from now on is not lost. */
  expectDepartures(): void {
    for (const peer of this.#peers.values()) peer.mayLeave = true;
  }

  /** Takes no more requests, and closes the connections when those in flight are answered or timed out. */
  async close(): Promise<void> {
    this.#isDialling = false;
    await Promise.all(this.#all().map((peer) => peer.close()));
    this.#multicast?.close();
    this.#tick.cancel();
  }

  /** Closes the connections now, so that requests in flight fail, and a `close` that waits for them ends. */
  abort(): void {
    this.#isDialling = false;
    for (const peer of this.#all()) peer.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The peer with this id and address, which may be connected already. A node that has moved is another peer. */
  #peerAt(address: PeerAddress): Peer {
    const current = this.#peers.get(address.nodeId);
    if (current?.isAt(address)) return current;
    for (const peer of this.#leaving.keys()) {
      if (!peer.isAt(address)) continue;
      this.#leaving.delete(peer);
      peer.mayLeave = false;
      return peer;
    }
    const peer = new Peer(address, this.#context);
    if (this.#isDialling) peer.dial();
    return peer;
  }

  #all(): Peer[] {
    return [...this.#peers.values(), ...this.#leaving.keys()];
  }

  #onTick(): void {
    const nowMs = this.#context.clock.monotonicMs();
    for (const peer of this.#peers.values()) peer.tick(nowMs);
    for (const [peer, untilMs] of this.#leaving) {
      peer.tick(nowMs);
      // One that has lost its connection is not dialled again.
      if (nowMs >= untilMs || !peer.isUp) void peer.close(GONE);
      if (!peer.isClosed) continue;
      this.#leaving.delete(peer);
      if (peer.requests.datagrams !== null) this.#context.multicast?.forget(peer.requests.datagrams);
    }
  }
}
