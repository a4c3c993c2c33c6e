import { errorMessage, QuorateError } from '../../errors.ts';
import { FailureCode } from '../../failure.ts';
import { failed, found, type ReplicaReply, ReplyKind, type ReplySink } from '../../reply.ts';
import { decodeRequest, type RoundRequest } from './messages.ts';
import type { RoundPeers } from './round-owner.ts';

/** The way to the other owners. */
export interface OwnerLink {
  isUp(nodeId: string): boolean;
  ask(nodeId: string, body: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void;
}

interface RoundLinkOptions {
  readonly nodeId: string;
  readonly link: OwnerLink;
  /** This node's own answer, to itself or to a peer. */
  readonly answer: (request: RoundRequest, timeoutMs: number) => Promise<Uint8Array>;
}

/** Messages of rounds between this node and its peers, in both directions, and what they weigh. */
export class RoundLink implements RoundPeers {
  sentBytes = 0;
  receivedBytes = 0;
  readonly #options: RoundLinkOptions;
  /** Ends the wait for an answer. */
  readonly #waiting = new Set<(reason: unknown) => void>();
  #closed: QuorateError | null = null;

  constructor(options: RoundLinkOptions) {
    this.#options = options;
  }

  isUp(nodeId: string): boolean {
    return this.#options.link.isUp(nodeId);
  }

  async ask(nodeId: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { answer, link, nodeId: self } = this.#options;
    if (nodeId === self) return answer(decodeRequest(body), timeoutMs);
    if (this.#closed !== null) throw this.#closed;
    this.sentBytes += body.length;
    const { promise, reject, resolve } = Promise.withResolvers<ReplicaReply>();
    this.#waiting.add(reject);
    link.ask(nodeId, body, timeoutMs, { onReply: (_, reply) => resolve(reply) }, 0);
    const { kind, reason, record } = await promise.finally(() => this.#waiting.delete(reject));
    if (kind !== ReplyKind.ok || record === null) throw new QuorateError('STORAGE', reason);
    this.receivedBytes += record.length;
    return record;
  }

  /** Answers a peer's request. The body is a view: it is read before this returns. */
  serve(body: Uint8Array, timeoutMs: number, sink: ReplySink, token: number): void {
    let request: RoundRequest;
    try {
      request = decodeRequest(body);
    } catch (error) {
      sink.onReply(token, failed(FailureCode.malformed, errorMessage(error)));
      return;
    }
    this.receivedBytes += body.length;
    this.#options.answer(request, timeoutMs).then(
      (answer) => {
        this.sentBytes += answer.length;
        sink.onReply(token, found(answer));
      },
      (error: unknown) => sink.onReply(token, failed(FailureCode.storage, errorMessage(error))),
    );
  }

  /** Peers are asked no more, and nobody waits for their answers. */
  close(error: QuorateError): void {
    this.#closed = error;
    for (const end of this.#waiting) end(error);
  }
}
