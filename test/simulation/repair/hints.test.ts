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
  const simulation = new NodeSimulation(disks, 1, undefined, settings);
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
});
