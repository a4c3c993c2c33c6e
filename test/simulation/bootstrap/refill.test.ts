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

test('an emptied folder is copied from the other nodes', async () => {
  const disks = [new MemoryFileSystem(), new MemoryFileSystem(), new MemoryFileSystem()];
  const before = await filledCluster(disks);
  await before.stop();
  const simulation = new NodeSimulation(
    [new MemoryFileSystem(), disks[1], disks[2]],
    2,
    before.clock.nowMs(),
  );
  await simulation.start();
  await until(simulation, 'copied', () => bootstrapOf(simulation, 0).state === 'proving');
  assert.equal(bootstrapOf(simulation, 0).copiedEntries, KEYS);
});
