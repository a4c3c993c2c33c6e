/** How much and how long: the same settings for both ends of a connection. */
export interface RpcLimits {
  /** Requests to one peer whose answer is still out; more fail at once. */
  readonly maxInFlight: number;
  /** Bytes waiting to be sent on one connection; more fail at once. At least one largest value. */
  readonly maxQueuedBytes: number;
  /** Requests of one connection being served; beyond it, its socket is not read. */
  readonly maxUnderWay: number;
  /** Accepted connections of one node past their handshake; with one more, its oldest is closed. */
  readonly maxConnectionsPerNode: number;
  /** Accepted connections whose handshake is not over; with one more, the oldest is closed. */
  readonly maxHandshakes: number;
  /** How often deadlines and silence are looked at: both are late by at most this. */
  readonly tickMs: number;
  /** Silence after which a peer is asked whether it lives. */
  readonly pingAfterMs: number;
  /** How often peers are told how far this node's folder has come, when it has gone on. */
  readonly historyEveryMs: number;
  /** Further silence after which it counts as down. */
  readonly pongTimeoutMs: number;
  /** An accepted connection on which nothing comes, not even a ping, is closed after this. */
  readonly idleTimeoutMs: number;
  /** From accepting to the end of the handshake. */
  readonly handshakeTimeoutMs: number;
  /** From dialling to the end of the handshake: with the time that connecting takes. */
  readonly dialTimeoutMs: number;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  /** The same for peers that refuse this node, or that it refuses. */
  readonly refusedMinMs: number;
  readonly refusedMaxMs: number;
}

export const DEFAULT_RPC_LIMITS: RpcLimits = {
  maxInFlight: 8_192,
  maxQueuedBytes: 64 * 1024 * 1024,
  maxUnderWay: 4_096,
  maxConnectionsPerNode: 4,
  maxHandshakes: 256,
  tickMs: 20,
  pingAfterMs: 1_000,
  historyEveryMs: 500,
  pongTimeoutMs: 2_000,
  idleTimeoutMs: 10_000,
  handshakeTimeoutMs: 1_000,
  dialTimeoutMs: 2_000,
  reconnectMinMs: 20,
  reconnectMaxMs: 1_000,
  refusedMinMs: 1_000,
  refusedMaxMs: 15_000,
};
