/**
 * Whether two nodes may talk. Each tells the other who it is (a hello) and each judges the other's. Pure.
 */
import type { FolderHistory, FolderMemory } from '../folder-history.ts';

export interface Hello {
  readonly protocolVersion: number;
  /** Bits of `Feature`, u32. */
  readonly features: number;
  readonly clusterId: string;
  readonly nodeId: string;
  /** Which data folder this is: drawn anew whenever the node finds its folder empty. */
  readonly incarnation: string;
  /** Of topology and placement: equal where both put every key onto the same nodes. */
  readonly topologyDigest: string;
  /** The largest value the speaker takes. */
  readonly maxValueBytes: number;
  /** When someone last vouched for the speaker's folder (an operator, a bulk load); 0: nobody did. */
  readonly declaredMs: number;
  /** Of the speaker's folder. */
  readonly history: FolderHistory;
  /** What the speaker remembers of the listener; null: nothing, or it does not know who listens. */
  readonly remembered: FolderMemory | null;
  /** Whom the speaker means: the node that it dialled, or that dialled it. Empty: it does not know yet. */
  readonly addressee: string;
}

/** The node's side of handshakes, injected: what it says, whom it takes, what it concludes. */
export interface HandshakePolicy {
  /** @param peerNodeId null while a dialler has not said who it is */
  localHello(peerNodeId: string | null): Hello;
  /** A sentence that names both nodes and what differs, or null when they may talk: see `judgeHello`. */
  judge(hello: Hello): string | null;
  /** Called for each handshake in which this node found nothing wrong, whichever side dialled. */
  accepted(hello: Hello): void;
  /** How far this node's folder has come: told to peers when it has gone on. */
  localHistory(): FolderHistory;
  /** A peer whose hello was accepted tells how far its folder has come. */
  heardHistory(nodeId: string, history: FolderHistory): void;
}

/** Whether the rest of a hello can be understood at all: judged before anything else, by RPC itself. */
export function judgeProtocol(local: Hello, remote: Hello): string | null {
  if (remote.protocolVersion === local.protocolVersion) return null;
  return differs(local, remote, 'RPC protocol version', local.protocolVersion, remote.protocolVersion);
}

/**
 * What keeps `local` and `remote` apart, as a sentence fit for the logs of both, or null for nothing.
 *
 * @param isMember whether the topology has a node of this id
 */
export function judgeHello(
  local: Hello,
  remote: Hello,
  isMember: (nodeId: string) => boolean,
): string | null {
  if (remote.clusterId !== local.clusterId) {
    return differs(local, remote, 'cluster id', local.clusterId, remote.clusterId);
  }
  if (remote.nodeId === local.nodeId) {
    return `Node ${local.nodeId} has met a node with its own id: each address in the topology must lead to the node it is given for, and each id may run once`;
  }
  if (remote.topologyDigest !== local.topologyDigest) {
    return differs(
      local,
      remote,
      'topology or placement (digest)',
      local.topologyDigest,
      remote.topologyDigest,
    );
  }
  if (!isMember(remote.nodeId)) {
    return `Node ${local.nodeId} knows no node ${remote.nodeId}: the topology of cluster ${local.clusterId} does not list it`;
  }
  return null;
}

/** The dialler's own check: whether the node it meant to reach is the one that answered. */
export function judgeAddress(
  local: Hello,
  remote: Hello,
  expectedNodeId: string,
  address: string,
): string | null {
  // That another cluster or this node itself answered explains more than the wrong name does.
  if (remote.clusterId !== local.clusterId) return null;
  if (remote.nodeId === expectedNodeId || remote.nodeId === local.nodeId) return null;
  return `Node ${local.nodeId} looked for node ${expectedNodeId} at ${address} and met node ${remote.nodeId}: the topology gives it the wrong address`;
}

/**
 * Whether a hello was meant for this node. One that was passed on by somebody between the two, with all of its
 * handshake, was not.
 */
export function judgeAddressee(local: Hello, remote: Hello): string | null {
  if (remote.addressee === local.nodeId) return null;
  return `Node ${remote.nodeId} looked for node ${remote.addressee} and met node ${local.nodeId}: the topology gives it the wrong address`;
}

function differs(
  local: Hello,
  remote: Hello,
  what: string,
  ours: string | number,
  theirs: string | number,
): string {
  return `Nodes ${local.nodeId} and ${remote.nodeId} differ in ${what}: ${local.nodeId} has ${ours}, ${remote.nodeId} has ${theirs}`;
}
