/**
 * The messages between the supervisor and its node processes on the IPC channel. When the channel closes, the other
 * side is gone.
 */
import type { Topology } from '../../cluster/topology.ts';
import type { NodeSettings } from '../../config.ts';

export interface NodeConfig {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly topology: Topology;
  /** Undefined when the cluster has no secret. The node reads the file at every start and tells nobody its text. */
  readonly secretFile: string | undefined;
  readonly dataDirectory: string;
  readonly settings: NodeSettings;
}

/** Sent to a node. A node does nothing until it is told to start, so that its code can load meanwhile. */
export type SupervisorMessage =
  | { readonly type: 'start'; readonly config: NodeConfig }
  /** Take no more requests from clients and finish those in flight; peers are still answered. */
  | { readonly type: 'quiesce' }
  /** Do the same if that was not asked for before, then sync and end. */
  | { readonly type: 'drain' };

export interface ServingNode {
  readonly httpUrl: string;
  readonly rpcAddress: string;
  readonly dataDirectory: string;
}

/** Sent by a node. */
export type NodeMessage =
  | ({ readonly type: 'ready' } & ServingNode)
  /** The node cannot start, and ends after this; `message` is a sentence for people. */
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'draining' }
  /** No request of a client is left, and none will be taken. */
  | { readonly type: 'quiet' }
  /** Everything is synced and closed; the node ends after this. */
  | { readonly type: 'stopped' };
