/** What can befall one node of a cluster after which all owners have to hold the same again, and how it ends. */
import { cpSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setClock } from '../support/clock-file.ts';
import type { TestCluster } from '../support/cluster.ts';
import { GOOD_DISK, setDisk } from '../support/disk-fault-file.ts';

const SLOW_LINK_MS = 150;
const SLOW_SYNC_MS = 40;
/** Far beyond the drift that is allowed. */
const CLOCK_JUMP_MS = 3_600_000;

export interface ConvergenceFault {
  readonly name: string;
  /** Whether the node answers clients while it lasts. */
  readonly isServing: boolean;
  /** @returns what ends it: all nodes run and reach each other when that resolves */
  begin(cluster: TestCluster, node: number): Promise<() => Promise<void>>;
}

export function clockFileOf(directory: string, nodeId: string): string {
  return join(directory, `${nodeId}.clock`);
}

export function diskFileOf(directory: string, nodeId: string): string {
  return join(directory, `${nodeId}.disk`);
}

export const CONVERGENCE_FAULTS: readonly ConvergenceFault[] = [
  {
    name: 'killed',
    isServing: false,
    begin: async ({ nodes }, node) => {
      await nodes[node].kill();
      return () => nodes[node].start();
    },
  },
  {
    name: 'frozen',
    isServing: false,
    begin: async ({ nodes }, node) => {
      nodes[node].signal('SIGSTOP');
      return async () => nodes[node].signal('SIGCONT');
    },
  },
  {
    name: 'full disk',
    isServing: true,
    begin: async (cluster, node) => {
      const file = diskFileOf(cluster.directory, cluster.nodes[node].id);
      setDisk(file, { ...GOOD_DISK, isFull: true });
      return async () => setDisk(file, GOOD_DISK);
    },
  },
  {
    name: 'slow disk',
    isServing: true,
    begin: async (cluster, node) => {
      const file = diskFileOf(cluster.directory, cluster.nodes[node].id);
      setDisk(file, { ...GOOD_DISK, syncDelayMs: SLOW_SYNC_MS });
      return async () => setDisk(file, GOOD_DISK);
    },
  },
  {
    name: 'cut links',
    isServing: false,
    begin: async ({ network }, node) => {
      for (const link of network.around(node)) link.cut();
      return async () => {
        for (const link of network.around(node)) link.mend();
      };
    },
  },
  {
    name: 'slow links',
    isServing: true,
    begin: async ({ network }, node) => {
      for (const link of network.around(node)) link.delayMs = SLOW_LINK_MS;
      return async () => {
        for (const link of network.around(node)) link.delayMs = 0;
      };
    },
  },
  {
    name: 'emptied',
    isServing: false,
    begin: async ({ nodes }, node) => {
      await nodes[node].kill();
      nodes[node].empty();
      return () => nodes[node].start();
    },
  },
  {
    name: 'older copy',
    isServing: true,
    begin: async ({ nodes }, node) => {
      const { dataDirectory } = nodes[node];
      const copy = `${dataDirectory}.copy`;
      await nodes[node].kill();
      rmSync(copy, { recursive: true, force: true });
      cpSync(dataDirectory, copy, { recursive: true });
      await nodes[node].start();
      return async () => {
        await nodes[node].kill();
        nodes[node].empty();
        renameSync(copy, dataDirectory);
        await nodes[node].start();
      };
    },
  },
  {
    name: 'clock moved',
    isServing: true,
    begin: async (cluster, node) => {
      const file = clockFileOf(cluster.directory, cluster.nodes[node].id);
      setClock(file, CLOCK_JUMP_MS, 0);
      return async () => setClock(file, 0, 0);
    },
  },
];
