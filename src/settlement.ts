/**
 * What a request has come to once all its replicas have said what they will say, declared here for whoever lives from
 * it: read repair, hints, and the counters of the status. Inside a request a replica is a position in the key's
 * preference list; whoever remembers one beyond the call remembers its node's id. Plain data.
 */
import type { FollowUp } from './explanation.ts';
import type { Outcome } from './outcome.ts';

export const RequestKind = { read: 0, write: 1 } as const;
export type RequestKind = (typeof RequestKind)[keyof typeof RequestKind];

/** How one replica stands to the version that a request is about. */
export const ReplicaState = {
  /** It has this version. Of a read that found none anywhere: it has none either. */
  current: 0,
  /** Of a read: it has an older version. */
  stale: 1,
  /** Of a read: it has none, while another replica has one. */
  missing: 2,
  /** Of a write: it met a newer version, which stays. */
  newer: 3,
  /** It gave no answer of use: `failureOf` says why. */
  failed: 4,
  /** It gave no answer in time, or none before its node stopped. */
  silent: 5,
  /**
   * It was not asked, so nothing is known of it: enough others had answered, or the request was answered, or its time was
   * over, before its turn came (a write that had no timestamp, for example).
   */
  unasked: 6,
} as const;
export type ReplicaState = (typeof ReplicaState)[keyof typeof ReplicaState];

/** To be read while the sink is called, and copied where it is kept. Versions are 0 by 0 where there is none. */
export interface Settlement {
  readonly kind: RequestKind;
  readonly key: Uint8Array;
  /** What the client was told. */
  readonly outcome: Outcome;
  readonly ack: number;
  readonly from: number;
  /** Of a read the freshest version that any replica has said; of a write the version of its last try. */
  readonly timestamp: number;
  readonly writer: number;
  /** Of a read: with which `from` that version was written, so that only replicas before this position are owners; 0: none. */
  readonly writtenFrom: number;
  /**
   * Of a write that was acknowledged: a replica had said by then that it holds a newer version. The two were under way at
   * one time, and the newer one wins: this one is lost.
   */
  readonly isConflict: boolean;
  /** The node at this position, from 0 to `from` - 1, as are all below. */
  nodeIdOf(position: number): string;
  stateOf(position: number): ReplicaState;
  /** The version that the replica holds, as far as it said. */
  timestampOf(position: number): number;
  writerOf(position: number): number;
  /**
   * A FailureCode, or a number that only the peer's newer build has a name for. Also of a replica that said something of
   * use: it was incomplete, or holds a version too far ahead to win over.
   */
  failureOf(position: number): number;
  /** From the request's arrival at the coordinator to the replica's answer; -1: there was none. */
  answeredAfterMs(position: number): number;
  /** To be called by a sink, while it is called, that will bring the replica what it lacks. */
  noteFollowUp(position: number, followUp: FollowUp): void;
}

/** Is told what is done about replicas behind the answer of a request. */
export interface FollowUpSink {
  onFollowUp(position: number, followUp: FollowUp): void;
}

export interface SettlementSink {
  /** Called exactly once for each request that was carried out, after its answer. Must not throw. */
  onSettled(settlement: Settlement): void;
}
