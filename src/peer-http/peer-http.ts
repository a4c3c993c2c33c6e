import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { ReplicaHandler } from '../rpc/replica-handler.ts';
import { PeerHttpClient } from './client.ts';
import { DEFAULT_PEER_HTTP_LIMITS, type PeerHttpLimits } from './limits.ts';
import { PeerHttpServer } from './server.ts';

interface PeerHttpOptions {
  readonly handler: ReplicaHandler;
  readonly clock: Clock;
  readonly log: Log;
  readonly maxValueBytes: number;
  /** What differs from `DEFAULT_PEER_HTTP_LIMITS`. */
  readonly limits?: Partial<PeerHttpLimits>;
}

/** Reads and writes of replicas over HTTP, in both directions. */
export class PeerHttp {
  readonly client: PeerHttpClient;
  readonly server: PeerHttpServer;

  constructor(options: PeerHttpOptions) {
    const limits = { ...DEFAULT_PEER_HTTP_LIMITS, ...options.limits };
    this.client = new PeerHttpClient(options.clock, limits);
    this.server = new PeerHttpServer({ ...options, limits });
  }

  /** Takes no more requests on either side, and resolves when those under way are answered. */
  async close(): Promise<void> {
    await Promise.all([this.client.close(), this.server.close()]);
  }

  /** Gives up on requests under way: a `close` that waits for them ends. */
  abort(): void {
    this.client.abort();
    this.server.abort();
  }
}
