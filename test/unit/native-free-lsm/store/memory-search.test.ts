/** Gets of keys whose places are known: what was written since must show, whichever way it came. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine } from '../../../../native-free-lsm/index.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEYS = Array.from({ length: 60 }, (_, i) => Buffer.from(`key${String(i).padStart(3, '0')}`));
const OPTIONS = { ...TINY_OPTIONS, blockCacheBytes: 256 * 1024 } as const;

/** KEYS in a table, each of which was read twice. */
async function known(): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  for (const key of KEYS) await simulation.settle(engine.put(key, Buffer.from(`old ${key}`)));
  await simulation.settle(engine.compact());
  for (let round = 0; round < 2; round++)
    for (const key of KEYS) assert.equal(read(engine, key), `old ${key}`);
  return { simulation, engine };
}

function read(engine: Engine, key: Buffer): string | undefined {
  const value = engine.getSync(key);
  return value === undefined ? undefined : String(value);
}

function checkAll(engine: Engine, expected: (i: number) => string | undefined): void {
  // Twice: what was found by a search is found in its place the next time.
  for (let round = 0; round < 3; round++)
    for (const [i, key] of KEYS.entries()) assert.equal(read(engine, key), expected(i), `${key}, ${round}`);
}

const old = (i: number) => `old ${KEYS[i]}`;

test('a put, a deletion, a deleted range show at once, in memtables and once they are in tables', async () => {
  const { simulation, engine } = await known();
  const settle = (done: Promise<void>) => simulation.settle(done);
  using before = engine.snapshot();
  await settle(engine.put(KEYS[3], Buffer.from('new')));
  await settle(engine.delete(KEYS[4]));
  await settle(engine.clear({ gte: KEYS[10], lt: KEYS[20] }));
  await settle(engine.put(KEYS[15], Buffer.from('again')));
  const expected = (i: number): string | undefined => {
    if (i === 3) return 'new';
    if (i === 15) return 'again';
    return i === 4 || (i >= 10 && i < 20) ? undefined : old(i);
  };
  checkAll(engine, expected);
  const inSnapshot = (): void => {
    for (const [i, key] of KEYS.entries()) assert.equal(String(engine.getSync(key, before)), old(i));
  };
  inSnapshot();
  checkAll(engine, expected);
  await settle(engine.flush());
  checkAll(engine, expected);
  inSnapshot();
  await settle(engine.put(KEYS[16], Buffer.from('late')));
  checkAll(engine, (i) => (i === 16 ? 'late' : expected(i)));
  await settle(engine.compact());
  checkAll(engine, (i) => (i === 16 ? 'late' : expected(i)));
  inSnapshot();
  await settle(engine.close());
});

test('a value whose end comes is gone from its place', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(KEYS[0], Buffer.from('short'), { ttlMs: 5000 }));
  await simulation.settle(engine.compact());
  for (let round = 0; round < 3; round++) assert.equal(read(engine, KEYS[0]), 'short');
  await simulation.pass(6000);
  assert.equal(read(engine, KEYS[0]), undefined);
  await simulation.settle(engine.close());
});

test('a key whose place is known counts as found in the cache, and is read from no disk', async () => {
  const { simulation, engine } = await known();
  const { cacheHits, cacheMisses, tableReadsByThread } = engine.stats();
  checkAll(engine, old);
  const stats = engine.stats();
  assert.equal(stats.cacheHits - cacheHits, 3 * KEYS.length);
  assert.equal(stats.cacheMisses, cacheMisses);
  assert.deepEqual(stats.tableReadsByThread, tableReadsByThread);
  await simulation.settle(engine.close());
});

test('the same by the other ways to get', async () => {
  const { simulation, engine } = await known();
  await simulation.settle(engine.put(KEYS[7], Buffer.from('new')));
  const values = await simulation.settle(engine.getMany(KEYS));
  assert.deepEqual(
    values.map(String),
    KEYS.map((_, i) => (i === 7 ? 'new' : old(i))),
  );
  for (const [i, key] of KEYS.entries())
    assert.equal(String(await simulation.settle(engine.get(key))), i === 7 ? 'new' : old(i));
  await simulation.settle(engine.close());
});

test('a read that needs a block of a newer table goes on to the table in which the key is known to be', async () => {
  // Without a filter every table may have the key.
  const simulation = new EngineSimulation({ ...OPTIONS, bloomBitsPerKey: 0, bottomBloomBitsPerKey: 0 });
  const engine = await simulation.openEngine();
  const settle = (done: Promise<void>) => simulation.settle(done);
  for (const key of KEYS) await settle(engine.put(key, Buffer.from(`old ${key}`)));
  await settle(engine.compact());
  checkAll(engine, old);
  await settle(engine.put(KEYS[0], Buffer.from('new')));
  await settle(engine.put(KEYS[59], Buffer.from('new')));
  await settle(engine.flush());
  assert.equal(read(engine, KEYS[30]), old(30));
  checkAll(engine, (i) => (i === 0 || i === 59 ? 'new' : old(i)));
  await settle(engine.close());
});
