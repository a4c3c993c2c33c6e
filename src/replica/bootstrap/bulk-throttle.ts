/** Holds a bulk copy to so many bytes a second, by what the sources send: the next page waits for those before it. */
import type { ByteThrottle } from '../byte-throttle.ts';
import type { BulkPace } from './bulk-copy.ts';
import type { BulkPeers } from './bulk-peers.ts';

export function throttledPeers(peers: BulkPeers, throttle: ByteThrottle): BulkPeers {
  return {
    get ids() {
      return peers.ids;
    },
    isUp: (id) => peers.isUp(id),
    bulkPage: (id, request, timeoutMs, sink) =>
      peers.bulkPage(id, request, timeoutMs, {
        onReply: (position, reply) => {
          throttle.take(reply.record?.length ?? 0);
          sink.onReply(position, reply);
        },
      }),
  };
}

export function throttledPace(pace: BulkPace, throttle: ByteThrottle): BulkPace {
  return {
    rest: async (signal) => {
      await pace.rest(signal);
      await throttle.wait(signal);
    },
  };
}
