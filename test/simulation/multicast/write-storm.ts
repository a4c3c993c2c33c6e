/**
 * A cluster of RPC nodes that write to each other by multicast, or over connections alone, while datagrams are lost,
 * doubled, changed, delayed and sent again, strangers send theirs, and nodes stand still, restart and lose connections.
 * All is drawn from one seed.
 */
import assert from 'node:assert/strict';
import { type Random, seededRandom } from '../../../src/clock.ts';
import { ReplyKind } from '../../../src/reply.ts';
import { groupOf } from '../../../src/rpc/multicast/group.ts';
import { type DatagramFaults, NO_FAULTS } from '../../support/memory-datagrams.ts';
import { RPC_PORT, RpcCluster, type RpcNode } from '../../support/rpc-cluster.ts';
import { ReplyBook, writeTo } from '../../support/rpc-nodes.ts';

const NODE_IDS = ['a', 'b', 'c', 'd', 'e'];

export interface StormOptions {
  readonly seed: number;
  readonly isMulticast: boolean;
  /** Nodes freeze and restart, and connections are cut, and not datagrams alone. */
  readonly breaksNodes: boolean;
}

interface Written {
  readonly node: number;
  readonly key: string;
  readonly record: Buffer;
}

export class WriteStorm {
  readonly cluster: RpcCluster;
  readonly book = new ReplyBook();
  readonly written: Written[] = [];
  restarts = 0;
  readonly #options: StormOptions;
  readonly #random: Random;
  #writes = 0;

  private constructor(cluster: RpcCluster, options: StormOptions) {
    this.cluster = cluster;
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  static async start(options: StormOptions): Promise<WriteStorm> {
    const { seed, isMulticast } = options;
    return new WriteStorm(await RpcCluster.start(NODE_IDS, { seed, isMulticast }), options);
  }

  async step(): Promise<void> {
    const draw = this.#random();
    if (draw < 0.9) this.#write();
    else if (draw < 0.93) this.#changeFaults();
    else if (draw < 0.96) this.#actAsStranger();
    else if (this.#options.breaksNodes) await this.#breakNode();
    if (this.#random() < 0.3) this.cluster.clock.advance(this.#upTo(this.#random() < 0.05 ? 600 : 20));
  }

  calm(): void {
    if (this.cluster.datagrams !== null) this.cluster.datagrams.faults = NO_FAULTS;
    for (const { nodeId, replica } of this.cluster.nodes) {
      this.#thaw(nodeId);
      replica.holds = false;
      replica.release();
    }
    this.cluster.clock.advance(20_000);
  }

  /** What holds whatever fails. */
  check(): void {
    const { nodes } = this.cluster;
    assert.equal(this.book.repeated, 0, 'a write was answered twice');
    assert.equal(this.book.replies.size, this.written.length, 'a write was not answered');
    for (const [position, { node, key, record }] of this.written.entries()) {
      const { kind } = this.book.of(position);
      if (kind === ReplyKind.ok)
        assert.ok(nodes[node].replica.records.get(key)?.equals(record), `${key} is lost`);
      else assert.equal(kind, ReplyKind.failed);
    }
    for (const { log, mesh, multicast, nodeId, replica } of nodes) {
      for (const [key, times] of replica.writes) assert.equal(times, 1, `${nodeId} served ${key} again`);
      for (const { id, state, inFlight, queuedBytes } of mesh.peers())
        assert.deepEqual([state, inFlight, queuedBytes], ['up', 0, 0], `${nodeId} to ${id}`);
      assert.deepEqual(log.matching(/it sent|error/), []);
      assert.equal(multicast?.figures.sent.keptBytes ?? 0, 0, `${nodeId} keeps datagrams`);
    }
  }

  /** Sums up one figure of all nodes as they are now. */
  sum(figure: (multicast: NonNullable<RpcNode['multicast']>['figures']) => number): number {
    return this.cluster.nodes.reduce(
      (sum, { multicast }) => sum + (multicast ? figure(multicast.figures) : 0),
      0,
    );
  }

  #write(): void {
    const from = this.#upTo(NODE_IDS.length);
    const key = `key${this.#writes++}`;
    const record = Buffer.alloc(this.#size(), this.#upTo(256));
    const others = NODE_IDS.map((_, node) => node).filter((node) => node !== from && this.#random() < 0.8);
    const targets = others.map((node) => [node, this.written.push({ node, key, record }) - 1] as const);
    const timeoutMs = this.#random() < 0.2 ? 100 : 1_000;
    writeTo(this.cluster.nodes[from].routes, targets, Buffer.from(key), record, timeoutMs, this.book);
  }

  #size(): number {
    const draw = this.#random();
    if (draw < 0.9) return this.#upTo(600);
    return this.#upTo(draw < 0.99 ? 3_000 : 200_000);
  }

  #changeFaults(): void {
    const { datagrams } = this.cluster;
    if (datagrams === null) return;
    const share = (most: number): number => (this.#random() < 0.5 ? 0 : this.#random() * most);
    const faults: DatagramFaults = {
      loss: share(0.6),
      duplication: share(0.5),
      corruption: share(0.2),
      replay: share(0.3),
      delayMs: 1 + share(60),
    };
    datagrams.faults = this.#random() < 0.3 ? NO_FAULTS : faults;
  }

  /** Somebody sends what he has made up, or has heard. */
  #actAsStranger(): void {
    const { datagrams } = this.cluster;
    if (datagrams === null) return;
    const nodeId = NODE_IDS[this.#upTo(NODE_IDS.length)];
    const group = groupOf('cluster-1', nodeId, RPC_PORT);
    const heard = Buffer.from(datagrams.last);
    const madeUp = Buffer.from(Array.from({ length: this.#upTo(200) }, () => this.#upTo(256)));
    if (this.#random() < 0.3) datagrams.inject(group, madeUp);
    else {
      if (heard.length > 0 && this.#random() < 0.5) heard[this.#upTo(heard.length)] ^= 1 + this.#upTo(255);
      datagrams.inject(group, heard);
    }
  }

  async #breakNode(): Promise<void> {
    const { network, datagrams, nodes } = this.cluster;
    const index = this.#upTo(nodes.length);
    const { nodeId, replica } = nodes[index];
    const draw = this.#random();
    if (draw < 0.2) network.cut((from, to) => from === nodeId || to === nodeId);
    else if (draw < 0.4) {
      network.freeze(nodeId);
      datagrams?.freeze(nodeId);
    } else if (draw < 0.75) for (const node of nodes) this.#thaw(node.nodeId);
    else if (draw < 0.8) replica.holds = !replica.holds;
    else if (draw < 0.9) for (const node of nodes) node.replica.release();
    else if (!network.isFrozen(nodeId)) {
      this.restarts++;
      await this.cluster.restart(index);
    }
  }

  #thaw(nodeId: string): void {
    this.cluster.network.thaw(nodeId);
    this.cluster.datagrams?.thaw(nodeId);
  }

  #upTo(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}
