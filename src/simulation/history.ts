/** What clients saw of a run, for the checks. Plain data. */
import type { Explanation } from '../explanation.ts';
import type { Outcome } from '../outcome.ts';
import type { ReadVerdict, RecordVersion } from '../request-options.ts';
import type { PlannedRequest } from './plan/plan.ts';

/** One request. Moments are counted, so that of two things each knows which came first. */
export interface Observation {
  readonly request: PlannedRequest;
  readonly coordinator: string;
  readonly calledAt: number;
  readonly calledMs: number;
  /** Infinity: no answer has come. */
  answeredAt: number;
  answeredMs: number;
  /** For how long of the time in between the process that coordinated it was frozen. */
  frozenMs: number;
  answers: number;
  /** Null: none has come. */
  outcome: Outcome | null;
  reason: string;
  /** Of what was read or written; 0: nothing. */
  timestamp: number;
  writer: number;
  /** Of a value that was read: how long it still lives, as the answer says; 0: until it is replaced. */
  livesMs: number;
  /** How far its coordinator's own time was behind, for keys whose values end; Infinity: it was not known. */
  ownLagMs: number;
  /** The request whose value was read; -1: none, or it is not told. */
  readId: number;
  /** The version in its condition; null: there is none. */
  readonly sent: RecordVersion | null;
  /** What its condition makes of the value that a GET finds. */
  verdict: ReadVerdict;
  /** How it went, where it was asked for; null: it was not said. */
  explanation: Explanation | null;
  /** The process that coordinated it ended before it had answered. */
  isCutOff: boolean;
  /** The value that was read is not what any request wrote; empty: it is. */
  fault: string;
}

/** One entry of a scan. */
export interface ScannedEntry {
  readonly key: string;
  /** The request whose value it is; -1: of none. */
  readonly readId: number;
  /** The value is not what any request wrote to the key; empty: it is. */
  readonly fault: string;
}

/** What a client saw of one node's own entries. */
export interface ScanObservation {
  readonly request: PlannedRequest;
  readonly machine: string;
  /** The machine's place among all. */
  readonly node: number;
  readonly calledAt: number;
  readonly calledMs: number;
  /** How far the node's own time was behind then; Infinity: it was not known. */
  readonly ownLagMs: number;
  /** Infinity: it has not come to its end. */
  answeredAt: number;
  answeredMs: number;
  /** In the order in which they came; null: it failed, or has not come to its end. */
  entries: readonly ScannedEntry[] | null;
  /** The process that it asked ended before it did. */
  isCutOff: boolean;
}

/** A record as it is on a machine's disk. */
export interface StoredRecord {
  readonly timestamp: number;
  readonly writer: number;
  readonly from: number;
  readonly isTombstone: boolean;
  readonly expiryMs: number;
}

/** What the machines have at the end, by key; null: the machine cannot tell. */
export interface FinalState {
  readonly machine: string;
  readonly records: ReadonlyMap<string, StoredRecord> | null;
  /** Whether it counts for reads. */
  readonly isWhole: boolean;
  /** Why it cannot tell; empty: it can. */
  readonly fault: string;
}

export interface History {
  readonly observations: readonly Observation[];
  readonly scans: readonly ScanObservation[];
  /** When what had been acknowledged was taken from a disk, for each machine. */
  readonly lossesMs: readonly (readonly number[])[];
  /** Those of them that are so small that the machine may count for reads all the same. */
  readonly slipsMs: readonly (readonly number[])[];
}

/** What breaks a promise, as a sentence, and the requests that show it. */
export interface Violation {
  readonly check: string;
  readonly sentence: string;
  readonly requests: readonly number[];
}
