/**
 * A peer's answer to one request, and who gets it. The same shapes and numbers as the coordinator's and the
 * replica's, which node.ts connects; the numbers are also those on the wire.
 */
export const RpcReplyKind = {
  ok: 0,
  absent: 1,
  failed: 2,
  /** The replica answers, but its data is not whole. */
  incomplete: 3,
  /** A write met the same version of its key or a newer one, and was not stored: `record` is that one's header. */
  stale: 4,
} as const;
export type RpcReplyKind = (typeof RpcReplyKind)[keyof typeof RpcReplyKind];

export interface RpcReply {
  readonly kind: RpcReplyKind;
  /**
   * Header and value, or the header alone for a read of the version; null where there is none. May be a view of
   * what was received: it keeps up to 64 KiB of neighbours alive, so copy it to keep it beyond the request.
   */
  readonly record: Uint8Array | null;
  /** Why, when failed: a few words. */
  readonly reason: string;
}

export interface RpcReplySink {
  /** Called exactly once per request, possibly before the call that started it returns. */
  onReply(position: number, reply: RpcReply): void;
}

export const DONE: RpcReply = { kind: RpcReplyKind.ok, record: null, reason: '' };
export const ABSENT: RpcReply = { kind: RpcReplyKind.absent, record: null, reason: '' };

export function failure(reason: string): RpcReply {
  return { kind: RpcReplyKind.failed, record: null, reason };
}
