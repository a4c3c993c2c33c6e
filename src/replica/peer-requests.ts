import type { Replica } from './replica.ts';
import type { ReplicaReplySink } from './reply.ts';

/** What the other nodes ask of this node's replica: the RPC server's handler. */
export class PeerRequests {
  readonly #replica: Replica;
  #received = 0;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** Requests since the start. */
  get received(): number {
    return this.#received;
  }

  read(key: Uint8Array, _timeoutMs: number, sink: ReplicaReplySink, token: number): void {
    this.#received++;
    this.#replica.read(key, sink, token);
  }

  write(key: Uint8Array, record: Uint8Array, sink: ReplicaReplySink, token: number): void {
    this.#received++;
    this.#replica.writeFromPeer(key, record, sink, token);
  }

  readVersion(key: Uint8Array, _timeoutMs: number, sink: ReplicaReplySink, token: number): void {
    this.#received++;
    this.#replica.readVersion(key, sink, token);
  }
}
