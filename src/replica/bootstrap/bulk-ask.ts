/** One question to one source. Its result never rejects: what became of it is for the copy to judge. */
import { FailureCode } from '../../failure.ts';
import { type ReplicaReply, ReplyKind, type ReplySink } from '../../reply.ts';
import { type BulkPage, decodeBulkPage, encodeBulkRequest } from './bulk-page-codec.ts';
import type { BulkPeers } from './bulk-peers.ts';

export type BulkResult =
  | { readonly kind: 'page'; readonly page: BulkPage }
  /** The source lacks data itself. */
  | { readonly kind: 'incomplete' }
  /** It cannot read what is next, or answers nonsense: asking again may be of no use. */
  | { readonly kind: 'broken'; readonly reason: string }
  /** It is away, or has too much to do. */
  | { readonly kind: 'busy'; readonly reason: string };

const PAGE_TIMEOUT_MS = 10_000;
const BROKEN_CODES: ReadonlySet<number> = new Set([
  FailureCode.corruption,
  FailureCode.storage,
  FailureCode.notServed,
  FailureCode.protocol,
  FailureCode.malformed,
]);

class PageSink implements ReplySink {
  readonly #result = Promise.withResolvers<BulkResult>();

  get result(): Promise<BulkResult> {
    return this.#result.promise;
  }

  onReply(_position: number, reply: ReplicaReply): void {
    this.#result.resolve(judge(reply));
  }
}

function judge(reply: ReplicaReply): BulkResult {
  const { kind, code, reason, record } = reply;
  if (kind === ReplyKind.incomplete) return { kind: 'incomplete' };
  if (kind !== ReplyKind.ok || record === null)
    return { kind: BROKEN_CODES.has(code) ? 'broken' : 'busy', reason };
  try {
    return { kind: 'page', page: decodeBulkPage(record) };
  } catch (error) {
    return { kind: 'broken', reason: error instanceof Error ? error.message : String(error) };
  }
}

export function askForPage(
  peers: BulkPeers,
  source: string,
  asker: string,
  sources: readonly string[],
  start: Uint8Array,
  maxBytes: number,
): Promise<BulkResult> {
  const sink = new PageSink();
  const request = encodeBulkRequest({ asker, sources, maxBytes, start });
  peers.bulkPage(source, request, PAGE_TIMEOUT_MS, sink);
  return sink.result;
}
