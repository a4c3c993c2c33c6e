/** What this node says in handshakes, and what it learns from them about its peers and about its own data folder. */

import type { FolderWholeness } from '../replica/folder-wholeness.ts';
import { type HandshakePolicy, type Hello, judgeHello } from '../rpc/handshake.ts';
import { FEATURES } from '../rpc/operation-table.ts';
import { PROTOCOL_VERSION } from '../rpc/operations.ts';

interface HandshakeIdentity {
  readonly clusterId: string;
  readonly topologyDigest: string;
  readonly maxValueBytes: number;
  /** 0: replicas are asked over RPC. */
  readonly peerHttpPort: () => number;
  /** Whether the cluster, as it is now, has a node of this id. */
  readonly isMember: (nodeId: string) => boolean;
  /** Bits of `Feature` for what this node can do besides its operations. */
  readonly abilities: () => number;
}

/** @param onMet called after each handshake in which this node found nothing wrong */
export function createHandshakePolicy(
  identity: HandshakeIdentity,
  wholeness: FolderWholeness,
  onMet: (nodeId: string) => void,
): HandshakePolicy {
  const localHello = (peerNodeId: string | null): Hello => {
    const greeting = wholeness.greetingFor(peerNodeId);
    return {
      protocolVersion: PROTOCOL_VERSION,
      features: FEATURES | identity.abilities(),
      clusterId: identity.clusterId,
      nodeId: greeting.nodeId,
      incarnation: greeting.incarnation,
      topologyDigest: identity.topologyDigest,
      maxValueBytes: identity.maxValueBytes,
      declaredMs: greeting.declaredMs,
      history: greeting.history,
      remembered: greeting.remembered,
      addressee: peerNodeId ?? '',
      peerHttpPort: identity.peerHttpPort(),
    };
  };
  return {
    localHello,
    judge: (hello) => judgeHello(localHello(hello.nodeId), hello, identity.isMember),
    accepted(hello) {
      wholeness.hear(hello);
      onMet(hello.nodeId);
    },
    localFolder: () => wholeness.folder,
    heardFolder: (nodeId, incarnation, folder) => wholeness.hearNews({ nodeId, incarnation, ...folder }),
  };
}
