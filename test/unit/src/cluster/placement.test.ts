import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MAX_REPLICAS,
  PLACEMENT_POLICIES,
  Placement,
  type PlacementNode,
  type PlacementPolicy,
} from '../../../../src/cluster/placement.ts';
import { SLOT_COUNT } from '../../../../src/cluster/slots.ts';

function makeNodes(
  count: number,
  zoneOf: (i: number) => string = () => 'default',
  weightOf = (_: number) => 1,
) {
  return Array.from({ length: count }, (_, i) => ({
    id: `node-${i + 1}`,
    zone: zoneOf(i),
    weight: weightOf(i),
  }));
}

/** Ids of the slot's list. */
function listOf(nodes: readonly PlacementNode[], placement: Placement, slot: number): string[] {
  const offset = placement.listOffset(slot);
  return Array.from(placement.lists.subarray(offset, offset + placement.maxFrom), (node) => nodes[node].id);
}

/** How often each node is among the first `from` of a slot's list. */
function shares(nodes: readonly PlacementNode[], placement: Placement, from: number): number[] {
  const counts = nodes.map(() => 0);
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const offset = placement.listOffset(slot);
    for (let i = 0; i < from; i++) counts[placement.lists[offset + i]]++;
  }
  return counts;
}

function assertNear(actual: number, expected: number, tolerance: number): void {
  const off = Math.abs(actual - expected) / expected;
  assert.ok(off <= tolerance, `${actual} is ${(off * 100).toFixed(1)} % off ${expected}`);
}

/** What `spread` makes of the order by score, one replica at a time. */
function spreadOut(nodes: readonly PlacementNode[], anyOrder: readonly string[]): string[] {
  const zones = new Map(nodes.map((node) => [node.id, node.zone]));
  const used = new Map<string, number>();
  const left = [...anyOrder];
  const list: string[] = [];
  while (left.length > 0) {
    const uses = (id: string): number => used.get(zones.get(id)!) ?? 0;
    const fewest = Math.min(...left.map(uses));
    const next = left.find((id) => uses(id) === fewest)!;
    left.splice(left.indexOf(next), 1);
    used.set(zones.get(next)!, fewest + 1);
    list.push(next);
  }
  return list;
}

