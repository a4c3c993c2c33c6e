/**
 * What the supervisor and its node processes say to each other over the IPC channel. The channel's end is a
 * message too: the other side is gone.
 */
import type { Topology } from '../../cluster/topology.ts';
import type { NodeSettings } from '../../config.ts';

export interface NodeConfig {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly topology: Topology;
  /** Undefined: the cluster has no secret. The file is read at every start of the process, and its text told to nobody. */
  readonly secretFile: string | undefined;
  readonly dataDirectory: string;
  readonly settings: NodeSettings;
}

/** To a node. It does nothing until it is told to start, so that its code can load meanwhile. */
export type SupervisorMessage =
  | { readonly type: 'start'; readonly config: NodeConfig }
  /** Take no more requests from clients and end those in flight; peers are answered on. */
  | { readonly type: 'quiesce' }
  /** The same if that was not asked for before, then sync and end. */
  | { readonly type: 'drain' };

export interface ServingNode {
  readonly httpUrl: string;
  readonly rpcAddress: string;
  readonly dataDirectory: string;
}

/** From a node. */
export type NodeMessage =
  | ({ readonly type: 'ready' } & ServingNode)
  /** It cannot start; `message` is a sentence for people. It ends after it. */
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'draining' }
  /** No request of a client is left, and none will be taken. */
  | { readonly type: 'quiet' }
  /** Everything is synced and closed; it ends after it. */
  | { readonly type: 'stopped' };
