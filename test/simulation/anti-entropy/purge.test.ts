/** What was deleted and settled is purged by the engines of whole nodes, and stays away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SLOT_COUNT } from '../../../native-free-lsm/index.ts';
import { MemoryFileSystem } from '../../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../../src/clock.ts';
import { Outcome } from '../../../src/outcome.ts';
import { NodeSimulation } from '../../support/node-simulation.ts';

const KEYS = 40;
const VALUE_BYTES = 8_000;
/** Of the values and their deletions nothing is left: what is, are the nodes' own records. */
const MAX_LEFT_BYTES = (KEYS * VALUE_BYTES) / 2;
const ALL = [0, 1, 2];

/** What the tables of a node take. */
function tableBytes(simulation: NodeSimulation, node: number): number {
  const { bytesByLevel } = simulation.statusOf(node, 'engine') as { bytesByLevel: readonly number[] };
  return bytesByLevel.reduce((sum, bytes) => sum + bytes, 0);
}

/** It cannot be compressed to much less. */
function randomValue(): string {
  const random = seededRandom(7);
  return String.fromCharCode(...Array.from({ length: VALUE_BYTES }, () => 33 + random() * 94));
}

async function writeAll(simulation: NodeSimulation, value: string | null, ack: number): Promise<void> {
  for (let number = 0; number < KEYS; number++) {
    const written = simulation.write(number % 2, `key${number}`, value, ack, 3);
    assert.equal((await simulation.settle(written)).outcome, Outcome.ok);
  }
}

async function round(simulation: NodeSimulation): Promise<readonly string[]> {
  const { repairs } = simulation.nodes[0].services;
  repairs.repair(0, SLOT_COUNT - 1);
  type Repair = { repair: { isDone: boolean; obstacles: readonly string[] } };
  for (let passedMs = 0; passedMs < 60_000; passedMs += 100) {
    const { repair } = simulation.statusOf(0, 'antiEntropy') as unknown as Repair;
    if (repair.isDone) return repair.obstacles;
    await simulation.pass(100);
  }
  return assert.fail('the round does not end');
}

test('values that are deleted while a node is frozen are gone from all disks after a round, and stay away', {
  timeout: 240_000,
}, async () => {
  const disks = [new MemoryFileSystem(), new MemoryFileSystem(), new MemoryFileSystem()];
  const settings = { requestTimeoutMs: 1_000, hints: 'off' as const, readRepair: 'async' as const };
  const simulation = new NodeSimulation(disks, 5, undefined, settings);
  await simulation.start();
  await writeAll(simulation, randomValue(), 3);
  simulation.network.freeze('n2');
  await writeAll(simulation, null, 2);
  await simulation.pass(6_000);
  assert.notDeepEqual(await round(simulation), [], 'nothing is settled without the frozen node');
  await simulation.pass(5_000);
  for (const node of [0, 1]) assert.ok(tableBytes(simulation, node) > MAX_LEFT_BYTES);

  simulation.network.thaw('n2');
  await simulation.pass(6_000);
  assert.deepEqual(await round(simulation), []);
  await simulation.pass(5_000);
  for (const node of ALL) {
    const bytes = tableBytes(simulation, node);
    assert.ok(bytes < MAX_LEFT_BYTES, `n${node} has ${bytes} bytes in tables`);
  }
  for (let times = 0; times < 2; times++) {
    for (const node of ALL) assert.equal((await simulation.held(node)).size, 0, `n${node}`);
    simulation.kill(2);
    await simulation.restart(2);
    await simulation.pass(6_000);
    assert.deepEqual(await round(simulation), []);
  }
  await simulation.stop();
});

test('a deletion that others have purged survives a power cut, whatever the durability', {
  timeout: 240_000,
}, async () => {
  const disks = [new MemoryFileSystem(), new MemoryFileSystem(), new MemoryFileSystem()];
  const repair = { hints: 'off' as const, readRepair: 'async' as const };
  // What is settled last has filled no memtable, so nothing has synced it but the round.
  const memory = { durability: 'none' as const, memtableBytes: 1 << 20 };
  const settings = { requestTimeoutMs: 1_000, ...memory, ...repair };
  const simulation = new NodeSimulation(disks, 11, undefined, settings);
  await simulation.start();
  await writeAll(simulation, randomValue(), 3);
  // The values are on its disk then.
  await simulation.stopNode(2);
  await writeAll(simulation, null, 2);
  await simulation.restart(2);
  await simulation.pass(6_000);
  assert.deepEqual(await round(simulation), []);
  simulation.cutPower(2);
  await simulation.pass(5_000);
  for (const node of [0, 1]) {
    const bytes = tableBytes(simulation, node);
    assert.ok(bytes < MAX_LEFT_BYTES, `n${node} has purged its tables: ${bytes} bytes`);
  }

  await simulation.restart(2);
  await simulation.pass(3_000);
  assert.deepEqual([...(await simulation.held(2)).keys()], []);
  const { outcome } = await simulation.settle(simulation.get(2, 'key1', 2));
  assert.equal(outcome, Outcome.notFound);
  await simulation.stop();
});
