/** Scans that are read on the calling thread. Nothing turns the clock while they are, so no thread can have helped. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine, RangeOptions, RangeScan } from '../../../../native-free-lsm/index.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEYS = Array.from({ length: 400 }, (_, i) => Buffer.from(`key${String(i).padStart(3, '0')}`));

/** In the last level, above it in two tables and in memory, with deletions, a cleared range and an end of life in each. */
async function layered(options = {}): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, bottomBlockSizeBytes: 512, ...options });
  const engine = await simulation.openEngine();
  for (const key of KEYS) await simulation.settle(engine.put(key, Buffer.from(`oldest ${key}`)));
  await simulation.settle(engine.compact());
  for (const round of [1, 2, 3]) {
    for (let i = round; i < KEYS.length; i += 13)
      await simulation.settle(engine.put(KEYS[i], Buffer.from(`round ${round} ${KEYS[i]}`)));
    await simulation.settle(engine.delete(KEYS[30 + round]));
    await simulation.settle(engine.clear({ gte: KEYS[100 * round], lt: KEYS[100 * round + 20] }));
    await simulation.settle(engine.put(KEYS[60 + round], Buffer.from('soon over'), { ttlMs: 1 }));
    if (round < 3) await simulation.settle(engine.flush());
  }
  await simulation.pass(5);
  return { simulation, engine };
}

const shown = (entries: readonly { key: Uint8Array; value: Uint8Array }[]): string[] =>
  entries.map(({ key, value }) => `${Buffer.from(key)}=${Buffer.from(value)}`);

function allOf(scan: RangeScan, count: number): string[] {
  const all: string[] = [];
  for (;;) {
    const entries = scan.nextManySync(count);
    all.push(...shown(entries));
    if (entries.length < count) return all;
  }
}

const RANGES: readonly RangeOptions[] = [
  {},
  { reverse: true },
  { gte: KEYS[25], lt: KEYS[120] },
  { gt: KEYS[25], lte: KEYS[120], reverse: true },
  { gte: KEYS[95], limit: 7 },
  { lt: KEYS[125], limit: 7, reverse: true },
  { values: false, gte: KEYS[55] },
  { gte: Buffer.from('l') },
  { limit: 0 },
];

for (const blockCacheBytes of [0, 16 * 1024, 256 * 1024]) {
  test(`they give what others give, with a cache of ${blockCacheBytes} bytes`, async () => {
    const { simulation, engine } = await layered({ blockCacheBytes });
    for (const options of RANGES) {
      const wanted = shown(await simulation.settle(Array.fromAsync(engine.range(options))));
      assert.equal(wanted.length === 0, options.limit === 0 || String(options.gte) === 'l');
      for (const count of [1, 10, 1000]) assert.deepEqual(allOf(engine.range(options), count), wanted);
    }
    assert.equal(engine.stats().readsInFlight, 0);
    await simulation.settle(engine.close());
    assert.equal(simulation.fs.openDescriptors, 0);
    assert.throws(() => engine.range().nextManySync(1), { code: 'CLOSED' });
  });
}

test('what small scans need goes to the cache while there is room', async () => {
  const { simulation, engine } = await layered({ blockCacheBytes: 256 * 1024 });
  const reads = (): number => engine.stats().tableReadsByThread.main;
  const before = reads();
  const first = shown(engine.range({ gte: KEYS[200] }).nextManySync(3));
  const between = reads();
  // What is hidden from there on has a block, too, and so has what comes behind it.
  assert.ok(between > before);
  assert.deepEqual(shown(engine.range({ gte: KEYS[200] }).nextManySync(3)), first);
  assert.equal(reads(), between);
  assert.deepEqual(shown(await simulation.settle(engine.range({ gte: KEYS[200] }).nextMany(3))), first);
  await simulation.settle(engine.close());
});

