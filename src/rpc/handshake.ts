/** Decides whether two nodes may talk. Each tells the other who it is (a hello) and judges the other's hello. Pure. */
import type { FolderHistory, FolderMemory, ToldFolder } from '../folder-history.ts';

export interface Hello {
  readonly protocolVersion: number;
  /** Bits of `Feature`, u32. */
  readonly features: number;
  readonly clusterId: string;
  readonly nodeId: string;
  /** Names the data folder: it is drawn anew whenever the node finds its folder empty. */
  readonly incarnation: string;
  /** A digest of topology and placement: equal when both nodes put every key onto the same nodes. */
  readonly topologyDigest: string;
  /** The largest value that the sender takes. */
  readonly maxValueBytes: number;
  /** When the sender's folder was last declared whole (by an operator, a bulk load) or incomplete; 0: never. */
  readonly declaredMs: number;
  /** The history of the sender's folder. */
  readonly history: FolderHistory;
  /** What the sender remembers of the receiver's folder; null: nothing, or it does not know yet who receives. */
  readonly remembered: FolderMemory | null;
  /** The node that the hello is for: the one that was dialled, or that dialled. Empty: it is not known yet. */
  readonly addressee: string;
  /**
   * The port on which the sender serves its replica over HTTP (src/peer-http), at the host of its RPC; 0: it asks and
   * serves over RPC alone.
   */
  readonly peerHttpPort: number;
}

/** A node's side of handshakes, injected: what it says, whom it accepts, what it concludes. */
export interface HandshakePolicy {
  /** @param peerNodeId null while a dialler has not said who it is */
  localHello(peerNodeId: string | null): Hello;
  /** A sentence that names both nodes and what differs, or null when they may talk: see `judgeHello`. */
  judge(hello: Hello): string | null;
  /** Called for each handshake in which this node found nothing wrong, whichever side dialled. */
  accepted(hello: Hello): void;
  /** How far this node's folder has come; peers are told when it changes. */
  localFolder(): ToldFolder;
  /**
   * A peer whose hello was accepted tells how far its folder has come.
   * @param incarnation of that folder
   */
  heardFolder(nodeId: string, incarnation: string, folder: ToldFolder): void;
}

/** Whether the rest of a hello can be understood at all. RPC itself judges this before anything else. */
export function judgeProtocol(local: Hello, remote: Hello): string | null {
  if (remote.protocolVersion === local.protocolVersion) return null;
  return differs(local, remote, 'RPC protocol version', local.protocolVersion, remote.protocolVersion);
}

/**
 * @param isMember whether the topology has a node of this id
 * @returns a sentence, fit for the logs of both, that says why `local` and `remote` must not talk; null when they may
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
  if (protocolOf(remote) !== protocolOf(local)) {
    const difference = differs(local, remote, 'peer protocol', protocolOf(local), protocolOf(remote));
    return `${difference}; every node of a cluster must be given the same --peer-protocol`;
  }
  if (!isMember(remote.nodeId)) {
    return `Node ${local.nodeId} knows no node ${remote.nodeId}: the topology of cluster ${local.clusterId} does not list it`;
  }
  return null;
}

/** The dialler's own check: whether the node that answered is the one it dialled. */
export function judgeAddress(
  local: Hello,
  remote: Hello,
  expectedNodeId: string,
  address: string,
): string | null {
  // When another cluster or this node itself answered, that explains more than the wrong name.
  if (remote.clusterId !== local.clusterId) return null;
  if (remote.nodeId === expectedNodeId || remote.nodeId === local.nodeId) return null;
  return `Node ${local.nodeId} looked for node ${expectedNodeId} at ${address} and met node ${remote.nodeId}: the topology gives it the wrong address`;
}

/**
 * Checks that a hello was meant for this node. A hello that somebody in between passed on, with its whole handshake,
 * was meant for another.
 */
export function judgeAddressee(local: Hello, remote: Hello): string | null {
  if (remote.addressee === local.nodeId) return null;
  return `Node ${remote.nodeId} looked for node ${remote.addressee} and met node ${local.nodeId}: the topology gives it the wrong address`;
}

/** By what the node asks the replicas of others, and serves its own. */
function protocolOf({ peerHttpPort }: Hello): 'rpc' | 'http' {
  return peerHttpPort === 0 ? 'rpc' : 'http';
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
