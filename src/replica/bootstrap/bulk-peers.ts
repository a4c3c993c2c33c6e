import type { ReplySink } from '../../reply.ts';

/** The other nodes, as a node reaches them that is being filled. */
export interface BulkPeers {
  /** Ids of all other nodes. */
  readonly ids: readonly string[];
  isUp(nodeId: string): boolean;
  /** Asks for one page: see bulk-page-codec.ts. */
  bulkPage(nodeId: string, request: Uint8Array, timeoutMs: number, sink: ReplySink): void;
}
