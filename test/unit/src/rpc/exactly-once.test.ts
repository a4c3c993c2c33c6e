import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../../src/clock.ts';
import { type ReplicaReply, ReplyKind } from '../../../../src/reply.ts';
import { RpcCluster, type RpcNode } from '../../../support/rpc-cluster.ts';
import { ReplyBook, writeTo } from '../../../support/rpc-nodes.ts';

const STEPS = 200;

interface Asked {
  readonly node: number;
  readonly key: string;
  /** null: a read */
  readonly written: Buffer | null;
}

/** A cluster under random requests and faults, all drawn from one seed. */
class Storm {
  readonly cluster: RpcCluster;
  readonly book = new ReplyBook();
  readonly asked: Asked[] = [];
  readonly #random: () => number;
  readonly #asker: RpcNode;

  constructor(cluster: RpcCluster, seed: number) {
    this.cluster = cluster;
    this.#random = seededRandom(seed);
    this.#asker = cluster.nodes[0];
  }

  step(): void {
    const { network, clock, nodes } = this.cluster;
    const draw = this.#random();
    const host = nodes[this.#upTo(3)].nodeId;
    if (draw < 0.5) this.#write();
    else if (draw < 0.8) this.#read();
    else if (draw < 0.81) network.cut();
    else if (draw < 0.83) network.cut((from) => from === host);
    else if (draw < 0.85) network.freeze(host === 'a' ? 'b' : host);
    else if (draw < 0.9) this.#thawAll();
    else if (draw < 0.95) nodes[1].replica.holds = !nodes[1].replica.holds;
    else nodes[1].replica.release();
    if (this.#random() < 0.4) clock.advance(this.#upTo(this.#random() < 0.05 ? 4_000 : 30));
  }

  calm(): void {
    this.#thawAll();
    for (const node of this.cluster.nodes) {
      node.replica.holds = false;
      node.replica.release();
    }
    this.cluster.clock.advance(20_000);
  }

  check(): void {
    assert.equal(this.book.repeated, 0);
    assert.equal(this.book.replies.size, this.asked.length);
    for (const [position, asked] of this.asked.entries()) this.#checkReply(asked, this.book.of(position));
    for (const node of this.cluster.nodes) {
      for (const peer of node.mesh.peers()) {
        assert.deepEqual([peer.state, peer.inFlight, peer.queuedBytes], ['up', 0, 0]);
      }
      assert.equal(node.server.connections, 2);
      assert.deepEqual(node.log.matching(/it sent|error/), []);
    }
  }

  #checkReply(asked: Asked, reply: ReplicaReply): void {
    const stored = this.cluster.nodes[asked.node].replica.records.get(asked.key);
    if (asked.written === null) {
      if (reply.kind === ReplyKind.ok) assert.ok(reply.record !== null && stored?.equals(reply.record));
      return;
    }
    if (reply.kind === ReplyKind.ok) assert.ok(stored?.equals(asked.written), `${asked.key} is not stored`);
    else assert.equal(reply.kind, ReplyKind.failed);
  }

  #write(): void {
    const { routes } = this.#asker;
    const size = this.#random() < 0.1 ? this.#upTo(400_000) : this.#upTo(300);
    const record = Buffer.alloc(size, this.#upTo(256));
    const key = `key${this.asked.length}`;
    const targets = [1, 2].map((node) => [node, this.#ask({ node, key, written: record })] as const);
    writeTo(routes, targets, Buffer.from(key), record, 50 + this.#upTo(2_000), this.book);
  }

  #read(): void {
    const node = 1 + this.#upTo(2);
    const key = `key${this.#upTo(this.asked.length)}`;
    const position = this.#ask({ node, key, written: null });
    this.#asker.routes.read(node, Buffer.from(key), 50 + this.#upTo(2_000), this.book, position);
  }

  #ask(asked: Asked): number {
    return this.asked.push(asked) - 1;
  }

  #upTo(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  #thawAll(): void {
    for (const node of this.cluster.nodes) this.cluster.network.thaw(node.nodeId);
  }
}

describe('every request', () => {
  it('gets exactly one answer, whatever fails', async () => {
    const seen = new Set<string>();
    const limits = { maxInFlight: 15, maxQueuedBytes: 512 * 1024, maxUnderWay: 8 };
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const storm = new Storm(await RpcCluster.start(['a', 'b', 'c'], { seed, limits }), seed);
        for (let step = 0; step < STEPS; step++) storm.step();
        storm.calm();
        storm.check();
        for (const { kind, reason } of storm.book.replies.values()) seen.add(`${kind} ${reason}`);
      }),
      { numRuns: 25 },
    );
    // A storm in which little happens shows nothing.
    const kinds = [/^0/, /^1/, /in time/, /too many requests/, /queue .* full/, /cut/, /no sign of life/];
    for (const kind of kinds)
      assert.ok(
        [...seen].some((line) => kind.test(line)),
        `${kind} in ${[...seen]}`,
      );
  });
});
