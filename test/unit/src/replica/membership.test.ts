import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  beginMembership,
  cameBackEmpty,
  type Greeting,
  hearGreeting,
  type MembershipState,
  rememberedOf,
} from '../../../../src/replica/membership.ts';

function fresh(nodeId: string, clusterSize: number, incarnation = `${nodeId}-1`): MembershipState {
  return beginMembership({
    nodeId,
    incarnation,
    clusterSize,
    whole: 'unproven',
    declared: false,
    remembered: {},
  });
}

/** What `from` says to `to`. */
function greeting(from: MembershipState, to: MembershipState): Greeting {
  return {
    nodeId: from.nodeId,
    incarnation: from.incarnation,
    declared: from.declared,
    remembered: rememberedOf(from, to.nodeId),
  };
}

/** A restart keeps what is in the identity and nothing else. */
function restarted({ agreeing: _, ...kept }: MembershipState): MembershipState {
  return beginMembership(kept);
}

class Cluster {
  readonly states: MembershipState[];
  readonly links: [number, number][] = [];

  constructor(size: number) {
    this.states = Array.from({ length: size }, (_, i) => fresh(`n${i}`, size));
    for (let a = 0; a < size; a++) for (let b = 0; b < a; b++) this.links.push([a, b]);
  }

  /** Both greetings are written before either is heard, as on a real connection. */
  meet(a: number, b: number): void {
    const toB = greeting(this.states[a], this.states[b]);
    const toA = greeting(this.states[b], this.states[a]);
    this.states[a] = hearGreeting(this.states[a], toA);
    this.states[b] = hearGreeting(this.states[b], toB);
  }

  meetAll(): void {
    for (const [a, b] of this.links) this.meet(a, b);
  }

  whole(): string[] {
    return this.states.map((state) => state.whole);
  }
}

test('a cluster of one is whole at once; a larger one is not', () => {
  assert.equal(fresh('a', 1).whole, 'whole');
  for (const size of [2, 3, 5]) assert.equal(fresh('a', size).whole, 'unproven');
});

test('a new node is whole at the greeting that completes the cluster, not before', () => {
  for (const [size, needed] of [
    [2, 1],
    [3, 2],
    [4, 3],
    [7, 6],
  ]) {
    let state = fresh('a', size);
    for (let heard = 1; heard <= needed; heard++) {
      assert.equal(state.whole, 'unproven');
      const hello: Greeting = { nodeId: `p${heard}`, incarnation: 'x', declared: false, remembered: null };
      state = hearGreeting(hearGreeting(state, hello), hello);
    }
    assert.equal(state.whole, 'whole');
  }
});

test('a peer that greets a hundred times is one peer', () => {
  let state = fresh('a', 5);
  for (let i = 0; i < 100; i++) {
    state = hearGreeting(state, { nodeId: 'p', incarnation: 'x', declared: false, remembered: null });
  }
  assert.equal(state.whole, 'unproven');
});

test('new clusters of any size are whole after any order of first handshakes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }).chain((size) => {
        const { links } = new Cluster(size);
        return fc.tuple(fc.constant(size), fc.shuffledSubarray(links, { minLength: links.length }));
      }),
      ([size, order]) => {
        const cluster = new Cluster(size);
        for (const [a, b] of order) cluster.meet(a, b);
        assert.ok(cluster.whole().every((whole) => whole === 'whole'));
        for (const state of cluster.states) assert.equal(Object.keys(state.remembered).length, size - 1);
      },
    ),
  );
});

test('restarts never make a whole node doubt itself', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 5 }),
      fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 4 }), fc.boolean()), { maxLength: 40 }),
      (size, steps) => {
        const cluster = new Cluster(size);
        cluster.meetAll();
        for (const [a, b, restart] of steps) {
          if (restart) cluster.states[a % size] = restarted(cluster.states[a % size]);
          else if (a % size !== b % size) cluster.meet(a % size, b % size);
        }
        assert.ok(cluster.whole().every((whole) => whole === 'whole'));
      },
    ),
  );
});

