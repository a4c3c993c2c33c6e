/**
 * What a node does for clients, whatever protocol they use: doors (src/http is one) call it. The coordinator serves
 * entities, the replica serves ranges; tests use fakes.
 */
import type { ProfileRequest } from './node-profile.ts';
import type { OutcomeSink } from './outcome.ts';
import type { RequestOptions } from './request-options.ts';

/** The longest key that a client may have. */
export const MAX_CLIENT_KEY_BYTES = 4096;

/**
 * The service puts in the defaults for what the options do not say, and checks them. `waitedMs` is what of the request's time has passed before it is handed over. An answer may come before the call returns: a caller
 * that asks for the next thing within an answer must see to it that such calls do not nest without end, as
 * admission's client-connection.ts and waiting-line.ts do.
 */
export interface EntityService {
  get(key: Uint8Array, options: RequestOptions, reply: OutcomeSink, waitedMs: number): void;
  put(
    key: Uint8Array,
    value: Uint8Array,
    options: RequestOptions,
    reply: OutcomeSink,
    waitedMs: number,
  ): void;
  delete(key: Uint8Array, options: RequestOptions, reply: OutcomeSink, waitedMs: number): void;
}

/** Encoded entries in key order, without any that are deleted or expired. Dispose of it once they are written. */
export interface EncodedPage extends Disposable {
  readonly bytes: Uint8Array;
  /** The index in `bytes` where the entries end. There may be none. */
  readonly usedBytes: number;
  /** Where the next page starts, inclusive; null behind the last entry. */
  readonly resumeAt: Uint8Array | null;
}

export interface RangeService {
  /**
   * One page of this node's own entries in key order, of at most `maxBytes` unless its first entry is larger.
   * @param end exclusive; null: to the last key
   * @param encoder number of what encodes the entries, from `DoorContext.firstEncoder` on
   */
  page(
    start: Uint8Array,
    end: Uint8Array | null,
    maxBytes: number,
    encoder: number,
    signal: AbortSignal,
  ): Promise<EncodedPage>;
}

interface StatusService {
  /** A value for JSON: node, state, version, engine figures, peers, event-loop delay. */
  status(): Record<string, unknown>;
}

/**
 * A profile that has begun. Dispose of it once nobody waits for it any more, nor needs its document, which may be large:
 * the next one begins only then. If it is under way still, that cancels it.
 */
export interface RunningProfile extends Disposable {
  /** A NodeProfile as JSON, in pieces; null when it was cancelled. */
  readonly document: Promise<readonly string[] | null>;
  /** Ends it before its time. */
  end(): void;
}

export interface ProfileService {
  /**
   * Resolves when it has begun.
   * @throws QuorateError CONFLICT while another one is under way, or its document is needed
   */
  begin(request: ProfileRequest): Promise<RunningProfile>;
  /** Ends the one that is under way, whoever began it; false: there is none. */
  end(): boolean;
}

interface RepairService {
  /**
   * Compares slots, from `first` to `last`, on all nodes, and settles them.
   * @returns the repair's number: the status says how far it has come
   */
  repair(first: number, last: number): number;
}

export interface NodeServices {
  readonly entities: EntityService;
  readonly ranges: RangeService;
  readonly status: StatusService;
  readonly repairs: RepairService;
  /** Null where the node is not to be profiled. */
  readonly profiles: ProfileService | null;
}
