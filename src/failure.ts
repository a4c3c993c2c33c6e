/**
 * Why a replica gave no answer that counts: a number for programs, which travels between nodes with a few words for
 * people. The number itself says whether the same request may succeed later without anybody's help: those below
 * `FIRST_LASTING` may. So a node knows what to do with a number for which only its peer's newer build has a name. Pure.
 */

const FIRST_LASTING = 128;
/** A number takes one byte on the wire. */
export const MAX_FAILURE_CODE = 255;

/**
 * Registered and append only, in both ranges. A number that was given out is never given another meaning, and zero is
 * reserved.
 */
export const FailureCode = {
  none: 0,

  /** The peer was not asked: there is no connection to it. */
  peerUnavailable: 1,
  /** The connection broke before the answer: the request may have been carried out or not. */
  peerLost: 2,
  /** No answer in time: the request may have been carried out or not. */
  timedOut: 3,
  /** The most requests that may be on their way to the peer are. */
  inFlightFull: 4,
  /** The most bytes that may wait to be sent to the peer do; or the most answers that may wait to be sent by it. */
  queueFull: 5,
  /** The storage engine has more to do than it can do in time. */
  overloaded: 6,
  noSpace: 7,
  readOnly: 8,
  identityNotWritten: 9,
  /** A thread of the storage engine died: the request may have been carried out or not. */
  workerDied: 10,
  stopping: 11,
  /** The replica accepts no timestamp that is so far ahead of its clock. */
  timestampAhead: 12,
  /** The replica holds a version so far ahead of the coordinator's clock that no later timestamp can be given. */
  versionAhead: 13,
  /** The slot is being settled up to a later timestamp than the write's. */
  settling: 14,

  /** One of the two nodes judged the other unfit in the handshake. */
  peerRefused: 128,
  noSuchPeer: 129,
  /** The peer's build does not know the operation. */
  notServed: 130,
  /** The answer is not one that the operation can have. */
  protocol: 131,
  keyTooLong: 132,
  tooLarge: 133,
  /** The key or the record is invalid. */
  malformed: 134,
  /** A sync failed, or the writer thread died. */
  poisoned: 135,
  corruption: 136,
  /** The storage engine failed in another way. */
  storage: 137,
  /** The replica answered, but something is missing from its folder. */
  incomplete: 138,
} as const;
export type FailureCode = (typeof FailureCode)[keyof typeof FailureCode];

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(FailureCode).map(([name, code]) => [code, inCapitals(name)]),
);

/**
 * Whether the same request may succeed later by itself.
 * @param code also one that has no name here
 */
export function mayPass(code: number): boolean {
  return code > FailureCode.none && code < FIRST_LASTING;
}

/**
 * The name that programs read in the status, in capitals: NO_SPACE.
 * @param code also one that has no name here
 */
export function failureName(code: number): string {
  return NAMES.get(code) ?? `FAILURE_${code}`;
}

function inCapitals(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}
