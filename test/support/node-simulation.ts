/**
 * Whole nodes on one thread, identity and engine of each on one disk in memory: over a clock that stands still until it
 * is turned, and a network in memory. The same calls in the same order give the same run.
 */
import assert from 'node:assert/strict';
import { InlineExecutor, type MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../src/clock.ts';
import type { Topology } from '../../src/cluster/topology.ts';
import { defaultNodeSettings } from '../../src/config.ts';
import { type RunningNode, startNode } from '../../src/node/node.ts';
import type { Outcome } from '../../src/outcome.ts';
import { quorumOptions } from '../../src/request-options.ts';
import { FakeClock } from '../../src/simulation/fake-clock.ts';
import { MemoryNetwork } from '../../src/simulation/memory-network.ts';
import { TEST_SECRET } from './rpc-handshake.ts';

export const CLUSTER_ID = 'test';
/** A node that has not answered after so many turns of 1 ms never will. */
const MAX_TURNS = 60_000;
/** A chain of settled promises is never longer than this between two turns. */
const MICROTASKS_PER_TURN = 40;

/** Small enough that a few writes fill a memtable. */
const SETTINGS = {
  ...defaultNodeSettings(),
  maxValueBytes: 8 * 1024,
  memtableBytes: 64 * 1024,
  blockCacheBytes: 64 * 1024,
  readers: 1,
};

export interface Answer {
  readonly outcome: Outcome;
  readonly value: Uint8Array | null;
  readonly reason: string;
}

export class NodeSimulation {
  readonly clock: FakeClock;
  /** What the nodes logged, as `node level: message`. */
  readonly logged: string[] = [];
  readonly disks: readonly MemoryFileSystem[];
  readonly #seed: number;
  readonly #topology: Topology;
  readonly #network: MemoryNetwork;
  readonly nodes: RunningNode[] = [];

  constructor(disks: readonly MemoryFileSystem[], seed: number, wallMs?: number) {
    this.disks = disks;
    this.#seed = seed;
    this.clock = new FakeClock(wallMs);
    this.#network = new MemoryNetwork(this.clock, seededRandom(seed));
    const nodes = disks.map((_, index) => ({
      id: `n${index}`,
      http: { host: '127.0.0.1', port: 0 },
      rpc: { host: `n${index}`, port: 1 },
      zone: 'here',
      weight: 1,
    }));
    this.#topology = { cluster: CLUSTER_ID, placement: 'any', nodes };
  }

  /** Starts all nodes, and waits until they serve. */
  async start(): Promise<void> {
    this.nodes.push(...(await this.settle(Promise.all(this.disks.map((_, index) => this.#start(index))))));
  }

  /** Drains all nodes, as when a cluster is stopped. */
  async stop(): Promise<void> {
    await this.settle(Promise.all(this.nodes.map((node) => node.drain())));
  }

  /** @param ack of as many replicas as there are nodes */
  put(index: number, key: string, value: Uint8Array, ack: number): Promise<Answer> {
    const { entities } = this.nodes[index].services;
    return answered((sink) =>
      entities.put(Buffer.from(key), value, quorumOptions(ack, this.disks.length), sink, 0),
    );
  }

  get(index: number, key: string, ack: number): Promise<Answer> {
    const { entities } = this.nodes[index].services;
    return answered((sink) => entities.get(Buffer.from(key), quorumOptions(ack, this.disks.length), sink, 0));
  }

  /** Codes of what keeps a node from doing all it should. */
  conditionsOf(index: number): string[] {
    const { node } = this.nodes[index].services.status.status() as {
      node: { conditions: readonly { code: string }[] };
    };
    return node.conditions.map(({ code }) => code);
  }

  /** Turns the clock until the promise is settled. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const end = (): void => {
      isSettled = true;
    };
    promise.then(end, end);
    for (let turn = 0; ; turn++) {
      for (let i = 0; i < MICROTASKS_PER_TURN && !isSettled; i++) await undefined;
      if (isSettled) return promise;
      assert.ok(turn < MAX_TURNS, 'a node does not answer');
      this.clock.advance(1);
    }
  }

  /** Lets `ms` go by, with all that happens in them. */
  async pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += 5) {
      this.clock.advance(5);
      for (let i = 0; i < MICROTASKS_PER_TURN; i++) await undefined;
    }
  }

  #start(index: number): Promise<RunningNode> {
    const log = (level: string) => (message: string) =>
      void this.logged.push(`n${index} ${level}: ${message}`);
    const random = seededRandom(this.#seed + index);
    return startNode({
      nodeId: `n${index}`,
      clusterId: CLUSTER_ID,
      topology: this.#topology,
      clusterSecret: TEST_SECRET,
      dataDirectory: folderOf(index),
      settings: SETTINGS,
      doors: [],
      log: { info: log('info'), warn: log('warn'), error: log('error') },
      clock: this.clock,
      random,
      drawBytes: (count) => Buffer.from(Uint8Array.from({ length: count }, () => random() * 256)),
      fs: this.disks[index],
      executor: (context) => new InlineExecutor(context),
      transport: this.#network.transport(`n${index}`),
    });
  }
}

export function folderOf(index: number): string {
  return `/data/n${index}`;
}

function answered(
  ask: (sink: {
    onLargeValue: () => void;
    onOutcome: (outcome: Outcome, value: Uint8Array | null, reason: string) => void;
  }) => void,
): Promise<Answer> {
  return new Promise((resolve) =>
    ask({
      onLargeValue: () => undefined,
      onOutcome: (outcome, value, reason) => resolve({ outcome, value, reason }),
    }),
  );
}
