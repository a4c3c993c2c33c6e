/**
 * What the HTTP layer needs of the node, declared by its consumer. node.ts hands in the coordinator and the
 * replica; tests hand in fakes.
 */
export const Outcome = {
  /** GET: `value` is set. PUT and DELETE: `ack` replicas have it. */
  ok: 0,
  /** GET: the freshest of `ack` answers is a tombstone, or none has the key. */
  notFound: 1,
  /** `ack` is out of reach, or the deadline passed. */
  notEnoughReplicas: 2,
  /** A bound was reached or the node drains: try again later. */
  overloaded: 3,
  /** The request can never succeed as it stands. */
  badRequest: 4,
  failed: 5,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

export interface EntityReply {
  /** How long a large value is, once the first replica has given it: the answer itself may come later, or never. */
  onLargeValue(bytes: number): void;
  /**
   * Called exactly once per request, possibly before the call that started it returns.
   * @param value the value's bytes for a GET that is ok, else null
   * @param reason a sentence for the client when the outcome is neither ok nor notFound
   */
  onOutcome(outcome: Outcome, value: Uint8Array | null, reason: string): void;
}

/**
 * `ack` and `from` are 0 where the request did not say: the service puts in the defaults and checks both. `waitedMs`
 * is what of the request's time has passed before it is handed over.
 */
export interface EntityService {
  get(key: Uint8Array, ack: number, from: number, reply: EntityReply, waitedMs: number): void;
  put(
    key: Uint8Array,
    value: Uint8Array,
    ack: number,
    from: number,
    reply: EntityReply,
    waitedMs: number,
  ): void;
  delete(key: Uint8Array, ack: number, from: number, reply: EntityReply, waitedMs: number): void;
}

/** Framed entries in key order, nothing deleted or expired among them. Disposed of once they are written. */
export interface FramedPage extends Disposable {
  readonly bytes: Uint8Array;
  /** Of `bytes`: where the entries end. There may be none. */
  readonly usedBytes: number;
  /** Where the next page starts, inclusive; null behind the last entry. */
  readonly resumeAt: Uint8Array | null;
}

export interface RangeService {
  /**
   * One page of this node's own entries in key order, of `maxBytes` at most unless its first is larger.
   * @param end exclusive; null: to the last key
   * @param framing number of an EntryFraming
   */
  page(
    start: Uint8Array,
    end: Uint8Array | null,
    maxBytes: number,
    framing: number,
    signal: AbortSignal,
  ): Promise<FramedPage>;
}

export interface StatusService {
  /** JSON-able: node, state, version, engine figures, peers, event-loop delay. */
  status(): Record<string, unknown>;
}
