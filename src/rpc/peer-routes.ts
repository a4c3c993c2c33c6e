import { FailureCode } from '../failure.ts';
import { failed, type ReplicaReply, type ReplySink } from '../reply.ts';
import {
  encodeWriteHead,
  encodeWriteRequest,
  FRAGMENT_BYTES,
  FRAME_LENGTH_BYTES,
  writeRequestBytes,
} from './codec.ts';
import type { LargeMessage } from './lane.ts';
import { READ } from './operation-table.ts';
import type { Peer } from './peer.ts';

/** Ids stay small integers; by the time they start over, none of the first is in flight any more. */
const MAX_ID = 0x3fff_ffff;
const MAX_TIMEOUT_MS = 0xffff_ffff;
export const NO_SUCH_PEER = failed(FailureCode.noSuchPeer, 'there is no such peer');
const EMPTY = Buffer.alloc(0);

/** The ids of a mesh's requests: one counter for all peers, so that the bytes of a write are the same for each. */
export class RequestIds {
  #last = 0;

  next(): number {
    this.#last = this.#last === MAX_ID ? 1 : this.#last + 1;
    return this.#last;
  }
}

/**
 * The way to the other nodes of one view of the cluster. A node is its index in the view: which peer that is was looked
 * up when the view was made, and not with every request. Requests that began with an older view go on by its routes.
 */
export class PeerRoutes {
  readonly #peers: readonly (Peer | null)[];
  readonly #ids: RequestIds;
  /** Where a write is encoded; it serves again as soon as every peer has its copy. */
  readonly #frame: Buffer<ArrayBuffer>;

  /**
   * @param peers by index in the view; null where this node itself stands
   * @param frame memory for the largest message that is not sent in fragments
   */
  constructor(peers: readonly (Peer | null)[], ids: RequestIds, frame: Buffer<ArrayBuffer>) {
    this.#peers = peers;
    this.#ids = ids;
    this.#frame = frame;
  }

  read(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    const peer = this.#peers[node] ?? null;
    if (peer === null) sink.onReply(position, NO_SUCH_PEER);
    else peer.ask(READ, this.#ids.next(), key, wholeTimeoutMs(timeoutMs), sink, position);
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
        id = this.#ids.next();
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
}

/** Memory for the largest message that is not sent in fragments, with the head of its frame. */
export function writeFrame(): Buffer<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(FRAME_LENGTH_BYTES + FRAGMENT_BYTES);
}

function largeWrite(id: number, timeoutMs: number, key: Uint8Array, record: Uint8Array): LargeMessage {
  const head = Buffer.allocUnsafe(writeRequestBytes(key.length, record.length) - record.length);
  encodeWriteHead(head, 0, id, timeoutMs, key, record.length);
  return { id, head, body: record };
}

/** As the wire has it: whole milliseconds, none for a deadline that has passed. */
export function wholeTimeoutMs(timeoutMs: number): number {
  return timeoutMs > 0 ? Math.min(Math.ceil(timeoutMs), MAX_TIMEOUT_MS) : 0;
}
