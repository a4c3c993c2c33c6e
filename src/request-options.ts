/**
 * What a client's request asks for besides its key and its value. Doors make it of what their protocol says, and
 * whoever serves the request reads it. Nearly all requests say nothing, or `ack` and `from` alone: those share one object
 * each, so that saying so costs nothing. Plain data.
 */
import type { ReadRepair } from './config.ts';
import type { ExplanationSlot } from './explanation.ts';

export const Consistency = {
  /** One round trip, and overlapping quorums. */
  default: 0,
  /** As if there were one copy and one request at a time, whatever the clocks do; a write asks for versions first. */
  linearizable: 1,
} as const;
export type Consistency = (typeof Consistency)[keyof typeof Consistency];

export interface RecordVersion {
  readonly timestamp: number;
  readonly writer: number;
}

/** Versions of which one has to be there; `any`: there has to be a value, of whatever version. */
export type VersionSet = 'any' | readonly RecordVersion[];

/**
 * What has to be true of the value that the key has, or the request is not carried out. What is deleted or expired is no
 * value. Where both are given, both have to be true.
 */
export interface RequestCondition {
  /** Null: not asked for. */
  readonly ifMatch: VersionSet | null;
  /** Null: not asked for. */
  readonly ifNoneMatch: VersionSet | null;
}

export interface RequestOptions {
  /** How many replicas must answer; 0: more than half of `from`. */
  readonly ack: number;
  /** How many replicas the key has; 0: as the cluster is set. */
  readonly from: number;
  readonly consistency: Consistency;
  /** When a read brings the newest version to replicas that lack it; null: as the node is set. */
  readonly repair: ReadRepair | null;
  /** Of a write; null: it is carried out whatever the key has. */
  readonly condition: RequestCondition | null;
  /** Of a PUT: for how long the value is there, from the timestamp of its version on; 0: until it is replaced. */
  readonly ttlMs: number;
  /** Where it is said how the request went; the outcome waits for that. Null: nobody wants to know. */
  readonly explain: ExplanationSlot | null;
}

/** Of a request that says nothing. */
export const DEFAULT_REQUEST: RequestOptions = Object.freeze({
  ack: 0,
  from: 0,
  consistency: Consistency.default,
  repair: null,
  condition: null,
  ttlMs: 0,
  explain: null,
});

/** Numbers up to here are those of real requests: a key has at most 32 replicas. */
const SHARED_COUNTS = 33;
const shared: (RequestOptions | undefined)[] = new Array(SHARED_COUNTS * SHARED_COUNTS).fill(undefined);

/**
 * Options of a request that says nothing but these two.
 * @param ack 0: not said
 * @param from 0: not said
 */
export function quorumOptions(ack: number, from: number): RequestOptions {
  if (ack === 0 && from === 0) return DEFAULT_REQUEST;
  if (!(ack >= 0 && ack < SHARED_COUNTS && from >= 0 && from < SHARED_COUNTS))
    return requestOptions({ ack, from });
  const at = ack * SHARED_COUNTS + from;
  const known = shared[at];
  if (known !== undefined) return known;
  const options = requestOptions({ ack, from });
  shared[at] = options;
  return options;
}

/** @param said what is not in it is as in the default */
export function requestOptions(said: Partial<RequestOptions>): RequestOptions {
  return Object.freeze({ ...DEFAULT_REQUEST, ...said });
}

/** @param timestamp of the value that the key has; 0: it has none */
export function isConditionMet(condition: RequestCondition, timestamp: number, writer: number): boolean {
  const { ifMatch, ifNoneMatch } = condition;
  if (ifMatch !== null && !isIn(ifMatch, timestamp, writer)) return false;
  return ifNoneMatch === null || !isIn(ifNoneMatch, timestamp, writer);
}

/** What a condition makes of a read: `unchanged` where the client has the value that it finds. */
export type ReadVerdict = 'met' | 'unchanged' | 'unmet';

export function judgeRead(condition: RequestCondition, timestamp: number, writer: number): ReadVerdict {
  if (isConditionMet(condition, timestamp, writer)) return 'met';
  return isConditionMet({ ...condition, ifNoneMatch: null }, timestamp, writer) ? 'unchanged' : 'unmet';
}

function isIn(versions: VersionSet, timestamp: number, writer: number): boolean {
  if (timestamp === 0) return false;
  if (versions === 'any') return true;
  return versions.some((version) => version.timestamp === timestamp && version.writer === writer);
}
