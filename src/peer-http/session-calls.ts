import { formatAddress } from '../address.ts';
import type { Clock } from '../clock.ts';
import { FailureCode } from '../failure.ts';
import { failed, type ReplicaReply } from '../reply.ts';
import { maxMessageBytes } from '../rpc/codec.ts';
import { IN_FLIGHT_FULL, QUEUE_FULL, VALUE_TOO_LARGE } from '../rpc/response.ts';
import type { RpcSession } from '../rpc/session.ts';
import { WAITS } from '../wait-places.ts';
import type { PeerHttpLimits } from './limits.ts';
import { PeerAgent } from './peer-agent.ts';
import type { CallOwner, CallTarget, ReplicaCall } from './replica-call.ts';

/**
 * This node's calls to one peer while one RPC session lasts. A call that finds every connection busy waits here, in
 * order, and not in the agent, which would keep it after its time is up.
 */
export class SessionCalls implements CallOwner {
  readonly session: RpcSession;
  readonly #clock: Clock;
  readonly #limits: PeerHttpLimits;
  readonly #target: CallTarget;
  readonly #maxRecordBytes: number;
  /** In the order in which they came. */
  readonly #waiting = new Set<ReplicaCall>();
  /** Each has a connection, or waits for its being made. They may be answered already. */
  readonly #sent = new Set<ReplicaCall>();
  readonly #onIdle: (calls: SessionCalls) => void;
  /** While any call waits; null: none does. */
  #waitBeganMs: number | null = null;
  #unanswered = 0;
  #recordBytes = 0;

  /** @param onIdle called when the last call has its answer */
  constructor(
    session: RpcSession,
    host: string,
    clock: Clock,
    limits: PeerHttpLimits,
    onIdle: (calls: SessionCalls) => void,
  ) {
    const { peer, key } = session;
    const { maxConnections, connectTimeoutMs } = limits;
    const port = peer.peerHttpPort;
    this.session = session;
    this.#clock = clock;
    this.#limits = limits;
    this.#onIdle = onIdle;
    this.#maxRecordBytes = maxMessageBytes(peer.maxValueBytes);
    this.#target = {
      agent: new PeerAgent({ host, port, key, clock, maxConnections, connectTimeoutMs }),
      place: formatAddress({ host, port }),
      maxRecordBytes: this.#maxRecordBytes,
    };
  }

  get unanswered(): number {
    return this.#unanswered;
  }

  /** Of the records of writes that are not answered. */
  get recordBytes(): number {
    return this.#recordBytes;
  }

  /** @returns why it is not sent; null: its sink will be called, in a later turn */
  begin(call: ReplicaCall): ReplicaReply | null {
    const { maxInFlight, maxQueuedBytes } = this.#limits;
    if (call.recordBytes > this.#maxRecordBytes) return VALUE_TOO_LARGE;
    if (this.#unanswered >= maxInFlight) return IN_FLIGHT_FULL;
    if (this.#recordBytes + call.recordBytes > maxQueuedBytes) return QUEUE_FULL;
    this.#unanswered++;
    this.#recordBytes += call.recordBytes;
    this.#waiting.add(call);
    this.#sendNext();
    return null;
  }

  /** Answers the calls whose time is up. */
  tick(nowMs: number): void {
    for (const call of this.#waiting) if (call.deadlineMs <= nowMs) this.#drop(call);
    for (const call of this.#sent) if (!call.isAnswered && call.deadlineMs <= nowMs) call.expire(this);
  }

  /**
   * The connections close. Calls that were not sent fail as all later ones do.
   * @param unavailable what later calls are answered with
   */
  end(unavailable: ReplicaReply): void {
    const waiting = [...this.#waiting];
    const sent = [...this.#sent];
    this.#waiting.clear();
    this.#noteWait();
    this.#target.agent.destroy();
    const lost = failed(FailureCode.peerLost, unavailable.reason);
    for (const call of waiting) call.answer(unavailable, this);
    for (const call of sent) call.answer(lost, this);
  }

  onAnswered(call: ReplicaCall): void {
    this.#unanswered--;
    this.#recordBytes -= call.recordBytes;
    if (this.#unanswered === 0) this.#onIdle(this);
  }

  onOver(call: ReplicaCall): void {
    this.#sent.delete(call);
    if (call.isToBeSentAgain && !call.isAnswered) this.#waiting.add(call);
    // The agent takes the connection back after this: until then it has none that is free.
    process.nextTick(this.#sendNext);
  }

  readonly #sendNext = (): void => {
    for (const call of this.#waiting) {
      if (this.#sent.size >= this.#limits.maxConnections) break;
      this.#waiting.delete(call);
      this.#sent.add(call);
      call.send(this.#target, this.#clock.monotonicMs(), this);
    }
    this.#noteWait();
  };

  #drop(call: ReplicaCall): void {
    this.#waiting.delete(call);
    this.#noteWait();
    call.expire(this);
  }

  /** Call it when calls have begun to wait, or none does any more. */
  #noteWait(): void {
    if (this.#waiting.size > 0) this.#waitBeganMs ??= WAITS.peerHttp.begin();
    else if (this.#waitBeganMs !== null) {
      WAITS.peerHttp.end(this.#waitBeganMs);
      this.#waitBeganMs = null;
    }
  }
}
