import type { Clock } from '../clock.ts';
import { FailureCode } from '../failure.ts';
import { failed, type ReplicaReply } from '../reply.ts';

export type PeerState = 'connecting' | 'up' | 'down' | 'refused';

/**
 * Whether one peer can be asked, and what requests are answered with while it cannot.
 *
 * connecting → up                 the handshake went well
 * connecting, up → down           could not connect, lost the connection, no sign of life
 * connecting, up, down → refused  one of the two judged the other's hello unfit
 * refused → down                  it cannot be reached any more
 * down, refused → up              a later attempt went well; until then requests fail at once
 */
export class PeerAvailability {
  readonly nodeId: string;
  readonly #clock: Clock;
  #isStopping = false;
  state: PeerState = 'connecting';
  /** When the state last changed, by the wall clock, in ms since the Unix epoch. */
  sinceMs: number;
  /** Why the peer is not up; null while it is. */
  lastError: string | null = null;
  /** What a request to the peer is answered with while it is not up. */
  unavailable: ReplicaReply = failed(FailureCode.peerUnavailable, 'not yet connected to the peer');

  constructor(nodeId: string, clock: Clock) {
    this.nodeId = nodeId;
    this.#clock = clock;
    this.sinceMs = clock.nowMs();
  }

  become(state: 'up'): void;
  become(state: 'down' | 'refused', reason: string): void;
  become(state: PeerState, reason?: string): void {
    if (this.state !== state) {
      this.state = state;
      this.sinceMs = this.#clock.nowMs();
    }
    this.lastError = reason ?? null;
    if (reason === undefined) return;
    if (this.#isStopping) return;
    const code = state === 'refused' ? FailureCode.peerRefused : FailureCode.peerUnavailable;
    this.unavailable = failed(code, `node ${this.nodeId} is ${state}: ${reason}`);
  }

  /** From now on no request is sent to the peer: each is answered with `refusal`. */
  stop(refusal: ReplicaReply): void {
    this.#isStopping = true;
    this.unavailable = refusal;
  }
}
