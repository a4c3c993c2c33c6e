/**
 * How one request went, replica by replica: told to a client that asks for it (`explain=1`). Times are in ms since the
 * request came to the coordinator. Plain data.
 */

/** What a node was asked. */
export type QuestionKind = 'read' | 'version' | 'write' | 'write-back';

/** Why it was asked when it was. */
export type QuestionCause =
  /** At the beginning, or as soon as a first round was over. */
  | 'first'
  /** Another one failed, or its answer did not count. */
  | 'replacement'
  /** Others were late. */
  | 'hedge'
  /** The one before it had answered: with `--replication sequential`. */
  | 'turn'
  /** A write met a newer version, and was sent again under a later one. */
  | 'retry';

export type AnswerKind = 'value' | 'deletion' | 'nothing' | 'stored' | 'newer' | 'incomplete' | 'failed';

/** One question to one node, and what came of it. */
export interface ExplainedQuestion {
  readonly node: string;
  /** In the key's preference list. */
  readonly position: number;
  readonly kind: QuestionKind;
  readonly cause: QuestionCause;
  readonly askedAfterMs: number;
  /** Null: it has not answered by now, as of `answer`. */
  answeredAfterMs: number | null;
  answer: AnswerKind | null;
  /** Of the version that was written, or that it answered; 0 by 0: none. */
  timestamp: number;
  writer: number;
  /** When that value expires, in ms of own time; 0: never, or not known. */
  expiryMs: number;
  /** The name of a FailureCode; empty: none. */
  failure: string;
  reason: string;
}

/** What is done about a replica behind the answer. */
export type FollowUp = 'repair' | 'hint';

interface ExplainedReplica {
  readonly node: string;
  readonly position: number;
  /** How it stood to the version of the request in the end; null: it was not waited for any longer. */
  readonly state: string | null;
  readonly followUps: readonly FollowUp[];
}

export interface Explanation {
  readonly ack: number;
  readonly from: number;
  /** How long the request had waited before it came to the coordinator. */
  readonly waitedMs: number;
  readonly answeredAfterMs: number;
  /** Whether all nodes that were asked had answered by now; otherwise the time was over. */
  readonly isSettled: boolean;
  /** Of the value that was read; null: none. The value itself is not kept until all have answered. */
  readonly valueBytes: number | null;
  readonly replicas: readonly ExplainedReplica[];
  /** In the order in which they were asked. */
  readonly questions: readonly ExplainedQuestion[];
  /** Questions beyond those that are listed. */
  readonly unlisted: number;
}

/** Hears why a replica is asked to read, just before it is. */
export interface CauseSink {
  onCause(cause: QuestionCause): void;
}

/** Where a request that is to be explained has its explanation, from just before its outcome on. */
export class ExplanationSlot {
  explanation: Explanation | null = null;
}
