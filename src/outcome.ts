/** The result of a client's request, and the receiver of that result. */
export const Outcome = {
  /** GET: `value` is set. PUT and DELETE: `ack` replicas have it. */
  ok: 0,
  /** GET: the freshest of `ack` answers is a tombstone, or none has the key. */
  notFound: 1,
  /** `ack` can no longer be reached, or the deadline has passed. */
  notEnoughReplicas: 2,
  /** A bound was reached or the node drains: try again later. */
  overloaded: 3,
  /** The request can never succeed as it stands. */
  badRequest: 4,
  failed: 5,
  /** The request has a condition, and the key's value does not meet it: nothing was written. */
  conditionFailed: 6,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

export interface OutcomeSink {
  /** The length of a large value, as soon as the first replica has given it. The outcome may come later, or never. */
  onLargeValue(bytes: number): void;
  /**
   * Called exactly once per request, possibly before the call that started it returns.
   * @param value the value's bytes for a GET that is ok, else null
   * @param reason a sentence for the client when the outcome is neither ok nor notFound
   * @param timestamp of the version that was read (a deletion is one too) or written, and of the value that does not meet a condition; 0: none
   * @param writer of the same version
   * @param livesMs how long that value still lives; 0: until it is replaced
   */
  onOutcome(
    outcome: Outcome,
    value: Uint8Array | null,
    reason: string,
    timestamp: number,
    writer: number,
    livesMs: number,
  ): void;
}
