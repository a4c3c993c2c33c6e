/**
 * Hinted handoff and read repair of whole nodes on one thread: with the real engine, RPC and coordinator, over disks and
 * a network in memory.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryFileSystem } from '../../../native-free-lsm/simulation/index.ts';
import type { NodeSettings } from '../../../src/config.ts';
import { Outcome } from '../../../src/outcome.ts';
import { NodeSimulation } from '../../support/node-simulation.ts';

async function started(nodes: number, settings: Partial<NodeSettings> = {}): Promise<NodeSimulation> {
  const disks = Array.from({ length: nodes }, () => new MemoryFileSystem());
  // What is brought to a node here is brought by what is tested.
  const own = { antiEntropyIntervalMs: 0, ...settings };
  const simulation = new NodeSimulation(disks, 1, undefined, own);
  await simulation.start();
  await simulation.pass(1_000);
  return simulation;
}

async function writeAll(
  simulation: NodeSimulation,
  keys: readonly string[],
  value: string | null,
  { at = 0, ack = 2, from = 3 } = {},
): Promise<void> {
  const answers = await simulation.settle(
    Promise.all(keys.map((key) => simulation.write(at, key, value, ack, from))),
  );
  for (const { outcome, reason } of answers) assert.equal(outcome, Outcome.ok, reason);
}

function keysOf(count: number, name = 'key'): string[] {
  return Array.from({ length: count }, (_, i) => `${name} ${i}`);
}

/** Lets time go by until it is so; fails when that takes too long. */
async function until(
  simulation: NodeSimulation,
  maxMs: number,
  isSo: () => Promise<boolean>,
): Promise<number> {
  for (let passedMs = 0; passedMs <= maxMs; passedMs += 100) {
    if (await isSo()) return passedMs;
    await simulation.pass(100);
  }
  assert.fail(`not so after ${maxMs} ms: ${JSON.stringify(simulation.statusOf(0, 'hints'))}`);
}

async function areEqual(simulation: NodeSimulation, indexes: readonly number[]): Promise<boolean> {
  const [first, ...others] = await Promise.all(indexes.map((index) => simulation.held(index)));
  return others.every(
    (other) => other.size === first.size && [...first].every(([key, value]) => other.get(key) === value),
  );
}

