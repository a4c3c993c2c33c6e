import type { Clock } from '../clock.ts';
import type { ReplicaReply, ReplySink } from '../reply.ts';
import {
  encodeWriteHead,
  encodeWriteRequest,
  FRAGMENT_BYTES,
  FRAME_LENGTH_BYTES,
  writeRequestBytes,
} from './codec.ts';
import type { MulticastSender } from './multicast/sender.ts';
import { READ, READ_VERSION, type RpcOperation, WRITE } from './operation-table.ts';
import type { Peer } from './peer.ts';
import { NO_SUCH_PEER } from './response.ts';

/** Stands in a request that is encoded for all peers, until each peer has written its own id over it. */
const NO_ID = 0;
const MAX_TIMEOUT_MS = 0xffff_ffff;
const EMPTY = Buffer.alloc(0);
/** With fewer receivers, a datagram saves nothing. */
const MIN_RECEIVERS = 2;

/**
 * The way to the other nodes of one view of the cluster. A node is its index in the view. Which peer that is was
 * looked up once, when the view was made, and is not looked up with every request. A request that began with an older
 * view goes on with the routes of that view.
 */
export class PeerRoutes {
  /** By index in the view; null where this node itself stands. */
  readonly peers: readonly (Peer | null)[];
  /** Where a write is encoded. It serves again as soon as every peer has its copy. */
  readonly #frame: Buffer<ArrayBuffer>;
  readonly #clock: Clock;
  readonly #multicast: MulticastSender | null;

  /**
   * @param peers by index in the view; null where this node itself stands
   * @param frame memory for the largest message that is not sent in fragments
   * @param multicast null: every write goes over the connection of its peer
   */
  constructor(
    peers: readonly (Peer | null)[],
    frame: Buffer<ArrayBuffer>,
    clock: Clock,
    multicast: MulticastSender | null,
  ) {
    this.peers = peers;
    this.#frame = frame;
    this.#clock = clock;
    this.#multicast = multicast;
  }

  read(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    this.#ask(READ, node, key, timeoutMs, sink, position);
  }

  readVersion(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    this.#ask(READ_VERSION, node, key, timeoutMs, sink, position);
  }

  /**
   * Encodes one write once, and hands it to the peers among the `count` nodes in `nodes` from `offset` on; the i-th
   * answers as position i.
   *
   * @param record header and value; one that travels in fragments is not copied and must stay as it is until the
   *   last of its replies
   * @returns by position, why the write was not sent to that node: the caller reports these when it has asked all
   *   replicas; null: it was sent to all peers
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
    const messageBytes = writeRequestBytes(key.length, record.length);
    if (this.#multicast !== null) {
      const receivers = this.#datagramReceivers(nodes, offset, count);
      if (receivers >= MIN_RECEIVERS && this.#multicast.takes(messageBytes, receivers)) {
        const frameBytes = encodeWriteRequest(
          this.#frame,
          0,
          NO_ID,
          WRITE.number,
          wireTimeoutMs,
          key,
          record,
        );
        const frame = this.#frame.subarray(0, frameBytes);
        this.#multicast.begin(messageBytes, receivers);
        const deadlineMs = this.#clock.monotonicMs() + wireTimeoutMs;
        const refusals = this.#sendOnce(this.#multicast, nodes, offset, count, frame, deadlineMs, sink);
        this.#multicast.end(frame.subarray(FRAME_LENGTH_BYTES), deadlineMs);
        return refusals;
      }
    }
    const isLarge = messageBytes > FRAGMENT_BYTES;
    /** The frame, or the head of a large message. */
    let encoded: Buffer = EMPTY;
    let deadlineMs = 0;
    let refusals: (ReplicaReply | null)[] | null = null;
    for (let position = 0; position < count; position++) {
      const peer = this.peers[nodes[offset + position]];
      // This node itself is asked by the caller.
      if (peer === null) continue;
      if (encoded === EMPTY) {
        deadlineMs = this.#clock.monotonicMs() + wireTimeoutMs;
        encoded = isLarge
          ? largeWriteHead(wireTimeoutMs, key, record)
          : this.#frame.subarray(
              0,
              encodeWriteRequest(this.#frame, 0, NO_ID, WRITE.number, wireTimeoutMs, key, record),
            );
      }
      let refusal: ReplicaReply | null;
      if (peer === undefined) refusal = NO_SUCH_PEER;
      else if (isLarge) refusal = peer.requests.sendLarge(encoded, record, deadlineMs, sink, position);
      else refusal = peer.requests.sendFrame(encoded, deadlineMs, sink, position);
      if (refusal === null) continue;
      refusals ??= new Array<ReplicaReply | null>(count).fill(null);
      refusals[position] = refusal;
    }
    return refusals;
  }

  #ask(
    operation: RpcOperation,
    node: number,
    key: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void {
    const peer = this.peers[node] ?? null;
    if (peer === null) sink.onReply(position, NO_SUCH_PEER);
    else peer.requests.ask(operation, key, wholeTimeoutMs(timeoutMs), sink, position);
  }

  /** How many of the nodes can be reached by datagrams now. */
  #datagramReceivers(nodes: Uint16Array, offset: number, count: number): number {
    let receivers = 0;
    for (let position = 0; position < count; position++)
      if (this.peers[nodes[offset + position]]?.requests.datagrams?.isUsed === true) receivers++;
    return receivers;
  }

  /** Addresses the datagram to the peers that it can reach, and sends the frame to the others. */
  #sendOnce(
    multicast: MulticastSender,
    nodes: Uint16Array,
    offset: number,
    count: number,
    frame: Uint8Array,
    deadlineMs: number,
    sink: ReplySink,
  ): (ReplicaReply | null)[] | null {
    let refusals: (ReplicaReply | null)[] | null = null;
    for (let position = 0; position < count; position++) {
      const peer = this.peers[nodes[offset + position]];
      if (peer === null) continue;
      let refusal: ReplicaReply | null;
      if (peer === undefined) refusal = NO_SUCH_PEER;
      else if (peer.requests.datagrams?.isUsed === true) {
        refusal = peer.requests.refusalOf(frame.length);
        if (refusal === null)
          multicast.address(peer.requests.datagrams, peer.requests.expect(deadlineMs, sink, position));
      } else refusal = peer.requests.sendFrame(frame, deadlineMs, sink, position);
      if (refusal === null) continue;
      refusals ??= new Array<ReplicaReply | null>(count).fill(null);
      refusals[position] = refusal;
    }
    return refusals;
  }
}

/** Memory for the largest message that is not sent in fragments, with the head of its frame. */
export function writeFrame(): Buffer<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(FRAME_LENGTH_BYTES + FRAGMENT_BYTES);
}

function largeWriteHead(timeoutMs: number, key: Uint8Array, record: Uint8Array): Buffer {
  const head = Buffer.allocUnsafe(writeRequestBytes(key.length, record.length) - record.length);
  encodeWriteHead(head, 0, NO_ID, WRITE.number, timeoutMs, key, record.length);
  return head;
}

/** The time-out as it is sent: in whole milliseconds, zero for a deadline that has passed. */
export function wholeTimeoutMs(timeoutMs: number): number {
  return timeoutMs > 0 ? Math.min(Math.ceil(timeoutMs), MAX_TIMEOUT_MS) : 0;
}
