/** The bounds in number, size and time of RPC connections. Both sides of a connection have the same. */
export interface RpcLimits {
  /** Requests to one peer that wait for an answer; further ones fail at once. */
  readonly maxInFlight: number;
  /** Bytes that wait to be sent on one connection; further requests fail at once. At least one largest value. */
  readonly maxQueuedBytes: number;
  /** Requests of one connection that are being served; beyond this, its socket is not read. */
  readonly maxUnderWay: number;
  /** Accepted connections of one node after their handshake; when there is one more, its oldest is closed. */
  readonly maxConnectionsPerNode: number;
  /** Accepted connections whose handshake is not over; when there is one more, the oldest is closed. */
  readonly maxHandshakes: number;
  /** How often deadlines and silence are checked: both are late by at most this. */
  readonly tickMs: number;
  /** After this long without a message, a peer is asked whether it lives. */
  readonly pingAfterMs: number;
  /** How often peers are told how far this node's folder has come, when it has changed. */
  readonly historyEveryMs: number;
  /** After this much longer without a message, the peer counts as down. */
  readonly pongTimeoutMs: number;
  /** After this long without a message, not even a ping, an accepted connection is closed. */
  readonly idleTimeoutMs: number;
  /** From accepting to the end of the handshake. */
  readonly handshakeTimeoutMs: number;
  /** From dialling to the end of the handshake, including the time to connect. */
  readonly dialTimeoutMs: number;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  /** The same bounds for peers that refuse this node, or that it refuses. */
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
