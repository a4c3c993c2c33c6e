/** A byte of one node's disk is changed: the other owners heal it, nothing older ever wins, and no other slot suffers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotOf } from '../../../native-free-lsm/index.ts';
import { MemoryFileSystem } from '../../../native-free-lsm/simulation/index.ts';
import { Outcome } from '../../../src/outcome.ts';
import { type BlockOfTable, blocksOfTable, flipBit } from '../../support/damaged-tables.ts';
import { folderOf, NodeSimulation } from '../../support/node-simulation.ts';

const KEYS = 40;
const DAMAGED = 1;
const VALUE_BYTES = 3000;

interface DamageStatus {
  readonly tables: number;
  readonly lostRecords: number;
  readonly tablesHealed: number;
}

class DamagedCluster {
  readonly simulation = new NodeSimulation(
    [new MemoryFileSystem(), new MemoryFileSystem(), new MemoryFileSystem()],
    1,
    undefined,
    // So that what one node alone has stays there.
    { hints: 'off', readRepair: 'async', blockCacheBytes: 1024 },
  );
  readonly expected = new Map<string, string>();

  static async start(): Promise<DamagedCluster> {
    const cluster = new DamagedCluster();
    await cluster.simulation.start();
    for (let i = 0; i < KEYS; i++) await cluster.put(0, keyOf(i), 'first', 3);
    for (let i = 0; i < KEYS; i += 3) await cluster.put(2, keyOf(i), 'second', 3);
    return cluster;
  }

  async put(node: number, key: string, value: string, ack: number): Promise<void> {
    const text = `${value} ${key} `.padEnd(VALUE_BYTES, '.');
    const { outcome, reason } = await this.simulation.settle(
      this.simulation.put(node, key, Buffer.from(text), ack),
    );
    assert.equal(outcome, Outcome.ok, reason);
    this.expected.set(key, text);
  }

  async read(node: number, key: string, ack: number): Promise<string | null> {
    const { outcome, value } = await this.simulation.settle(this.simulation.get(node, key, ack));
    return outcome === Outcome.ok && value !== null ? Buffer.from(value).toString() : null;
  }

  /** All data blocks on the damaged node's disk. */
  get blocks(): BlockOfTable[] {
    const disk = this.simulation.disks[DAMAGED];
    const folder = `${folderOf(DAMAGED)}/engine`;
    const tables = disk.listSync(folder).filter((name) => name.endsWith('.sst'));
    return tables.sort().flatMap((name) => blocksOfTable(disk, `${folder}/${name}`));
  }

  /** The block with the newest version of a key on the damaged node's disk. */
  blockOf(key: string): BlockOfTable {
    const block = this.blocks.findLast(({ keys }) => keys.includes(key));
    assert.ok(block !== undefined, `${key} is in a table`);
    return block;
  }

  damage({ offset, path }: BlockOfTable): void {
    flipBit(this.simulation.disks[DAMAGED], path, offset + 5);
  }

  get status(): DamageStatus {
    return this.simulation.statusOf(DAMAGED, 'engine').damage as DamageStatus;
  }

  /** Has the owners of these keys' slots compared; returns what stood in the way. */
  async repair(keys: readonly string[]): Promise<readonly string[]> {
    const obstacles: string[] = [];
    for (const key of keys) obstacles.push(...(await this.#repairSlot(slotOf(Buffer.from(key)))));
    return obstacles;
  }

  async #repairSlot(slot: number): Promise<readonly string[]> {
    this.simulation.nodes[0].services.repairs.repair(slot, slot);
    const latest = () =>
      this.simulation.statusOf(0, 'antiEntropy').repair as { isDone: boolean; obstacles: readonly string[] };
    await this.until('repaired', () => latest().isDone);
    return latest().obstacles;
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    for (let passedMs = 0; passedMs < 120_000; passedMs += 100) {
      if (holds()) return;
      await this.simulation.pass(100);
    }
    assert.fail(`${what}: ${JSON.stringify(this.status)} ${this.simulation.logged.slice(-10).join('\n')}`);
  }

  /** Every key, from each node, needing all replicas. */
  async checkAll(): Promise<void> {
    for (const [key, value] of this.expected)
      for (let node = 0; node < 3; node++)
        assert.equal(await this.read(node, key, 3), value, `${key} at ${node}`);
  }
}

