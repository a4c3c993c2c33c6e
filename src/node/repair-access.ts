/** How repair reaches replicas: this node's own directly, others over RPC, behind what clients wait for. */
import { slotOf } from '../cluster/slots.ts';
import type { PreferenceLists, ReplicaAccess } from '../replica/delivery.ts';
import type { Replica } from '../replica/replica.ts';
import type { ReplySink } from '../reply.ts';
import type { RpcMesh } from '../rpc/mesh.ts';
import { READ, READ_VERSION } from '../rpc/operation-table.ts';
import type { CurrentView } from './current-view.ts';

export class RepairAccess implements ReplicaAccess, PreferenceLists {
  readonly #nodeId: string;
  readonly #replica: Replica;
  readonly #mesh: RpcMesh;
  readonly #cluster: CurrentView;

  /** @param nodeId of this node */
  constructor(nodeId: string, replica: Replica, mesh: RpcMesh, cluster: CurrentView) {
    this.#nodeId = nodeId;
    this.#replica = replica;
    this.#mesh = mesh;
    this.#cluster = cluster;
  }

  read(nodeId: string, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    if (nodeId === this.#nodeId) this.#replica.read(key, sink, position);
    else this.#mesh.ask(READ, nodeId, key, timeoutMs, sink, position);
  }

  readVersion(nodeId: string, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    if (nodeId === this.#nodeId) this.#replica.readVersion(key, sink, position);
    else this.#mesh.ask(READ_VERSION, nodeId, key, timeoutMs, sink, position);
  }

  repairWrite(
    nodeId: string,
    key: Uint8Array,
    record: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void {
    // What another node has sent is checked here as well as what is written by it.
    if (nodeId === this.#nodeId) this.#replica.writeFromPeer(key, record, sink, position, timeoutMs);
    else this.#mesh.repairWrite(nodeId, key, record, timeoutMs, sink, position);
  }

  positionOf(key: Uint8Array, nodeId: string): number {
    const { slotOwners, view } = this.#cluster;
    return slotOwners.positionOf(slotOf(key), view.indexOf(nodeId));
  }
}