test('an emptied folder is found out by every peer, whoever greets first, and never forgotten by a restart', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 5 }),
      fc.nat({ max: 4 }),
      fc.array(fc.tuple(fc.nat({ max: 4 }), fc.boolean()), { minLength: 1, maxLength: 20 }),
      (size, victim, steps) => {
        const lost = victim % size;
        const cluster = new Cluster(size);
        cluster.meetAll();
        cluster.states[lost] = fresh(`n${lost}`, size, 'second');
        assert.equal(cluster.states[lost].whole, 'unproven');
        for (const [other, restart] of steps) {
          const peer = other % size;
          if (restart) cluster.states[peer] = restarted(cluster.states[peer]);
          else if (peer !== lost) {
            cluster.meet(peer, lost);
            assert.equal(cluster.states[lost].whole, 'incomplete');
          }
          assert.notEqual(cluster.states[lost].whole, 'whole');
        }
        cluster.meetAll();
        assert.deepEqual(
          cluster.whole(),
          cluster.states.map((_, i) => (i === lost ? 'incomplete' : 'whole')),
        );
        for (const [i, state] of cluster.states.entries()) {
          if (i !== lost) assert.equal(rememberedOf(state, `n${lost}`), `n${lost}-1`);
        }
      },
    ),
  );
});

test('once declared whole it stays so, and the peers take its new incarnation', () => {
  const cluster = new Cluster(3);
  cluster.meetAll();
  cluster.states[0] = fresh('n0', 3, 'second');
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['incomplete', 'whole', 'whole']);
  cluster.states[0] = restarted({ ...cluster.states[0], whole: 'whole', declared: true });
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['whole', 'whole', 'whole']);
  for (const peer of [1, 2]) assert.equal(rememberedOf(cluster.states[peer], 'n0'), 'second');
  // Emptied once more, it is found out once more.
  cluster.states[0] = fresh('n0', 3, 'third');
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['incomplete', 'whole', 'whole']);
});

test('a node that never ran is no witness for one that was emptied', () => {
  const cluster = new Cluster(3);
  cluster.meet(0, 1);
  cluster.states[0] = fresh('n0', 3, 'second');
  cluster.meet(0, 2);
  assert.equal(cluster.states[0].whole, 'unproven');
  cluster.meet(0, 1);
  assert.equal(cluster.states[0].whole, 'incomplete');
});

test('a majority of emptied folders is found out when one comes back that remembers', () => {
  const cluster = new Cluster(3);
  cluster.meetAll();
  cluster.states[0] = fresh('n0', 3, 'second');
  cluster.states[1] = fresh('n1', 3, 'second');
  cluster.meet(0, 1);
  assert.deepEqual(cluster.whole(), ['unproven', 'unproven', 'whole']);
  cluster.meet(1, 2);
  cluster.meet(0, 2);
  assert.deepEqual(cluster.whole(), ['incomplete', 'incomplete', 'whole']);
});

test('cameBackEmpty names a known peer with an unknown folder that nobody vouches for', () => {
  const state = hearGreeting(fresh('a', 3), {
    nodeId: 'b',
    incarnation: 'b-1',
    declared: false,
    remembered: null,
  });
  const again: Greeting = { nodeId: 'b', incarnation: 'b-2', declared: false, remembered: null };
  assert.equal(cameBackEmpty(state, again), true);
  assert.equal(cameBackEmpty(state, { ...again, incarnation: 'b-1' }), false);
  assert.equal(cameBackEmpty(state, { ...again, declared: true }), false);
  assert.equal(cameBackEmpty(state, { ...again, nodeId: 'c' }), false);
  // Names every object inherits are no node's.
  assert.equal(rememberedOf(state, 'constructor'), null);
});
