/** What can befall one node of a proxied cluster, and how it ends. */
import { setTimeout as delay } from 'node:timers/promises';
import type { TestCluster } from '../support/cluster.ts';

const SLOW_MS = 200;
const FLAP_MS = 300;

export interface PeerFault {
  readonly name: string;
  /** @returns what ends it: the node is well again when that resolves */
  begin(cluster: TestCluster, node: number): Promise<() => Promise<void>>;
}

/** Up and down in turn, from down on. */
async function flap(down: () => void, up: () => void): Promise<() => Promise<void>> {
  const over = new AbortController();
  const flapping = (async () => {
    while (!over.signal.aborted) {
      down();
      await delay(FLAP_MS);
      up();
      await delay(FLAP_MS);
    }
  })();
  return async () => {
    over.abort();
    await flapping;
  };
}

export const PEER_FAULTS: readonly PeerFault[] = [
  {
    name: 'dead',
    begin: async ({ nodes }, node) => {
      await nodes[node].kill();
      return () => nodes[node].start();
    },
  },
  {
    name: 'frozen',
    begin: async ({ nodes }, node) => {
      nodes[node].signal('SIGSTOP');
      return async () => nodes[node].signal('SIGCONT');
    },
  },
  {
    name: 'unreachable',
    begin: async ({ network }, node) => {
      for (const link of network.around(node)) link.freeze();
      return async () => {
        for (const link of network.around(node)) link.thaw();
      };
    },
  },
  {
    name: 'slow',
    begin: async ({ network }, node) => {
      for (const link of network.around(node)) link.toClient.delayMs = SLOW_MS;
      return async () => {
        for (const link of network.around(node)) link.toClient.delayMs = 0;
      };
    },
  },
  {
    name: 'flapping',
    begin: ({ network }, node) =>
      flap(
        () => {
          for (const link of network.around(node)) link.cut();
        },
        () => {
          for (const link of network.around(node)) link.mend();
        },
      ),
  },
  {
    name: 'stuttering',
    begin: ({ nodes }, node) =>
      flap(
        () => nodes[node].signal('SIGSTOP'),
        () => nodes[node].signal('SIGCONT'),
      ),
  },
];
