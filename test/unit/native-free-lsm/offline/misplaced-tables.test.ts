/** Table files under the wrong names: what a table is, its own content proves, and a repair puts it back in order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadOfflineTools, repair } from '../../../../native-free-lsm/index.ts';
import type { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { readRecord, record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const OPTIONS = { ...TINY_OPTIONS, l0CompactionTables: 10 };
const KEYS = 40;
const ROUNDS = 5;

/** Level 0 with a table a round, all of the same keys, above a last level with more of them. */
async function layered() {
  const simulation = new EngineSimulation(OPTIONS);
  const store = simulation.openStore();
  const expected = new Map<string, Uint8Array>();
  for (let round = 1; round <= ROUNDS + 2; round++) {
    for (let i = round % 3; i < KEYS; i++) {
      const written = record(round * 1000 + i, `${round}`.repeat(20));
      const { error } = await simulation.settle(writeRecordTo(store, Buffer.from(`key${i}`), written));
      assert.equal(error, null);
      expected.set(`key${i}`, written);
    }
    await simulation.settle(store.flush());
    if (round === 2) await simulation.settle(store.compact());
  }
  assert.deepEqual(store.stats().tablesByLevel, [ROUNDS, 0, 0, 0, 0, 0, 1]);
  await simulation.settle(store.close());
  return { simulation, expected };
}

function tables(fs: MemoryFileSystem): string[] {
  return fs
    .listSync('/db')
    .filter((name) => name.endsWith('.sst'))
    .sort()
    .map((name) => `/db/${name}`);
}

/** Each file gets the bytes of the one behind it in the list, the last those of the first. */
function rotate(fs: MemoryFileSystem, paths: readonly string[]): void {
  const bytes = paths.map((path) => fs.contents(path));
  for (const [i, path] of paths.entries()) fs.place(path, bytes[(i + 1) % paths.length]);
}

async function damages(fs: MemoryFileSystem): Promise<readonly string[]> {
  const { verifyFolder } = await loadOfflineTools();
  const steps = verifyFolder(fs, '/db');
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value.damages.map(({ message }) => message);
  }
}

for (const [name, picks] of [
  ['two of level 0 swapped', [1, 2]],
  ['the oldest and the newest of level 0 swapped', [1, ROUNDS]],
  ['three of level 0 in a ring', [2, 3, 4]],
  ['one of level 0 and one of the last level swapped', [0, 3]],
] as const) {
  test(`${name}: all is in order after a repair, and nothing is lost`, async () => {
    const { simulation, expected } = await layered();
    const { fs } = simulation;
    rotate(
      fs,
      picks.map((at) => tables(fs)[at]),
    );
    assert.throws(() => simulation.openStore(), { code: 'CORRUPTION' });
    assert.ok((await damages(fs)).length > 0);
    const dry = await repair('/db', { fs, engine: OPTIONS });
    assert.deepEqual(dry.drops, []);
    assert.equal(dry.mayLackRecords, false);
    await repair('/db', { fs, engine: OPTIONS, apply: true });
    assert.deepEqual(await damages(fs), []);
    assert.equal((await repair('/db', { fs, engine: OPTIONS })).steps.length, 0);
    const store = simulation.openStore();
    for (const [key, written] of expected)
      assert.deepEqual(await simulation.settle(readRecord(store, Buffer.from(key))), written, key);
    await simulation.settle(store.close());
  });
}

test('a table that has the name of another one is not salvaged in its place', async () => {
  const { simulation, expected } = await layered();
  const { fs } = simulation;
  const [, older, newer] = tables(fs);
  fs.place(newer, fs.contents(older));
  const plan = await repair('/db', { fs, engine: OPTIONS, apply: true });
  assert.ok(plan.mayLackRecords);
  assert.deepEqual(await damages(fs), []);
  const store = simulation.openStore();
  // What the lost one held is older than what lies above it.
  for (const [key, written] of expected)
    assert.deepEqual(await simulation.settle(readRecord(store, Buffer.from(key))), written, key);
  await simulation.settle(store.close());
});

test('a misplaced table that is damaged as well is salvaged in its own place', async () => {
  const { simulation, expected } = await layered();
  const { fs } = simulation;
  rotate(fs, tables(fs).slice(1, 3));
  const bytes = fs.contents(tables(fs)[1]).slice();
  bytes[20] ^= 1;
  fs.place(tables(fs)[1], bytes);
  const plan = await repair('/db', { fs, engine: OPTIONS, apply: true });
  assert.ok(plan.drops.length > 0);
  assert.deepEqual(await damages(fs), []);
  const store = simulation.openStore();
  for (const [key, written] of expected)
    assert.deepEqual(await simulation.settle(readRecord(store, Buffer.from(key))), written, key);
  await simulation.settle(store.close());
});
