import type { Clock, Random, TimerHandle } from '../clock.ts';
import { FailureCode } from '../failure.ts';
import type { Log } from '../log.ts';
import { failed, type ReplicaReply, type ReplySink } from '../reply.ts';
import type { Credentials } from './authentication.ts';
import {
  encodeWriteHead,
  encodeWriteRequest,
  FRAGMENT_BYTES,
  FRAME_LENGTH_BYTES,
  writeRequestBytes,
} from './codec.ts';
import type { HandshakePolicy } from './handshake.ts';
import type { LargeMessage } from './lane.ts';
import { DEFAULT_RPC_LIMITS, type RpcLimits } from './limits.ts';
import { READ, type RpcOperation } from './operation-table.ts';
import { Peer, type PeerAddress, type PeerContext, type PeerStatus } from './peer.ts';
import type { Transport } from './transport.ts';

export interface RpcMeshOptions {
  /** By index in the topology; null where this node itself stands. */
  readonly peers: readonly (PeerAddress | null)[];
  readonly policy: HandshakePolicy;
  readonly credentials: Credentials;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What differs from `DEFAULT_RPC_LIMITS`. */
  readonly limits?: Partial<RpcLimits>;
}

/** Ids stay small integers; by the time they start over, none of the first is in flight any more. */
const MAX_ID = 0x3fff_ffff;
const MAX_TIMEOUT_MS = 0xffff_ffff;
const NO_SUCH_PEER = failed(FailureCode.noSuchPeer, 'there is no such peer');
const EMPTY = Buffer.alloc(0);

/**
 * The way to all other nodes, for the coordinator. Nodes are named by their index in the topology. Every request
 * calls its sink exactly once: with the answer, or with a failed reply when the peer is down or refused, the
 * connection is lost, a bound is reached (all of these at once) or the time is up.
 */
export class RpcMesh implements AsyncDisposable {
  readonly #peers: readonly (Peer | null)[];
  readonly #clock: Clock;
  readonly #tick: TimerHandle;
  /** One counter for all peers, so that the bytes of a write are the same for each. */
  #lastId = 0;
  readonly #frame = Buffer.allocUnsafeSlow(FRAME_LENGTH_BYTES + FRAGMENT_BYTES);

  constructor(options: RpcMeshOptions) {
    const { policy, credentials, transport, clock, random, log } = options;
    const limits = { ...DEFAULT_RPC_LIMITS, ...options.limits };
    const context: PeerContext = { policy, credentials, transport, clock, random, log, limits };
    this.#peers = options.peers.map((address) => (address === null ? null : new Peer(address, context)));
    this.#clock = clock;
    this.#tick = clock.every(limits.tickMs, () => this.#onTick());
  }

  /** Dials every peer, and from now on keeps at it. */
  start(): void {
    for (const peer of this.#peers) peer?.dial();
  }

  read(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    this.ask(READ, node, key, timeoutMs, sink, position);
  }

  /** @param key empty where the operation has none */
  ask(
    operation: RpcOperation,
    node: number,
    key: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void {
    const peer = this.#peers[node] ?? null;
    if (peer === null) sink.onReply(position, NO_SUCH_PEER);
    else peer.ask(operation, this.#nextId(), key, wholeTimeoutMs(timeoutMs), sink, position);
  }

  /**
   * Encodes one write once, and hands it to the peers among the `count` nodes in `nodes` from `offset` on; the i-th
   * answers as position i.
   *
   * @param record header and value; one that travels in fragments is not copied and must stay as it is until the
   *   last of its replies
   * @returns by position, why it was not sent: for whoever asks to tell once all that is to be asked has been; null:
   *   it was sent to all peers
   */
  write(
    nodes: Uint16Array,
    offset: number,
    count: number,
    key: Uint8Array,
    record: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
  ): (ReplicaReply | null)[] | null {
    const wireTimeoutMs = wholeTimeoutMs(timeoutMs);
    const isLarge = writeRequestBytes(key.length, record.length) > FRAGMENT_BYTES;
    let id = 0;
    let frame = EMPTY;
    let message: LargeMessage | null = null;
    let refusals: (ReplicaReply | null)[] | null = null;
    for (let position = 0; position < count; position++) {
      const peer = this.#peers[nodes[offset + position]];
      // This node itself.
      if (peer === null) continue;
      if (id === 0) {
        id = this.#nextId();
        if (isLarge) message = largeWrite(id, wireTimeoutMs, key, record);
        else
          frame = this.#frame.subarray(0, encodeWriteRequest(this.#frame, 0, id, wireTimeoutMs, key, record));
      }
      let refusal: ReplicaReply | null;
      if (peer === undefined) refusal = NO_SUCH_PEER;
      else if (message === null) refusal = peer.sendFrame(id, frame, wireTimeoutMs, sink, position);
      else refusal = peer.sendLarge(message, wireTimeoutMs, sink, position);
      if (refusal === null) continue;
      refusals ??= new Array<ReplicaReply | null>(count).fill(null);
      refusals[position] = refusal;
    }
    return refusals;
  }

  /** Whether requests to the node would be sent. */
  isUp(node: number): boolean {
    return this.#peers[node]?.isUp ?? false;
  }

  /** All peers, in the order of the topology, without this node. */
  peers(): PeerStatus[] {
    return this.#peers.filter((peer) => peer !== null).map((peer) => peer.status());
  }

  /** A node has dialled this one: if it counts as down it is dialled now, and not when its next attempt is due. */
  peerSeen(nodeId: string): void {
    for (const peer of this.#peers) if (peer?.nodeId === nodeId) peer.dialSoon();
  }

  /** The whole cluster is stopping: a peer that goes now is not lost. */
  expectDepartures(): void {
    for (const peer of this.#peers) peer?.expectDeparture();
  }

  /** Takes no more requests, and closes the connections when those in flight are answered or timed out. */
  async close(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer?.close()));
    this.#tick.cancel();
  }

  /** Closes the connections now: what is in flight fails. Ends a `close` that waits. */
  abort(): void {
    for (const peer of this.#peers) peer?.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onTick(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const peer of this.#peers) peer?.tick(nowMs);
  }

  #nextId(): number {
    this.#lastId = this.#lastId === MAX_ID ? 1 : this.#lastId + 1;
    return this.#lastId;
  }
}

function largeWrite(id: number, timeoutMs: number, key: Uint8Array, record: Uint8Array): LargeMessage {
  const head = Buffer.allocUnsafe(writeRequestBytes(key.length, record.length) - record.length);
  encodeWriteHead(head, 0, id, timeoutMs, key, record.length);
  return { id, head, body: record };
}

/** As the wire has it: whole milliseconds, none for a deadline that has passed. */
function wholeTimeoutMs(timeoutMs: number): number {
  return timeoutMs > 0 ? Math.min(Math.ceil(timeoutMs), MAX_TIMEOUT_MS) : 0;
}
