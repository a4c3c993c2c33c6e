/**
 * How a coordinator reaches the replicas, declared by its consumer: src/node connects it with this node's own replica
 * and, by RPC, with the others. A call carries the operation as sink and the replica's place in the preference list as
 * `position`. The sink is called exactly once for each call, possibly before the call returns.
 */
import type { ClusterView } from '../cluster/cluster-view.ts';
import type { ReplySink } from '../reply.ts';

/** One write, encoded once for every replica that gets it. */
export interface EncodedWrite {
  readonly key: Uint8Array;
  /** Header and value: native-free-lsm/format/record.ts. */
  readonly record: Uint8Array;
  readonly timeoutMs: number;
}

/** The replicas of one view of the cluster: every index is the view's. */
export interface ReplicaSet {
  readonly view: ClusterView;
  /** Asks the node with this index to read. */
  read(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void;
  /** Asks the node with this index for its version: the record in the answer is its header alone. */
  readVersion(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void;
  /** Sends one write to the first `count` nodes of the list at `listOffset`; the i-th answers as position i. */
  write(listOffset: number, count: number, write: EncodedWrite, sink: ReplySink): void;
}

/** Where a request that begins finds the replicas of the cluster's current view. */
export interface CurrentReplicas {
  readonly current: ReplicaSet;
}
