import type { SessionKey } from './cluster-secret.ts';
import type { Hello } from './handshake.ts';

/**
 * What two nodes have in common from the end of a handshake to the end of its connection. Whoever speaks to the peer by
 * another way as well proves with the key of a session that it is the node of that handshake. Each connection has a
 * session of its own, at both of its ends.
 */
export interface RpcSession {
  /** The peer, as it said in the handshake. */
  readonly peer: Hello;
  readonly key: SessionKey;
  /** Aborted when the connection has ended. */
  readonly ended: AbortSignal;
}