test('they may take turns with calls that give promises, which must have been answered', async () => {
  const { simulation, engine } = await layered({ blockCacheBytes: 0 });
  const wanted = shown(await simulation.settle(Array.fromAsync(engine.range())));
  const scan = engine.range();
  const asked = scan.nextMany(10);
  assert.throws(() => scan.nextManySync(1), { code: 'INVALID_ARGUMENT' });
  const seen = shown(await simulation.settle(asked));
  seen.push(...shown(scan.nextManySync(10)));
  seen.push(...shown(await simulation.settle(scan.nextMany(100))));
  scan.seek(KEYS[200]);
  const rest = wanted.slice(wanted.findIndex((entry) => entry > String(KEYS[200])));
  assert.deepEqual(seen, wanted.slice(0, 120));
  assert.deepEqual(shown(scan.nextManySync(1000)), rest);
  assert.deepEqual(scan.nextManySync(1), []);
  await scan.return();
  for (const count of [0, 1.5, -1, Number.NaN])
    assert.throws(() => engine.range().nextManySync(count), { code: 'INVALID_ARGUMENT' });
  await simulation.settle(engine.close());
});

test('a page that a reader makes ahead is left to it', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, blockCacheBytes: 0 });
  const engine = await simulation.openEngine();
  const keys = Array.from({ length: 12_000 }, (_, i) => Buffer.from(`key${String(i).padStart(5, '0')}`));
  await simulation.settle(engine.write(keys.map((key) => ({ type: 'put', key, value: key }))));
  await simulation.settle(engine.compact());
  const scan = engine.range();
  const seen = shown(await simulation.settle(scan.nextMany(1500)));
  seen.push(...shown(scan.nextManySync(12_000)));
  assert.deepEqual(
    seen,
    keys.map((key) => `${key}=${key}`),
  );
  await simulation.settle(engine.close());
});

test('a snapshot is read as it was, and one that is released no more', async () => {
  const { simulation, engine } = await layered();
  using snapshot = engine.snapshot();
  const wanted = shown(engine.range().nextManySync(1000));
  await simulation.settle(engine.clear());
  await simulation.settle(engine.compact());
  assert.deepEqual(engine.range().nextManySync(1000), []);
  assert.deepEqual(shown(engine.range({ snapshot }).nextManySync(1000)), wanted);
  snapshot.release();
  assert.throws(() => engine.range({ snapshot }).nextManySync(1), { code: 'SNAPSHOT_EXPIRED' });
  const signal = AbortSignal.abort(new Error('enough'));
  assert.throws(() => engine.range({ signal }).nextManySync(1), /enough/);
  await simulation.settle(engine.close());
});

test('an entry that is larger than a page is one of its own', async () => {
  const { simulation, engine } = await layered({ blockCacheBytes: 0 });
  const value = Buffer.alloc(15_000, 'x');
  await simulation.settle(engine.put(KEYS[5], value));
  await simulation.settle(engine.compact());
  const found = engine.range({ gte: KEYS[4] }).nextManySync(3);
  assert.deepEqual(
    found.map((entry) => entry.value.length === value.length),
    [false, true, false],
  );
  assert.deepEqual(Buffer.from(found[1].value), value);
  await simulation.settle(engine.close());
});

test('a read that fails is the error of the call, and damage is told; the next call is well', async () => {
  const { simulation, engine } = await layered({ blockCacheBytes: 64 * 1024 });
  simulation.fs.onCall = ({ path }) => {
    if (path.endsWith('.sst')) throw fileSystemError('EIO', 'read', path);
  };
  const scan = engine.range({ gte: KEYS[200] });
  assert.throws(() => scan.nextManySync(1), { code: 'IO_ERROR' });
  simulation.fs.onCall = undefined;
  assert.equal(scan.nextManySync(1).length, 1);
  for (const name of simulation.fs.listSync('/db').filter((file) => file.endsWith('.sst'))) {
    const bytes = simulation.fs.contents(`/db/${name}`);
    bytes[20] ^= 1;
    simulation.fs.place(`/db/${name}`, bytes);
  }
  assert.throws(() => engine.range().nextManySync(1), { code: 'CORRUPTION' });
  assert.equal(engine.stats().conditions[0]?.code, 'DAMAGED_TABLE');
  assert.equal(engine.range({ gte: KEYS[399] }).nextManySync(1).length, 1);
  await simulation.settle(engine.close());
});
