/** Hedged reads over replicas that die, freeze, become slow and come back, and what clients see of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Ail, AilingReplicas } from '../../support/ailing-replicas.ts';

const AILING = 1;
const BUDGET = 0.05;
/** What may be saved of the budget. */
const SAVED = 50;

/** Well for long enough to know what is usual. */
function well(): { cluster: AilingReplicas; usualP99Ms: number } {
  const cluster = new AilingReplicas(3, 'hedged', { budget: BUDGET });
  cluster.read(2_000);
  return { cluster, usualP99Ms: cluster.p99Ms(1_500) };
}

function breakerOf(cluster: AilingReplicas, node: number): string {
  return cluster.figures.replicas[node].breaker;
}

describe('two of three replicas answer', () => {
  type Change = (cluster: AilingReplicas) => void;
  const ails: readonly (readonly [what: string, node: number, begin: Change, end: Change])[] = [
    ['dead', AILING, (all) => all.ail(AILING, Ail.dead), (all) => all.ail(AILING, Ail.none)],
    ['frozen', AILING, (all) => all.ail(AILING, Ail.frozen), (all) => all.ail(AILING, Ail.none)],
    ['200 ms slow', AILING, (all) => all.delay(AILING, 200), (all) => all.delay(AILING, 0)],
    ['the coordinator itself, and 200 ms slow', 0, (all) => all.delay(0, 200), (all) => all.delay(0, 0)],
  ];
  for (const [what, node, begin, end] of ails) {
    test(`one is ${what}: reads are as fast as usual after a second, and ask two again when it is well`, () => {
      const { cluster, usualP99Ms } = well();
      begin(cluster);
      cluster.read(1_000);
      assert.notEqual(breakerOf(cluster, node), 'closed');
      cluster.read(3_000);
      assert.ok(cluster.p99Ms(3_000) <= 2 * usualP99Ms, `${cluster.p99Ms(3_000)} ms, usually ${usualP99Ms}`);
      assert.ok(cluster.askedPerRead(1_000) > 2.9, 'all are asked at once');
      end(cluster);
      cluster.read(4_500);
      assert.equal(breakerOf(cluster, node), 'closed');
      cluster.read(500);
      assert.ok(cluster.askedPerRead(500) < 2.1, `${cluster.askedPerRead(500)} replicas a read`);
      assert.equal(cluster.failures, 0);
    });
  }

  for (const periodMs of [100, 500, 1_000, 3_000]) {
    test(`one freezes and thaws every ${periodMs} ms: its breaker does not follow each time`, () => {
      const { cluster, usualP99Ms } = well();
      for (let i = 0; i < 9_000 / periodMs; i++) {
        cluster.ail(AILING, i % 2 === 0 ? Ail.frozen : Ail.none);
        cluster.read(periodMs);
      }
      assert.ok(cluster.p99Ms(8_000) <= 2 * usualP99Ms, `${cluster.p99Ms(8_000)} ms, usually ${usualP99Ms}`);
      assert.equal(cluster.failures, 0);
      const { opened } = cluster.figures.replicas[AILING];
      assert.ok(opened <= 10, `it opened ${opened} times`);
    });
  }
});

test('while all are well, few reads are hedged, and each replica gets its share', () => {
  const { cluster } = well();
  const reads = cluster.reads.length;
  const { replicas, sent, overBudget } = cluster.figures;
  assert.ok(sent > 0 && sent < BUDGET * reads, `${sent} hedges for ${reads} reads`);
  assert.equal(overBudget, 0);
  for (const { id, asked } of replicas.slice(1))
    assert.ok(asked > reads / 4, `${id} was asked ${asked} times`);
});

test('where everything becomes slow, reads ask for little more: it would be the slower for it', () => {
  const { cluster } = well();
  const before = cluster.figures.sent;
  for (let node = 0; node < 3; node++) cluster.delay(node, 40);
  cluster.read(3_000);
  const { sent, overBudget } = cluster.figures;
  assert.ok(sent - before <= SAVED + BUDGET * 3_000, `${sent - before} hedges for 3000 reads`);
  assert.ok(overBudget > 0, 'more reads were late');
  assert.equal(cluster.failures, 0);
  for (let node = 0; node < 3; node++) assert.equal(breakerOf(cluster, node), 'closed');
});

