/** What this node says in handshakes and concludes from them: the RPC layer's policy over the replica's standing. */

import type { Standing } from '../replica/standing.ts';
import { type HandshakePolicy, type Hello, judgeHello } from '../rpc/handshake.ts';
import { FEATURES } from '../rpc/operation-table.ts';
import { PROTOCOL_VERSION } from '../rpc/operations.ts';

export interface HandshakeIdentity {
  readonly clusterId: string;
  readonly topologyDigest: string;
  readonly maxValueBytes: number;
  /** Every node of the topology. */
  readonly memberIds: ReadonlySet<string>;
}

/** @param onMet called after each handshake in which this node found nothing wrong */
export function createHandshakePolicy(
  identity: HandshakeIdentity,
  standing: Standing,
  onMet: (nodeId: string) => void,
): HandshakePolicy {
  const localHello = (peerNodeId: string | null): Hello => {
    const greeting = standing.greetingFor(peerNodeId);
    return {
      protocolVersion: PROTOCOL_VERSION,
      features: FEATURES,
      clusterId: identity.clusterId,
      nodeId: greeting.nodeId,
      incarnation: greeting.incarnation,
      topologyDigest: identity.topologyDigest,
      maxValueBytes: identity.maxValueBytes,
      declaredMs: greeting.declaredMs,
      history: greeting.history,
      remembered: greeting.remembered,
      addressee: peerNodeId ?? '',
    };
  };
  return {
    localHello,
    judge: (hello) => judgeHello(localHello(hello.nodeId), hello, (nodeId) => identity.memberIds.has(nodeId)),
    accepted(hello) {
      standing.hear(hello);
      onMet(hello.nodeId);
    },
    localHistory: () => standing.history,
    heardHistory: (nodeId, history) => standing.hearHistory(nodeId, history),
  };
}
