import type { Clock, TimerHandle } from '../clock.ts';
import type { ReplicaReply, ReplySink } from '../reply.ts';
import { KEY_TOO_LONG, NO_SUCH_PEER, STOPPING } from '../rpc/response.ts';
import type { RpcSession } from '../rpc/session.ts';
import type { PeerHttpLimits } from './limits.ts';
import { ReplicaCall } from './replica-call.ts';
import { SessionCalls } from './session-calls.ts';
import { MAX_TARGET_KEY_BYTES, targetOf, versionTargetOf } from './wire.ts';

/** The RPC connection to a peer, which says whether the peer can be asked, and where. */
export interface PeerLink {
  readonly host: string;
  /** Null: the peer cannot be asked now. */
  readonly session: RpcSession | null;
  /** What a request is answered with while there is no session. */
  readonly unavailable: ReplicaReply;
}

/** Asks the replicas of other nodes over HTTP, as `RpcMesh` and its routes do over RPC. */
export class PeerHttpClient {
  readonly #clock: Clock;
  readonly #limits: PeerHttpLimits;
  readonly #tick: TimerHandle;
  readonly #calls = new Map<PeerLink, SessionCalls>();
  #isClosing = false;
  readonly #closed = Promise.withResolvers<void>();

  constructor(clock: Clock, limits: PeerHttpLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#tick = clock.every(limits.tickMs, () => this.#onTick());
  }

  /** @param links by index in a view; null where this node itself stands */
  routesOver(links: readonly (PeerLink | null)[]): PeerHttpRoutes {
    return new PeerHttpRoutes(links, this.#clock, this);
  }

  /** @returns why it is not sent; null: its sink will be called */
  begin(link: PeerLink, call: ReplicaCall): ReplicaReply | null {
    if (this.#isClosing) return STOPPING;
    const { session } = link;
    if (session === null) return link.unavailable;
    let calls = this.#calls.get(link);
    if (calls?.session !== session) {
      calls = new SessionCalls(session, link.host, this.#clock, this.#limits, () => this.#closeWhenIdle());
      this.#open(link, calls);
    }
    return calls.begin(call);
  }

  /** Requests that wait for an answer, and the bytes of their records. */
  figuresOf(nodeId: string): { readonly inFlight: number; readonly queuedBytes: number } {
    const figures = { inFlight: 0, queuedBytes: 0 };
    for (const { session, unanswered, recordBytes } of this.#calls.values()) {
      if (session.peer.nodeId !== nodeId) continue;
      figures.inFlight += unanswered;
      figures.queuedBytes += recordBytes;
    }
    return figures;
  }

  /** Takes no more requests, and closes the connections when those in flight are answered or timed out. */
  close(): Promise<void> {
    this.#isClosing = true;
    this.#closeWhenIdle();
    return this.#closed.promise;
  }

  /** Closes the connections now, so that requests in flight fail, and a `close` that waits for them ends. */
  abort(): void {
    this.#isClosing = true;
    for (const calls of this.#calls.values()) calls.end(STOPPING);
    this.#closeWhenIdle();
  }

  #open(link: PeerLink, calls: SessionCalls): void {
    this.#calls.set(link, calls);
    const onEnd = (): void => {
      // Requests of a new session may have come meanwhile.
      if (this.#calls.get(link) === calls) this.#calls.delete(link);
      calls.end(link.unavailable);
    };
    calls.session.ended.addEventListener('abort', onEnd, { once: true });
  }

  #closeWhenIdle(): void {
    if (!this.#isClosing) return;
    for (const { unanswered } of this.#calls.values()) if (unanswered > 0) return;
    for (const calls of this.#calls.values()) calls.end(STOPPING);
    this.#tick.cancel();
    this.#closed.resolve();
  }

  #onTick(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const calls of this.#calls.values()) calls.tick(nowMs);
  }
}

/** The way to the other nodes of one view of the cluster. A node is its index in the view. */
class PeerHttpRoutes {
  readonly #links: readonly (PeerLink | null)[];
  readonly #clock: Clock;
  readonly #client: PeerHttpClient;

  constructor(links: readonly (PeerLink | null)[], clock: Clock, client: PeerHttpClient) {
    this.#links = links;
    this.#clock = clock;
    this.#client = client;
  }

  read(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    const target = key.length > MAX_TARGET_KEY_BYTES ? null : targetOf(key);
    this.#ask(node, target, timeoutMs, sink, position);
  }

  readVersion(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    const target = key.length > MAX_TARGET_KEY_BYTES ? null : versionTargetOf(key);
    this.#ask(node, target, timeoutMs, sink, position);
  }

  #ask(node: number, target: string | null, timeoutMs: number, sink: ReplySink, position: number): void {
    const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
    const refusal = this.#begin(node, target, null, deadlineMs, sink, position);
    if (refusal !== null) sink.onReply(position, refusal);
  }

  /** As `PeerRoutes.write` over RPC. */
  write(
    nodes: Uint16Array,
    offset: number,
    count: number,
    key: Uint8Array,
    record: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
  ): (ReplicaReply | null)[] | null {
    const target = key.length > MAX_TARGET_KEY_BYTES ? null : targetOf(key);
    const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
    let refusals: (ReplicaReply | null)[] | null = null;
    for (let position = 0; position < count; position++) {
      const node = nodes[offset + position];
      // This node itself is asked by the caller.
      if (this.#links[node] === null) continue;
      const refusal = this.#begin(node, target, record, deadlineMs, sink, position);
      if (refusal === null) continue;
      refusals ??= new Array<ReplicaReply | null>(count).fill(null);
      refusals[position] = refusal;
    }
    return refusals;
  }

  /** @param target null: the key is too long for one */
  #begin(
    node: number,
    target: string | null,
    record: Uint8Array | null,
    deadlineMs: number,
    sink: ReplySink,
    position: number,
  ): ReplicaReply | null {
    const link = this.#links[node] ?? null;
    if (link === null) return NO_SUCH_PEER;
    if (target === null) return KEY_TOO_LONG;
    return this.#client.begin(link, new ReplicaCall(target, record, deadlineMs, sink, position));
  }
}
