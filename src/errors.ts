/**
 * The node's error codes. As in the engine, `code` is for programs; the message is a sentence for people that says what
 * is wrong, where, and what to do; and `canRetry` says whether the same call may succeed later by itself.
 */
export type QuorateErrorCode =
  /** A request that can never succeed as it stands: HTTP 400. */
  | 'BAD_REQUEST'
  /** Fewer than `ack` replicas can still answer, or the deadline has passed: HTTP 504. */
  | 'NOT_ENOUGH_REPLICAS'
  /** A bound was reached; try again later: HTTP 503. */
  | 'OVERLOADED'
  /** The node is stopping: HTTP 503. */
  | 'DRAINING'
  /** Another one is under way, and there can be only one: HTTP 409. */
  | 'CONFLICT'
  | 'PEER_UNAVAILABLE'
  | 'PEER_REFUSED'
  | 'PROTOCOL'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELLED'
  /** A timestamp further ahead than the clock drift allowed. */
  | 'CLOCK_DRIFT'
  | 'STORAGE'
  | 'INVALID_CONFIG'
  | 'INVALID_TOPOLOGY'
  | 'FOREIGN_DIRECTORY'
  | 'UNFINISHED_FILL'
  | 'ADDRESS_IN_USE'
  | 'INTERNAL';

const RETRYABLE: ReadonlySet<QuorateErrorCode> = new Set([
  'NOT_ENOUGH_REPLICAS',
  'OVERLOADED',
  'DRAINING',
  'PEER_UNAVAILABLE',
  'DEADLINE_EXCEEDED',
]);

export class QuorateError extends Error {
  override readonly name = 'QuorateError';
  readonly code: QuorateErrorCode;
  readonly canRetry: boolean;

  constructor(code: QuorateErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.canRetry = RETRYABLE.has(code);
  }
}

/** What the other end of a connection sent breaks the protocol. */
export function protocolError(what: string): QuorateError {
  return new QuorateError('PROTOCOL', what);
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
