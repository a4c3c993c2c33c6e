/**
 * How a node stops, from the top down: clients' requests first, then what peers ask, then the disk. Everything
 * acknowledged is on disk however this ends; the order is there so that no request is cut off.
 */
import type { Clock } from '../clock.ts';

export interface DrainParts {
  readonly clock: Clock;
  readonly profiler: { close(): Promise<void> };
  readonly doors: { drain(signal?: AbortSignal): Promise<void> };
  readonly coordinator: { close(): void };
  /** Null: replicas are asked over RPC. */
  readonly peerHttp: { close(): Promise<void>; abort(): void } | null;
  readonly mesh: { close(): Promise<void>; abort(): void };
  readonly server: { readonly connections: number; close(): Promise<void>; abort(): void };
  readonly peerRequests: { readonly received: number };
  /** Told when no request of a client is left. */
  readonly repair: { close(): Promise<void> };
  readonly clockWatch: { close(): void };
  readonly bootstrap: { close(): Promise<void> };
  readonly antiEntropy: { close(): Promise<void> };
  readonly progress: { close(): void };
  readonly store: { settled(): Promise<void> };
  readonly engine: { close(): Promise<void> };
}

/**
 * When a whole cluster is stopped, the last requests of the others still need this replica. It waits until none has come
 * for this long.
 */
const QUIET_MS = 100;
/** But no longer than this: when the rest of the cluster goes on, its requests never end. */
const MAX_QUIET_WAIT_MS = 500;
const QUIET_STEP_MS = 20;
/** How long peers may take to give, and to take, their last answers. */
const RPC_CLOSE_PATIENCE_MS = 1_000;
/** How long the end of a profile is waited for after the abort: threads that do not hang end it in some 10 ms. */
const PROFILER_PATIENCE_MS = 1_000;

/**
 * @param signal its abort gives up on requests under way, and goes on to sync and close
 * @throws the first fault of a part; the others are closed all the same
 */
export async function drainInOrder(parts: DrainParts, signal: AbortSignal): Promise<void> {
  const faults: unknown[] = [];
  const attempt = async (step: () => Promise<void> | void): Promise<void> => {
    try {
      await step();
    } catch (error) {
      faults.push(error);
    }
  };
  // It begins first, because the doors wait for its client.
  const profiled = attempt(() => parts.profiler.close());
  await attempt(() => parts.doors.drain(signal));
  await attempt(() => parts.coordinator.close());
  await attempt(() => parts.repair.close());
  await attempt(() => parts.clockWatch.close());
  await attempt(() => parts.antiEntropy.close());
  await attempt(() => untilPeersAreQuiet(parts, signal));
  // What it has asked of peers ends with their connections.
  const filled = attempt(() => parts.bootstrap.close());
  await attempt(() => closeRpc(parts, signal));
  await filled;
  await attempt(() => parts.progress.close());
  // While the engine's lock is held nobody else writes the identity.
  await attempt(() => parts.store.settled());
  // V8 takes the process down when a thread ends that is being sampled.
  await patiently(profiled, parts.clock, signal);
  await attempt(() => parts.engine.close());
  if (faults.length > 0) throw faults[0];
}

/** Waits for it, and once the signal is aborted no longer than the patience lasts: a thread may hang. */
async function patiently(profiled: Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const onAbort = (): void => aborted.resolve();
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  await Promise.race([profiled, aborted.promise]);
  signal.removeEventListener('abort', onAbort);
  const impatience = Promise.withResolvers<void>();
  const patience = clock.after(PROFILER_PATIENCE_MS, impatience.resolve);
  await Promise.race([profiled, impatience.promise]);
  patience.cancel();
}

async function untilPeersAreQuiet(parts: DrainParts, signal: AbortSignal): Promise<void> {
  const { clock, peerRequests, server } = parts;
  const startedMs = clock.monotonicMs();
  let quietSinceMs = startedMs;
  let { received } = peerRequests;
  while (server.connections > 0 && !signal.aborted) {
    const nowMs = clock.monotonicMs();
    if (peerRequests.received !== received) {
      received = peerRequests.received;
      quietSinceMs = nowMs;
    }
    if (nowMs - quietSinceMs >= QUIET_MS || nowMs - startedMs >= MAX_QUIET_WAIT_MS) return;
    await new Promise<void>((resolve) => clock.after(QUIET_STEP_MS, resolve));
  }
}

async function closeRpc(parts: DrainParts, signal: AbortSignal): Promise<void> {
  const { clock, mesh, peerHttp, server } = parts;
  const abort = (): void => {
    peerHttp?.abort();
    mesh.abort();
    server.abort();
  };
  const patience = clock.after(RPC_CLOSE_PATIENCE_MS, abort);
  signal.addEventListener('abort', abort, { once: true });
  // What goes over HTTP goes on in sessions of RPC.
  const closeSessions = (): Promise<unknown> => Promise.all([mesh.close(), server.close()]);
  const closing = peerHttp === null ? closeSessions() : peerHttp.close().finally(closeSessions);
  if (signal.aborted) abort();
  try {
    await closing;
  } finally {
    patience.cancel();
    signal.removeEventListener('abort', abort);
  }
}
