import type { ClusterView } from '../cluster/cluster-view.ts';
import type { ReplicaReply, ReplySink } from '../reply.ts';
import type { EncodedWrite, ReplicaSet } from './replica-access.ts';

/** The replica on this node. Sinks are called exactly once, possibly before the call returns. */
export interface LocalReplica {
  read(key: Uint8Array, sink: ReplySink, position: number): void;
  readVersion(key: Uint8Array, sink: ReplySink, position: number): void;
  write(key: Uint8Array, record: Uint8Array, sink: ReplySink, position: number, timeoutMs: number): void;
}

/** The way to the other nodes. */
export interface RemoteReplicas {
  read(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void;
  readVersion(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void;
  /**
   * Hands a write, encoded once, to those of the `count` nodes in `nodes` from `offset` on that are not this one; the
   * i-th answers as position i.
   * @returns by position, the answers of the nodes to which it could not be sent; null: there are none
   */
  write(
    nodes: Uint16Array,
    offset: number,
    count: number,
    key: Uint8Array,
    record: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
  ): readonly (ReplicaReply | null)[] | null;
}

/** All replicas of a view as this node reaches them: its own without the network. */
export class NodeReplicaSet implements ReplicaSet {
  readonly view: ClusterView;
  /** This node's index in the view. */
  readonly #self: number;
  readonly #lists: Uint16Array;
  readonly #local: LocalReplica;
  readonly #remote: RemoteReplicas;

  /** @param remote names the other nodes by their index in the view */
  constructor(view: ClusterView, nodeId: string, local: LocalReplica, remote: RemoteReplicas) {
    this.view = view;
    this.#self = view.indexOf(nodeId);
    this.#lists = view.placement.lists;
    this.#local = local;
    this.#remote = remote;
  }

  read(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    if (node === this.#self) this.#local.read(key, sink, position);
    else this.#remote.read(node, key, timeoutMs, sink, position);
  }

  readVersion(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    if (node === this.#self) this.#local.readVersion(key, sink, position);
    else this.#remote.readVersion(node, key, timeoutMs, sink, position);
  }

  write(listOffset: number, count: number, write: EncodedWrite, sink: ReplySink): void {
    const { key, record, timeoutMs } = write;
    const lists = this.#lists;
    const refusals = this.#remote.write(lists, listOffset, count, key, record, timeoutMs, sink);
    for (let position = 0; position < count; position++) {
      if (lists[listOffset + position] === this.#self)
        this.#local.write(key, record, sink, position, timeoutMs);
    }
    // This comes last, because a sink that hears of a failure may ask again, and by then all replicas have been asked.
    if (refusals === null) return;
    for (let position = 0; position < count; position++) {
      const refusal = refusals[position];
      if (refusal !== null) sink.onReply(position, refusal);
    }
  }
}
