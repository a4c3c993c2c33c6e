/**
 * Where requests wait on the main thread of a node, besides the engine's own places. To add one: an entry here, and
 * `begin` and `end` where the wait begins and ends.
 */
import { ENGINE_WAITS, WaitPlace } from '../native-free-lsm/index.ts';

export const WAITS = {
  line: new WaitPlace(['queue', 'requests: admission lets no more in']),
  rpcSocket: new WaitPlace(['socket', 'RPC: the kernel takes no more']),
  peerHttp: new WaitPlace(['queue', 'calls of peers over HTTP: every connection is busy']),
  httpSocket: new WaitPlace(['socket', 'HTTP: the client has not taken its answer']),
} as const;

export const ALL_WAITS: readonly WaitPlace[] = [...Object.values(WAITS), ...Object.values(ENGINE_WAITS)];
