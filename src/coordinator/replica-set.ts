import type { ReplySink } from '../reply.ts';
import type { EncodedWrite, ReplicaSet } from './replica-access.ts';

/** The replica on this node. Sinks are called exactly once, possibly before the call returns. */
export interface LocalReplica {
  read(key: Uint8Array, sink: ReplySink, position: number): void;
  write(key: Uint8Array, record: Uint8Array, sink: ReplySink, position: number, timeoutMs: number): void;
}

/** The way to the other nodes. */
export interface RemoteReplicas {
  read(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void;
  /** Encodes a write once, for the calls of sendWrite that follow. */
  beginWrite(key: Uint8Array, record: Uint8Array, timeoutMs: number): void;
  sendWrite(node: number, sink: ReplySink, position: number): void;
}

/** All replicas as one sees them from this node: its own without the network. */
export class NodeReplicaSet implements ReplicaSet {
  readonly #self: number;
  readonly #local: LocalReplica;
  readonly #remote: RemoteReplicas;

  /** @param self this node's index in the topology */
  constructor(self: number, local: LocalReplica, remote: RemoteReplicas) {
    this.#self = self;
    this.#local = local;
    this.#remote = remote;
  }

  read(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    if (node === this.#self) this.#local.read(key, sink, position);
    else this.#remote.read(node, key, timeoutMs, sink, position);
  }

  write(lists: Uint16Array, offset: number, count: number, write: EncodedWrite, sink: ReplySink): void {
    let localPosition = -1;
    let begun = false;
    for (let position = 0; position < count; position++) {
      const node = lists[offset + position];
      if (node === this.#self) {
        localPosition = position;
        continue;
      }
      if (!begun) {
        this.#remote.beginWrite(write.key, write.record, write.timeoutMs);
        begun = true;
      }
      this.#remote.sendWrite(node, sink, position);
    }
    // Last: the network is under way while the disk here works.
    if (localPosition >= 0) this.#local.write(write.key, write.record, sink, localPosition, write.timeoutMs);
  }
}
