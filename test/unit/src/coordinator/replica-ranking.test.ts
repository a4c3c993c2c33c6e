import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClusterView } from '../../../../src/cluster/cluster-view.ts';
import { slotOf } from '../../../../src/cluster/slots.ts';
import { ReplicaHealth } from '../../../../src/coordinator/replica-health.ts';
import { ReplicaRanking } from '../../../../src/coordinator/replica-ranking.ts';
import { ResponseAccumulator } from '../../../../src/coordinator/response-accumulator.ts';
import { RequestKind } from '../../../../src/settlement.ts';

const DELAYS = { minMs: 1, maxMs: 100 };

interface Node {
  readonly zone: string;
  /** 0: never measured. */
  readonly latencyMs: number;
  readonly inFlight: number;
  readonly isBroken: boolean;
}

/** The first node asks. */
function setUp(nodes: readonly Node[]) {
  const view = new ClusterView(
    {
      cluster: 'test',
      placement: 'any',
      nodes: nodes.map(({ zone }, i) => ({
        id: `n${i}`,
        http: { host: 'h', port: 1 },
        rpc: { host: 'h', port: 1 },
        zone,
        weight: 1,
      })),
    },
    1,
  );
  const healths = nodes.map(({ latencyMs, inFlight, isBroken }, i) => {
    const health = new ReplicaHealth(`n${i}`, DELAYS);
    if (latencyMs > 0) health.succeed(latencyMs, latencyMs);
    health.inFlight = inFlight;
    if (isBroken) health.breaker.open(0);
    return health;
  });
  const ranking = new ReplicaRanking(view, 'n0', healths);
  const listOffset = view.placement.listOffset(slotOf(Buffer.from('key')));
  return { ranking, healths, listOffset, lists: view.placement.lists };
}

/** The nodes as they would be asked one after the other. */
function order(nodes: readonly Node[]): number[] {
  const { ranking, listOffset, lists } = setUp(nodes);
  const accumulator = new ResponseAccumulator(RequestKind.read, 1, nodes.length);
  const asked: number[] = [];
  for (;;) {
    const position = ranking.best(listOffset, nodes.length, accumulator);
    if (position === -1) return asked;
    accumulator.ask(position);
    asked.push(lists[listOffset + position]);
  }
}

const node = fc.record({
  zone: fc.constantFrom('here', 'there', 'far'),
  latencyMs: fc.constantFrom(0, 0.5, 3, 40),
  inFlight: fc.integer({ min: 0, max: 20 }),
  isBroken: fc.boolean(),
});

test('each node is asked once; those to be relied upon first, then those that answer, the nearer, the sooner expected', () => {
  fc.assert(
    fc.property(fc.array(node, { minLength: 1, maxLength: 32 }), (nodes) => {
      const asked = order(nodes);
      assert.deepEqual(
        asked.toSorted((a, b) => a - b),
        nodes.map((_, i) => i),
      );
      const keys = asked.map((i) => {
        const { zone, latencyMs, inFlight, isBroken } = nodes[i];
        const distance = i === 0 ? 0 : zone === nodes[0].zone ? 1 : 2;
        let trouble = 0;
        if (isBroken) trouble = latencyMs > 0 ? 1 : 2;
        return [trouble, distance, latencyMs * (inFlight + 1)];
      });
      const sorted = keys.toSorted((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
      assert.deepEqual(keys, sorted);
    }),
    { numRuns: 40 },
  );
});

test('all are asked when a replica of the key is not to be relied upon, unless more than half are not; others do not count', () => {
  const well = { zone: 'here', latencyMs: 1, inFlight: 0, isBroken: false };
  const { ranking, healths, listOffset, lists } = setUp([well, well, well, well]);
  const isAskedOf = (from: number): boolean => ranking.asksAll(listOffset, from);
  assert.deepEqual([3, 4].map(isAskedOf), [false, false]);
  healths[lists[listOffset + 3]].breaker.open(0);
  assert.deepEqual([3, 4].map(isAskedOf), [false, true]);
  healths[lists[listOffset + 2]].breaker.open(0);
  assert.deepEqual([2, 3, 4].map(isAskedOf), [false, true, true]);
  healths[lists[listOffset + 1]].breaker.open(0);
  assert.deepEqual([2, 3, 4].map(isAskedOf), [true, false, false]);
});

function slowAbove(nodes: readonly Node[]): number[] {
  const { ranking, healths } = setUp(nodes);
  ranking.judgeSlowness();
  return healths.map(({ slowAboveMs }) => slowAboveMs);
}

test('slow is eight times as long as the fastest other that is as far or farther, and 50 ms at least', () => {
  const at = (zone: string, latencyMs: number, isBroken = false): Node => ({
    zone,
    latencyMs,
    inFlight: 0,
    isBroken,
  });
  const none = Number.POSITIVE_INFINITY;
  assert.deepEqual(slowAbove([at('a', 1), at('a', 10), at('a', 200)]), [80, 1_600, 80]);
  assert.deepEqual(slowAbove([at('a', 1), at('a', 1), at('a', 2)]), [50, 50, 50]);
  assert.deepEqual(
    slowAbove([at('a', 1), at('a', 1), at('b', 100)]),
    [50, 800, none],
    'a zone far away is not slow for being far',
  );
  assert.deepEqual(slowAbove([at('a', 1), at('b', 90), at('c', 100)]), [720, 800, 720]);
  assert.deepEqual(slowAbove([at('a', 1), at('a', 10, true), at('a', 200)]), [1_600, 1_600, none]);
  assert.deepEqual(slowAbove([at('a', 1), at('a', 0), at('a', 20)]), [160, 160, none]);
  assert.deepEqual(slowAbove([at('a', 1)]), [none]);
});

test('another node is not slow for what is usual for it; this one is, as it has no way to go', () => {
  const far = { zone: 'default', latencyMs: 90, inFlight: 0, isBroken: false };
  const { ranking, healths } = setUp([far, { ...far, latencyMs: 5 }, far]);
  for (const health of healths) health.tick(0);
  ranking.judgeSlowness();
  assert.deepEqual(
    healths.map(({ slowAboveMs }) => slowAboveMs),
    [50, 720, 720],
  );
});

test('slowness agrees with its definition, worked out one by one', () => {
  fc.assert(
    fc.property(fc.array(node, { minLength: 1, maxLength: 12 }), (nodes) => {
      const distanceOf = (i: number): number => {
        if (i === 0) return 0;
        return nodes[i].zone === nodes[0].zone ? 1 : 2;
      };
      const expected = nodes.map((_, i) => {
        const others = nodes.filter(
          ({ latencyMs, isBroken }, j) =>
            j !== i && !isBroken && latencyMs > 0 && distanceOf(j) >= distanceOf(i),
        );
        return Math.max(50, 8 * Math.min(...others.map(({ latencyMs }) => latencyMs)));
      });
      assert.deepEqual(slowAbove(nodes), expected);
    }),
    { numRuns: 40 },
  );
});