describe('hinted handoff', () => {
  it('brings a node that was stopped all that it missed, deletions too', async () => {
    const simulation = await started(3);
    const keys = keysOf(60);
    await writeAll(simulation, keys, 'before');
    await simulation.stopNode(2);
    await simulation.pass(100);
    await writeAll(simulation, keys.slice(20), 'after');
    await writeAll(simulation, keys.slice(0, 20), null);
    await simulation.pass(200);
    assert.equal(simulation.statusOf(0, 'hints').keys, 60);
    await simulation.restart(2);
    await until(simulation, 5_000, () => areEqual(simulation, [0, 1, 2]));
    const held = await simulation.held(2);
    assert.equal(held.size, 40);
    assert.equal(held.get('key 59'), 'after');
    await until(simulation, 1_000, async () => simulation.statusOf(0, 'hints').keys === 0);
    assert.equal(simulation.statusOf(0, 'hints').delivered, 60);
    await simulation.stop();
  });

  it('outlives a kill of the node that remembers, and its stop', async () => {
    const simulation = await started(3);
    simulation.kill(2);
    await simulation.pass(100);
    await writeAll(simulation, keysOf(30), 'killed');
    await simulation.pass(300);
    simulation.kill(0);
    await simulation.restart(0);
    await simulation.pass(1_000);
    assert.equal(simulation.statusOf(0, 'hints').keys, 30);
    await writeAll(simulation, keysOf(30, 'other'), 'stopped');
    await simulation.stopNode(0);
    await simulation.restart(0);
    assert.equal(simulation.statusOf(0, 'hints').keys, 60);
    await simulation.restart(2);
    await until(simulation, 5_000, () => areEqual(simulation, [0, 1, 2]));
    assert.equal((await simulation.held(2)).size, 60);
    await simulation.stop();
  });

  it('brings a frozen node what it did not answer in time', async () => {
    const simulation = await started(3);
    simulation.network.freeze('n2');
    await writeAll(simulation, keysOf(20), 'while frozen');
    await simulation.pass(6_000);
    assert.equal(simulation.statusOf(0, 'hints').keys, 20);
    simulation.network.thaw('n2');
    await until(simulation, 6_000, () => areEqual(simulation, [0, 1, 2]));
    assert.equal((await simulation.held(2)).size, 20);
    await simulation.stop();
  });

  it('is asked for by a coordinator that is no owner, and gives no node a copy that is not for it', async () => {
    const simulation = await started(5, { readRepair: 'async' });
    await simulation.stopNode(4);
    await simulation.pass(100);
    const keys = keysOf(80);
    await writeAll(simulation, keys, 'x', { at: 0, ack: 1, from: 2 });
    await simulation.pass(500);
    const passedOn = simulation.statusOf(0, 'hints').passedOn as number;
    assert.ok(passedOn > 0, 'some keys belong to node 4 and one that is not the coordinator');
    assert.equal(simulation.statusOf(0, 'hints').passedOnInVain, 0);
    await simulation.restart(4);
    const copies = async (): Promise<number> => {
      let sum = 0;
      for (let index = 0; index < 5; index++) sum += (await simulation.held(index)).size;
      return sum;
    };
    await until(simulation, 5_000, async () => (await copies()) === 2 * keys.length);
    await simulation.pass(2_000);
    assert.equal(await copies(), 2 * keys.length);
    assert.ok((await simulation.held(4)).size > 0);
    await simulation.stop();
  });

  it('follows the newest version, also where that has fewer owners', async () => {
    const simulation = await started(3);
    const keys = keysOf(30);
    await writeAll(simulation, keys.slice(0, 15), 'three');
    await simulation.stopNode(2);
    await simulation.pass(100);
    await writeAll(simulation, keys, 'missed');
    // These belong to one node alone from now on; the others hold an older version of them, or none.
    const answers = await simulation.settle(
      Promise.all(keys.map((key) => simulation.write(0, key, 'one', 1, 1))),
    );
    await simulation.pass(300);
    await simulation.restart(2);
    const isDone = async (): Promise<boolean> => simulation.statusOf(0, 'hints').keys === 0;
    await until(simulation, 5_000, isDone);
    const held = await simulation.held(2);
    for (const [i, key] of keys.entries()) {
      const isWritten = answers[i].outcome === Outcome.ok;
      // Of a key that it never had, it gets nothing that is for another node alone.
      const mayLack = i >= 15 && isWritten;
      const value = held.get(key);
      if (value === undefined) assert.ok(mayLack, `${key} is missing`);
      else assert.ok(value !== 'three', `${key} is ${value}`);
    }
    await simulation.stop();
  });

  it('goes on where it was when the node fails again on the way', async () => {
    const simulation = await started(3);
    await simulation.stopNode(2);
    await simulation.pass(100);
    for (let i = 0; i < 6; i++) {
      await writeAll(simulation, keysOf(100, `part ${i}`), 'x');
      await simulation.pass(200);
    }
    await simulation.restart(2);
    await until(simulation, 3_000, async () => (simulation.statusOf(0, 'hints').delivered as number) > 0);
    simulation.kill(2);
    await simulation.pass(3_000);
    await simulation.restart(2);
    await until(simulation, 8_000, () => areEqual(simulation, [0, 1, 2]));
    assert.equal((await simulation.held(2)).size, 600);
    const { delivered, current } = simulation.statusOf(0, 'hints') as { delivered: number; current: number };
    assert.ok(delivered + current < 1_200, `${delivered + current} deliveries of 600`);
    await simulation.stop();
  });

  it('loses nothing when the node that delivers is killed again and again', async () => {
    const simulation = await started(3);
    await simulation.stopNode(2);
    await simulation.pass(100);
    for (let i = 0; i < 4; i++) {
      await writeAll(simulation, keysOf(80, `part ${i}`), i === 3 ? null : 'x');
      await simulation.pass(200);
    }
    await simulation.restart(2);
    // Each time a little later in the delivery.
    for (let ms = 0; ms < 60; ms += 10) {
      await simulation.pass(500 + ms);
      simulation.kill(0);
      await simulation.restart(0);
    }
    await until(simulation, 8_000, async () => simulation.statusOf(0, 'hints').keys === 0);
    assert.ok(await areEqual(simulation, [0, 1, 2]));
    assert.equal((await simulation.held(2)).size, 240);
    await simulation.stop();
  });

  it('brings a node what it missed although its folder was emptied meanwhile', async () => {
    const simulation = await started(3);
    await writeAll(simulation, keysOf(40, 'before'), 'x');
    simulation.kill(2);
    await simulation.pass(100);
    await writeAll(simulation, keysOf(40), 'missed');
    await writeAll(simulation, keysOf(10, 'before'), null);
    await simulation.pass(300);
    simulation.disks[2] = new MemoryFileSystem();
    await simulation.restart(2);
    await until(simulation, 8_000, async () => simulation.statusOf(0, 'hints').keys === 0);
    const held = await simulation.held(2);
    for (const key of keysOf(40)) assert.equal(held.get(key), 'missed');
    for (const key of keysOf(10, 'before')) assert.equal(held.has(key), false);
    await until(simulation, 20_000, () => areEqual(simulation, [0, 1, 2]));
    await simulation.stop();
  });

  it('is bounded in bytes and age, and never a reason to refuse a write', async () => {
    const simulation = await started(3, { maxHintBytes: 64 * 1024, maxHintAgeMs: 4_000 });
    await simulation.stopNode(2);
    await simulation.pass(100);
    const longer = 'k'.repeat(1_000);
    await writeAll(simulation, keysOf(100, longer), 'x');
    await simulation.pass(500);
    const full = simulation.statusOf(0, 'hints') as Record<string, number>;
    assert.ok(
      full.bytes <= 64 * 1024 + 1_100 && full.keys >= 50,
      `${full.keys} keys take ${full.bytes} bytes`,
    );
    assert.equal(full.overflowed, 100 - full.keys);
    assert.ok(simulation.logged.some((line) => line.includes('no room for more')));
    await simulation.pass(5_000);
    const old = simulation.statusOf(0, 'hints') as Record<string, number>;
    assert.deepEqual([old.keys, old.bytes, old.expired], [0, 0, full.keys]);
    await simulation.stop();
  });

  it('is nothing where it is off', async () => {
    const simulation = await started(3, { hints: 'off' });
    await simulation.stopNode(2);
    await simulation.pass(100);
    await writeAll(simulation, keysOf(10), 'x');
    await simulation.pass(500);
    const { isOn, keys, remembered } = simulation.statusOf(0, 'hints');
    assert.deepEqual({ isOn, keys, remembered }, { isOn: false, keys: 0, remembered: 0 });
    await simulation.stop();
  });
});

describe('read repair', () => {
  it('brings replicas what they lack once a GET has found it, deletions too', async () => {
    const simulation = await started(3, { hints: 'off', readRepair: 'async', replication: 'parallel' });
    const keys = keysOf(10);
    await writeAll(simulation, keys, 'before');
    await simulation.stopNode(2);
    await simulation.pass(100);
    await writeAll(simulation, keys.slice(0, 5), 'after');
    await writeAll(simulation, keys.slice(5), null);
    await writeAll(simulation, keysOf(5, 'new'), 'new');
    await simulation.restart(2);
    await simulation.pass(1_000);
    assert.equal((await simulation.held(2)).size, 10, 'it is stale still');
    const all = [...keys, ...keysOf(5, 'new')];
    await simulation.settle(Promise.all(all.map((key) => simulation.get(1, key, 2))));
    await until(simulation, 2_000, () => areEqual(simulation, [0, 1, 2]));
    assert.equal((await simulation.held(2)).size, 10);
    assert.equal(simulation.statusOf(1, 'readRepair').repaired, 15);
    await simulation.stop();
  });
});