const policies = fc.constantFrom<PlacementPolicy>(...PLACEMENT_POLICIES);
const clusters = fc
  .uniqueArray(
    fc.record({
      id: fc.string({ unit: fc.constantFrom(...'abcdefgh0123.-_'), minLength: 1, maxLength: 8 }),
      zone: fc.constantFrom('east', 'west', 'north'),
      weight: fc.constantFrom(1, 1, 1, 2, 0.5),
    }),
    { selector: (node) => node.id, minLength: 1, maxLength: 7 },
  )
  .map((nodes) => nodes.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
/** Building a table takes milliseconds. */
const FEW = { numRuns: 12 };
const SAMPLED_SLOTS = Array.from({ length: 256 }, (_, i) => i * 251);

test('every list names every node once, the same each time, whatever the order of the nodes', () => {
  fc.assert(
    fc.property(clusters, policies, fc.integer(), (nodes, policy, rotation) => {
      const placement = new Placement(nodes, policy);
      const by = ((rotation % nodes.length) + nodes.length) % nodes.length;
      const turned = [...nodes.slice(by), ...nodes.slice(0, by)].reverse();
      const other = new Placement(turned, policy);
      assert.equal(placement.maxFrom, nodes.length);
      for (const slot of SAMPLED_SLOTS) {
        const list = listOf(nodes, placement, slot);
        assert.deepEqual(list.toSorted(), nodes.map((node) => node.id).toSorted());
        assert.deepEqual(listOf(turned, other, slot), list);
      }
    }),
    FEW,
  );
});

test('ten equal nodes differ by less than 5 %, as first replica and as one of three', () => {
  for (const count of [2, 3, 5, 10]) {
    const nodes = makeNodes(count);
    const placement = new Placement(nodes, 'any');
    for (const share of shares(nodes, placement, 1)) assertNear(share, SLOT_COUNT / count, 0.05);
    if (count < 4) continue;
    for (const share of shares(nodes, placement, 3)) assertNear(share, (3 * SLOT_COUNT) / count, 0.05);
  }
});

test('a node that leaves or joins moves its own share and nothing else', () => {
  fc.assert(
    fc.property(clusters, fc.nat(), (nodes, pick) => {
      fc.pre(nodes.length > 1);
      const leaver = nodes[pick % nodes.length].id;
      const others = nodes.filter((node) => node.id !== leaver);
      const before = new Placement(nodes, 'any');
      const after = new Placement(others, 'any');
      for (const slot of SAMPLED_SLOTS) {
        const rest = listOf(nodes, before, slot).filter((id) => id !== leaver);
        assert.deepEqual(listOf(others, after, slot), rest);
      }
    }),
    FEW,
  );
});

test('spread uses all zones before any a second time, by the best nodes', () => {
  fc.assert(
    fc.property(clusters, (nodes) => {
      const anyPlacement = new Placement(nodes, 'any');
      const spread = new Placement(nodes, 'spread');
      for (const slot of SAMPLED_SLOTS) {
        const expected = spreadOut(nodes, listOf(nodes, anyPlacement, slot));
        assert.deepEqual(listOf(nodes, spread, slot), expected);
      }
    }),
    FEW,
  );
});

test('near fills one zone before it goes on to the next, by the best nodes of each', () => {
  fc.assert(
    fc.property(clusters, (nodes) => {
      const zoneOf = new Map(nodes.map((node) => [node.id, node.zone]));
      const anyPlacement = new Placement(nodes, 'any');
      const near = new Placement(nodes, 'near');
      for (const slot of SAMPLED_SLOTS) {
        const list = listOf(nodes, near, slot);
        const zones = list.map((id) => zoneOf.get(id)!);
        const changes = zones.filter((zone, i) => i > 0 && zone !== zones[i - 1]).length;
        assert.equal(changes, new Set(zones).size - 1, `${zones}`);
        const byScore = listOf(nodes, anyPlacement, slot);
        for (const zone of new Set(zones)) {
          const inZone = (ids: string[]): string[] => ids.filter((id) => zoneOf.get(id) === zone);
          assert.deepEqual(inZone(list), inZone(byScore));
        }
      }
    }),
    FEW,
  );
});

test('near gives every zone, and every node in it, its share of the slots', () => {
  const nodes = makeNodes(8, (i) => (i < 5 ? 'large' : 'small'));
  const placement = new Placement(nodes, 'near');
  for (const share of shares(nodes, placement, 1)) assertNear(share, SLOT_COUNT / 8, 0.06);
});

test('weights are shares of first replicas', () => {
  const nodes = makeNodes(4, undefined, (i) => i + 1);
  for (const policy of PLACEMENT_POLICIES) {
    const counts = shares(nodes, new Placement(nodes, policy), 1);
    counts.forEach((count, i) => void assertNear(count, (SLOT_COUNT * (i + 1)) / 10, 0.05));
  }
});

test('a list names the best 32 of many nodes', () => {
  const nodes = makeNodes(100);
  const placement = new Placement(nodes, 'any');
  assert.equal(placement.maxFrom, MAX_REPLICAS);
  assert.equal(placement.lists.length, SLOT_COUNT * MAX_REPLICAS);
  const dropped = 'node-7';
  const others = nodes.filter((node) => node.id !== dropped);
  const without = new Placement(others, 'any');
  for (const slot of SAMPLED_SLOTS) {
    const list = listOf(nodes, placement, slot);
    assert.equal(new Set(list).size, MAX_REPLICAS);
    const rest = list.filter((id) => id !== dropped);
    assert.deepEqual(listOf(others, without, slot).slice(0, rest.length), rest);
  }
});

test('lists are what they always were: data lies where they say', () => {
  const nodes = makeNodes(5, (i) => (i < 3 ? 'east' : 'west'));
  const lists = PLACEMENT_POLICIES.map((policy) => {
    const placement = new Placement(nodes, policy);
    return [0, 1, 40_000].map((slot) =>
      listOf(nodes, placement, slot)
        .map((id) => id.slice(5))
        .join(''),
    );
  });
  assert.deepEqual(lists, [
    ['25143', '54312', '31254'],
    ['25143', '53412', '35142'],
    ['21354', '54312', '54312'],
  ]);
});
