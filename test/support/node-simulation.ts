/**
 * Whole nodes on one thread, identity and engine of each on one disk in memory: over a clock that stands still until it
 * is turned, and a network in memory. The same calls in the same order give the same run.
 */
import assert from 'node:assert/strict';
import { recordValueStart } from '../../native-free-lsm/index.ts';
import { InlineExecutor, type MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../src/clock.ts';
import type { Topology } from '../../src/cluster/topology.ts';
import { defaultNodeSettings, type NodeSettings } from '../../src/config.ts';
import { type RunningNode, startNode } from '../../src/node/node.ts';
import type { Outcome } from '../../src/outcome.ts';
import type { RangePage } from '../../src/replica/storage-engine.ts';
import { quorumOptions } from '../../src/request-options.ts';
import type { Listener, Transport } from '../../src/rpc/transport.ts';
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
  antiEntropyIntervalMs: 0,
};

/** One run of a node's process. */
interface Life {
  isOver: boolean;
  readonly listeners: Listener[];
}

export interface Answer {
  readonly outcome: Outcome;
  readonly value: Uint8Array | null;
  readonly reason: string;
}

export class NodeSimulation {
  readonly clock: FakeClock;
  /** What the nodes logged, as `node level: message`. */
  readonly logged: string[] = [];
  readonly disks: MemoryFileSystem[];
  readonly network: MemoryNetwork;
  readonly #settings: NodeSettings;
  /** Of each node the one that runs. */
  readonly #lives: Life[] = [];
  readonly #seed: number;
  readonly #topology: Topology;
  readonly nodes: RunningNode[] = [];

  constructor(
    disks: readonly MemoryFileSystem[],
    seed: number,
    wallMs?: number,
    settings: Partial<NodeSettings> = {},
  ) {
    this.disks = [...disks];
    this.#settings = { ...SETTINGS, ...settings };
    this.#seed = seed;
    this.clock = new FakeClock(wallMs);
    this.network = new MemoryNetwork(this.clock, seededRandom(seed));
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

  /** Ends the node's process between two turns. What it has written is still on its way to the disk. */
  kill(index: number): void {
    this.#end(index);
    this.disks[index] = this.disks[index].kill();
  }

  /** Ends the node's process, and its disk has what was synced and nothing else. */
  cutPower(index: number): void {
    this.#end(index);
    this.disks[index] = this.disks[index].crash({ bytes: 'lost', names: 'lost' });
  }

  /** Stops the node as an operator does. */
  async stopNode(index: number): Promise<void> {
    await this.settle(this.nodes[index].drain());
  }

  /** Starts a node again that was stopped or killed. */
  async restart(index: number): Promise<void> {
    this.nodes[index] = await this.settle(this.#start(index));
  }

  /** A write of one node's client. @param value null: a deletion */
  write(index: number, key: string, value: string | null, ack: number, from: number): Promise<Answer> {
    const { entities } = this.nodes[index].services;
    const options = quorumOptions(ack, from);
    return answered((sink) => {
      if (value === null) entities.delete(Buffer.from(key), options, sink, 0);
      else entities.put(Buffer.from(key), Buffer.from(value), options, sink, 0);
    });
  }

  /** What the node itself holds and has not deleted, by key. */
  async held(index: number): Promise<Map<string, string>> {
    const { ranges } = this.nodes[index].services;
    const { signal } = new AbortController();
    const held = new Map<string, string>();
    let start: Uint8Array | null = new Uint8Array(0);
    while (start !== null) {
      using page = (await this.settle(ranges.page(start, null, 1 << 16, 0, signal))) as RangePage;
      const { bytes } = page;
      while (page.next()) {
        const key = Buffer.from(bytes.subarray(page.keyStart, page.keyEnd)).toString();
        const value = bytes.subarray(recordValueStart(bytes, page.recordStart), page.recordEnd);
        held.set(key, Buffer.from(value).toString());
      }
      start = page.resumeAt;
    }
    return held;
  }

  /** A section of the node's status. */
  statusOf(index: number, section: string): Record<string, unknown> {
    return this.nodes[index].services.status.status()[section] as Record<string, unknown>;
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

  #end(index: number): void {
    const host = `n${index}`;
    const life = this.#lives[index];
    // What is left of it goes on, over a disk and a network that nobody else has.
    life.isOver = true;
    for (const listener of life.listeners) void listener.close();
    this.network.cut((from, to) => from === host || to === host);
  }

  /** The network as the node that starts now sees it, as long as it lives. */
  #transportOf(index: number): Transport {
    const transport = this.network.transport(`n${index}`);
    const nowhere = this.network.transport('nowhere');
    const life: Life = { isOver: false, listeners: [] };
    this.#lives[index] = life;
    return {
      dial: (host, port) => (life.isOver ? nowhere.dial('nobody', 1) : transport.dial(host, port)),
      listen: async (...asked) => {
        const listener = await transport.listen(...asked);
        life.listeners.push(listener);
        return listener;
      },
    };
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
      settings: this.#settings,
      doors: [],
      log: { info: log('info'), warn: log('warn'), error: log('error') },
      clock: this.clock,
      random,
      drawBytes: (count) => Buffer.from(Uint8Array.from({ length: count }, () => random() * 256)),
      fs: this.disks[index],
      executor: (context) => new InlineExecutor(context),
      transport: this.#transportOf(index),
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
