/** One question to one source. Its result never rejects: what became of it is for the copy to judge. */
import { FailureCode } from '../../failure.ts';
import { type ReplicaReply, ReplyKind, type ReplySink } from '../../reply.ts';
import { type BulkPage, cursorBehind, decodeBulkPage, encodeBulkRequest } from './bulk-page-codec.ts';
import type { BulkPeers } from './bulk-peers.ts';

export type BulkResult =
  /** `next` is the key to go on from; null: it was the last page. */
  | { readonly kind: 'page'; readonly page: BulkPage; readonly next: Uint8Array | null }
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
  readonly #start: Uint8Array;
  readonly #result = Promise.withResolvers<BulkResult>();

  constructor(start: Uint8Array) {
    this.#start = start;
  }

  get result(): Promise<BulkResult> {
    return this.#result.promise;
  }

  onReply(_position: number, reply: ReplicaReply): void {
    this.#result.resolve(judge(reply, this.#start));
  }
}

function judge(reply: ReplicaReply, start: Uint8Array): BulkResult {
  const { kind, code, reason, record } = reply;
  if (kind === ReplyKind.incomplete) return { kind: 'incomplete' };
  if (kind !== ReplyKind.ok || record === null)
    return { kind: BROKEN_CODES.has(code) ? 'broken' : 'busy', reason };
  try {
    const page = decodeBulkPage(record);
    const next = cursorBehind(page);
    // It would be asked for the same page for ever.
    if (next !== null && Buffer.compare(next, start) <= 0)
      return { kind: 'broken', reason: 'its page does not end behind where it begins' };
    return { kind: 'page', page, next };
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
  const sink = new PageSink(start);
  const request = encodeBulkRequest({ asker, sources, maxBytes, start });
  peers.bulkPage(source, request, PAGE_TIMEOUT_MS, sink);
  return sink.result;
}
