/** Whole nodes whose folders are emptied or put back, over the real engine, a network in memory and a clock by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryFileSystem } from '../../../native-free-lsm/simulation/index.ts';
import { Outcome } from '../../../src/outcome.ts';
import { NodeSimulation } from '../../support/node-simulation.ts';

const KEYS = 300;

interface BootstrapStatus {
  readonly state: string;
  readonly slotsWhole: number;
  readonly copiedBytes: number;
  readonly copiedEntries: number;
  readonly waitsFor: readonly string[];
}

function bootstrapOf(simulation: NodeSimulation, node: number): BootstrapStatus {
  return (simulation.nodes[node].services.status.status() as { bootstrap: BootstrapStatus }).bootstrap;
}

async function filledCluster(disks: readonly MemoryFileSystem[]): Promise<NodeSimulation> {
  const simulation = new NodeSimulation(disks, 1);
  await simulation.start();
  assert.equal(bootstrapOf(simulation, 0).state, 'idle', 'a new cluster has nothing to fill');
  for (let i = 0; i < KEYS; i++) {
    const { outcome } = await simulation.settle(
      simulation.put(i % 3, `key${i}`, Buffer.from(`value${i}`), 3),
    );
    assert.equal(outcome, Outcome.ok);
  }
  return simulation;
}

async function until(simulation: NodeSimulation, what: string, holds: () => boolean): Promise<void> {
  for (let passedMs = 0; passedMs < 60_000; passedMs += 50) {
    if (holds()) return;
    await simulation.pass(50);
  }
  assert.fail(`${what} within a minute: ${simulation.logged.slice(-20).join('\n')}`);
}

/** All that a node answers alone, by key: what it holds, and counts for. */
async function heldBy(simulation: NodeSimulation, node: number): Promise<Map<string, string>> {
  const held = new Map<string, string>();
  for (let i = 0; i < KEYS; i++) {
    const { value } = await simulation.settle(simulation.get(node, `key${i}`, 3));
    if (value !== null) held.set(`key${i}`, Buffer.from(value).toString());
  }
  return held;
}

test('an emptied folder is refilled from the other nodes, proved slot by slot, and counts again', async () => {
  const disks = [new MemoryFileSystem(), new MemoryFileSystem(), new MemoryFileSystem()];
  const before = await filledCluster(disks);
  await before.stop();
  const fresh = new MemoryFileSystem();
  const rate = { repairBytesPerSecond: 4_000 };
  const simulation = new NodeSimulation([fresh, disks[1], disks[2]], 2, before.clock.nowMs(), rate);
  await simulation.start();
  await until(simulation, 'copied', () => bootstrapOf(simulation, 0).state === 'proving');
  const tookMs = simulation.clock.monotonicMs();
  const { copiedBytes } = bootstrapOf(simulation, 0);
  assert.ok(tookMs > ((copiedBytes - 1_000) / 4_000) * 1_000, `${copiedBytes} bytes in ${tookMs} ms`);
  assert.equal(bootstrapOf(simulation, 0).copiedEntries, KEYS);
  assert.deepEqual(simulation.conditionsOf(0), ['INCOMPLETE']);
  await until(simulation, 'whole', () => bootstrapOf(simulation, 0).state === 'idle');
  assert.equal(bootstrapOf(simulation, 0).slotsWhole, 65_536);
  assert.deepEqual(simulation.conditionsOf(0), []);
  assert.equal((await heldBy(simulation, 1)).size, KEYS);
  await simulation.stop();
  // It stays whole, and is no other folder for its peers.
  const again = new NodeSimulation([fresh, disks[1], disks[2]], 3, simulation.clock.nowMs());
  await again.start();
  assert.equal(bootstrapOf(again, 0).state, 'idle');
  await again.stop();
});

test('a node that is killed while what it gets is put in force goes on after its start, and lacks nothing', async () => {
  const disks = [new MemoryFileSystem(), new MemoryFileSystem(), new MemoryFileSystem()];
  const before = await filledCluster(disks);
  // Old enough to go into tables. What nodes remember of the time is that of the last write.
  await before.pass(10_000);
  await before.settle(before.put(0, 'key0', Buffer.from('later'), 3));
  await before.stop();
  const fresh = new MemoryFileSystem();
  const simulation = new NodeSimulation([fresh, disks[1], disks[2]], 2, before.clock.nowMs());
  const images: MemoryFileSystem[][] = [];
  let isNamed = false;
  fresh.onCall = ({ operation, path }) => {
    // The table has its name, and the manifest does not name it yet.
    if (isNamed && images.length === 0) images.push([fresh.kill(), disks[1].kill(), disks[2].kill()]);
    isNamed ||= operation === 'rename' && /\/\d{6}\./.test(path);
    return undefined;
  };
  await simulation.start();
  await until(simulation, 'copied', () => bootstrapOf(simulation, 0).state === 'proving');
  assert.equal(bootstrapOf(simulation, 0).copiedEntries, KEYS);
  await simulation.stop();
  assert.equal(images.length, 1, 'a table was written');
  const again = new NodeSimulation(images[0], 3, simulation.clock.nowMs());
  await again.start();
  await until(again, 'whole', () => bootstrapOf(again, 0).state === 'idle');
  assert.equal((await again.settle(again.held(0))).size, KEYS);
  await again.stop();
});

test('two folders that are emptied at the same time are refilled from the third', async () => {
  const disks = [new MemoryFileSystem(), new MemoryFileSystem(), new MemoryFileSystem()];
  const before = await filledCluster(disks);
  await before.stop();
  const fresh = [new MemoryFileSystem(), new MemoryFileSystem()];
  const simulation = new NodeSimulation([...fresh, disks[2]], 2, before.clock.nowMs());
  await simulation.start();
  for (const node of [0, 1])
    await until(simulation, 'whole', () => bootstrapOf(simulation, node).state === 'idle');
  assert.equal((await heldBy(simulation, 0)).size, KEYS);
  await simulation.stop();
});

test('a folder that is put back to an older copy gets what it lacks, and brings back nothing that was deleted', async () => {
  const disks = [new MemoryFileSystem(), new MemoryFileSystem(), new MemoryFileSystem()];
  const first = await filledCluster(disks);
  await first.stop();
  const copy = disks[0].kill();
  const second = new NodeSimulation(disks, 2, first.clock.nowMs());
  await second.start();
  for (let i = 0; i < KEYS; i++) {
    const { outcome } = await second.settle(second.write(1, `key${i}`, i % 2 === 0 ? 'later' : null, 3, 3));
    assert.equal(outcome, Outcome.ok);
  }
  // So long that everything is settled, and deletions may go.
  await second.pass(3_000);
  await second.stop();
  const third = new NodeSimulation([copy, disks[1], disks[2]], 3, second.clock.nowMs());
  await third.start();
  await until(third, 'noticed', () => third.conditionsOf(0).includes('INCOMPLETE'));
  await until(third, 'whole', () => bootstrapOf(third, 0).state === 'idle');
  const held = await third.settle(third.held(0));
  assert.deepEqual([held.size, new Set(held.values())], [KEYS / 2, new Set(['later'])]);
  await third.stop();
});
