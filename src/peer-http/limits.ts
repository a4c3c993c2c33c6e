/** The bounds in number, size and time of HTTP between nodes. What RPC has too is as there (src/rpc/limits.ts). */
import { DEFAULT_RPC_LIMITS } from '../rpc/limits.ts';

export interface PeerHttpLimits {
  /** Connections to one peer; each has one request under way. */
  readonly maxConnections: number;
  /** Requests to one peer that wait for an answer or for a connection; further ones fail at once. */
  readonly maxInFlight: number;
  /** The bytes of their records. On the other side: of the records that come, and as many of those that are sent. */
  readonly maxQueuedBytes: number;
  /** Accepted connections that have not proved anything; when there is one more, the oldest is closed. */
  readonly maxStrangers: number;
  /** From accepting a connection to its proof. */
  readonly proofTimeoutMs: number;
  /** From connecting to the peer's proof. */
  readonly connectTimeoutMs: number;
  /** How often deadlines are checked: they are late by at most this. */
  readonly tickMs: number;
}

const { maxInFlight, maxQueuedBytes, maxHandshakes, handshakeTimeoutMs, dialTimeoutMs, tickMs } =
  DEFAULT_RPC_LIMITS;

export const DEFAULT_PEER_HTTP_LIMITS: PeerHttpLimits = {
  maxConnections: 64,
  maxInFlight,
  maxQueuedBytes,
  maxStrangers: maxHandshakes,
  proofTimeoutMs: handshakeTimeoutMs,
  connectTimeoutMs: dialTimeoutMs,
  tickMs,
};