test("where everything becomes slower than half of a read's time, step by step, reads ask for little more", () => {
  const { cluster } = well();
  const before = cluster.figures.sent;
  let reads = 0;
  for (const delayMs of [20, 50, 120, 250, 400, 600, 600, 600]) {
    for (let node = 0; node < 3; node++) cluster.delay(node, delayMs);
    cluster.read(1_000);
    reads += 1_000;
  }
  const { sent } = cluster.figures;
  assert.ok(sent - before <= SAVED + BUDGET * reads, `${sent - before} hedges for ${reads} reads`);
  assert.equal(cluster.failures, 0);
});

test('where everything stalls at once not all replicas are asked: that is an overload, and not a fault of one', () => {
  const { cluster } = well();
  for (let node = 0; node < 3; node++) cluster.delay(node, 300);
  cluster.read(300);
  const open = [0, 1, 2].filter((node) => breakerOf(cluster, node) !== 'closed');
  assert.deepEqual(open, [0, 1, 2]);
  cluster.read(500);
  assert.ok(cluster.askedPerRead(500) < 2.3, `${cluster.askedPerRead(500)} replicas a read`);
  cluster.read(3_000);
  for (let node = 0; node < 3; node++) assert.equal(breakerOf(cluster, node), 'closed');
  assert.ok(cluster.askedPerRead(1_000) < 2.3, `${cluster.askedPerRead(1_000)} replicas a read`);
  assert.equal(cluster.failures, 0);
});

test('a node far away is well, although others are nearer and it is in no other zone', () => {
  const cluster = new AilingReplicas(3, 'hedged', { budget: BUDGET });
  cluster.delay(AILING, 5);
  cluster.delay(2, 90);
  cluster.read(5_000);
  assert.equal(breakerOf(cluster, 2), 'closed');
  assert.equal(cluster.figures.replicas[2].opened, 0);
  assert.ok(cluster.askedPerRead(1_000) < 2.2, `${cluster.askedPerRead(1_000)} replicas a read`);
  cluster.ail(2, Ail.frozen);
  cluster.read(4_000);
  assert.notEqual(breakerOf(cluster, 2), 'closed');
  cluster.ail(2, Ail.none);
  cluster.read(4_500);
  assert.equal(breakerOf(cluster, 2), 'closed', 'its probes take as long as its answers do');
});

test('when an overload ends, the node that is not asked any more is not called slow for what it was like', () => {
  const { cluster } = well();
  for (const node of [1, 2]) cluster.delay(node, 80);
  cluster.read(1_000);
  for (const node of [1, 2]) cluster.delay(node, 0);
  cluster.read(10_000);
  assert.deepEqual(
    cluster.figures.replicas.map(({ opened }) => opened),
    [0, 0, 0],
  );
});

test('two are not to be relied upon: reads wait for one of them, and fail when both are dead', () => {
  const { cluster } = well();
  cluster.delay(1, 200);
  cluster.ail(2, Ail.dead);
  cluster.read(2_000);
  assert.equal(cluster.failures, 0);
  cluster.ail(1, Ail.dead);
  cluster.read(1_000);
  cluster.clock.advance(2_000);
  assert.ok(cluster.failures > 700);
});

test('a replica that was slower than the other, and is so no more, gets its share again', () => {
  const { cluster } = well();
  cluster.delay(AILING, 20);
  cluster.read(2_000);
  const asked = (): number => cluster.figures.replicas[AILING].asked;
  const whileSlow = asked();
  cluster.read(2_000);
  assert.ok(asked() - whileSlow < 400, `it was asked ${asked() - whileSlow} of 2000 times`);
  assert.equal(breakerOf(cluster, AILING), 'closed');
  cluster.delay(AILING, 0);
  cluster.read(5_000);
  const whenWell = asked();
  cluster.read(1_000);
  assert.ok(asked() - whenWell > 250, `it was asked ${asked() - whenWell} of 1000 times`);
});
