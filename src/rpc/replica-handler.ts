import type { ReplySink } from '../reply.ts';

/**
 * What peers ask of this node, declared by its consumer. Keys and records are views of the receive buffer: nothing
 * changes them, but a small one keeps up to 64 KiB of the buffer alive, so copy what is needed after the request.
 * `timeoutMs` is how long the sender waits from now. The sink is called exactly once with the token, possibly before
 * the call returns.
 */
export interface ReplicaHandler {
  read(key: Uint8Array, timeoutMs: number, sink: ReplySink, token: number): void;
  write(key: Uint8Array, record: Uint8Array, sink: ReplySink, token: number, timeoutMs: number): void;
  repairWrite(key: Uint8Array, record: Uint8Array, sink: ReplySink, token: number, timeoutMs: number): void;
  readVersion(key: Uint8Array, timeoutMs: number, sink: ReplySink, token: number): void;
  /** The body is a view; the answer's record is opaque too. */
  antiEntropy(body: Uint8Array, timeoutMs: number, sink: ReplySink, token: number): void;
  /**
   * Answers a page of entries for a node that is being filled.
   * @param request opaque here: src/replica/bootstrap/bulk-page-codec.ts
   */
  bulkPage(request: Uint8Array, sink: ReplySink, token: number): void;
  /**
   * @param nodeId of the node that missed writes, in UTF-8
   * @param page their keys: replica/FORMAT.md
   */
  hint(nodeId: Uint8Array, page: Uint8Array, sink: ReplySink, token: number): void;
  /** The record of the answer is what `clock-message.ts` draws. */
  clock(sink: ReplySink, token: number): void;
}