function keyOf(i: number): string {
  return `key${String(i).padStart(4, '0')}`;
}

test('a damaged block is healed by a round: every key is readable on all nodes in its newest version', async () => {
  const cluster = await DamagedCluster.start();
  const block = cluster.blockOf(keyOf(20));
  cluster.damage(block);
  const [key] = block.keys;
  assert.equal(
    await cluster.read(0, key, 3),
    null,
    'a replica that cannot read the key counts for no quorum',
  );
  assert.equal(await cluster.read(DAMAGED, key, 2), cluster.expected.get(key));
  await cluster.until('set aside', () => cluster.status.lostRecords > 0);
  assert.deepEqual(cluster.simulation.conditionsOf(DAMAGED), ['DAMAGED_TABLE']);
  assert.deepEqual(await cluster.repair(block.keys), []);
  await cluster.checkAll();
  await cluster.until('healed', () => cluster.status.tablesHealed === 1);
  assert.deepEqual(cluster.simulation.conditionsOf(DAMAGED), []);
  assert.equal((await cluster.simulation.held(DAMAGED)).size, KEYS, 'scans are whole again');
  await cluster.simulation.stop();
});

test('what only the damaged disk had stays lost until something newer is written: nothing older takes its place', async () => {
  const cluster = await DamagedCluster.start();
  const key = keyOf(10);
  const before = cluster.expected.get(key);
  for (const other of [0, 2]) cluster.simulation.kill(other);
  await cluster.put(DAMAGED, key, 'alone', 1);
  // Enough of others that it comes into a table.
  for (let i = 16; i < KEYS; i++) await cluster.put(DAMAGED, keyOf(i), 'too', 1);
  for (const other of [0, 2]) await cluster.simulation.restart(other);
  const block = cluster.blockOf(key);
  cluster.damage(block);
  assert.equal(await cluster.read(0, key, 3), null);
  await cluster.until('set aside', () => cluster.status.lostRecords > 0);
  const obstacles = await cluster.repair([key]);
  assert.match(obstacles.join(), /an owner has lost a record by damage that no other has/);
  assert.ok(cluster.status.lostRecords > 0);
  assert.equal(await cluster.read(0, key, 2), before, 'the others have what they had');
  assert.equal(await cluster.read(0, key, 3), null, 'and the damaged node does not say the same');
  assert.ok(cluster.simulation.conditionsOf(DAMAGED).includes('DAMAGED_TABLE'));
  for (const lost of block.keys) await cluster.put(0, lost, 'newer', 2);
  assert.deepEqual(await cluster.repair(block.keys), []);
  await cluster.checkAll();
  await cluster.until('healed', () => cluster.status.tablesHealed === 1);
  await cluster.simulation.stop();
});

test('a node starts though the disk has lost all of its own records in tables, and a round gives its promises anew', async () => {
  const cluster = await DamagedCluster.start();
  const settled = [keyOf(3), keyOf(4)];
  assert.deepEqual(await cluster.repair(settled), []);
  for (let i = 0; i < KEYS; i++) await cluster.put(0, keyOf(i), 'third', 3);
  await cluster.simulation.stopNode(DAMAGED);
  const own = cluster.blocks.filter(({ keys }) => keys.some((key) => key.startsWith('\xff')));
  assert.ok(own.length > 0);
  for (const block of own) cluster.damage(block);
  await cluster.simulation.restart(DAMAGED);
  const { promisesLost } = cluster.simulation.statusOf(DAMAGED, 'antiEntropy');
  assert.ok((promisesLost as number) > 0);
  // It refuses what an earlier promise might have been about, for two drifts.
  await cluster.put(DAMAGED, keyOf(3), 'fourth', 2);
  await cluster.simulation.pass(1_100);
  await cluster.put(DAMAGED, keyOf(3), 'fifth', 3);
  const lost = own.flatMap(({ keys }) => keys).filter((key) => !key.startsWith('\xff'));
  await cluster.until('settled', () => cluster.simulation.statusOf(0, 'antiEntropy').state !== 'running');
  assert.deepEqual(await cluster.repair([...settled, ...lost]), []);
  await cluster.checkAll();
  await cluster.until('healed', () => cluster.simulation.conditionsOf(DAMAGED).length === 0);
  await cluster.simulation.stop();
});
