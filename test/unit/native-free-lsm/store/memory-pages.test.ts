/** Scans of few entries that no thread is asked for: nothing here turns the clock, so no reader has a turn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine, RangeOptions } from '../../../../native-free-lsm/index.ts';
import { backgroundAfter, EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEYS = Array.from({ length: 100 }, (_, i) => Buffer.from(`key${String(i).padStart(3, '0')}`));
/** All of KEYS in some blocks, and room in the cache for them. */
const OPTIONS = { ...TINY_OPTIONS, blockCacheBytes: 256 * 1024, bottomBlockSizeBytes: 512 } as const;

async function filled(): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  for (const key of KEYS) await simulation.settle(engine.put(key, Buffer.from(`value of ${key}`)));
  return { simulation, engine };
}

const names = (entries: readonly { key: Uint8Array }[]) => entries.map(({ key }) => String(key));
const expected = (from: number, to: number) => KEYS.slice(from, to).map(String);

async function first(engine: Engine, count: number, options: RangeOptions): Promise<string[]> {
  await using scan = engine.range(options);
  return names(await scan.nextMany(count));
}

test('what is in memtables is scanned either way without a thread', async () => {
  const { simulation, engine } = await filled();
  assert.deepEqual(await first(engine, 10, { gte: KEYS[20] }), expected(20, 30));
  assert.deepEqual(await first(engine, 10, { lt: KEYS[20], reverse: true }), expected(10, 20).reverse());
  assert.deepEqual(await first(engine, 100, {}), expected(0, 100));
  assert.deepEqual(await first(engine, 5, { gte: KEYS[98] }), expected(98, 100));
  assert.equal(engine.stats().readsInFlight, 0);
  await simulation.settle(engine.close());
});

test('so are cached blocks, as far as they go; what is not cached comes from a reader', async () => {
  const { simulation, engine } = await filled();
  await simulation.settle(engine.compact());
  const cold = first(engine, 3, { gte: KEYS[20] });
  assert.equal(engine.stats().readsInFlight, 1);
  assert.deepEqual(await simulation.settle(cold), expected(20, 23));
  for (let i = 0; i < 60; i++) await simulation.settle(engine.get(KEYS[i]));
  const reads = engine.stats().tableReadsByThread['reader-1'];
  assert.deepEqual(await first(engine, 10, { gte: KEYS[20], limit: 10 }), expected(20, 30));
  const back = { lt: KEYS[50], reverse: true, limit: 10 };
  assert.deepEqual(await first(engine, 10, back), expected(40, 50).reverse());
  // Newer versions in memory count.
  await simulation.settle(engine.delete(KEYS[22]));
  assert.deepEqual(await first(engine, 3, { gte: KEYS[21], limit: 3 }), ['key021', 'key023', 'key024']);
  assert.equal(engine.stats().tableReadsByThread['reader-1'], reads);
  // The end of what is cached lies within the page, whichever way it is walked.
  for (const options of [{ gte: KEYS[50] }, { lt: KEYS[90], reverse: true }]) {
    const all = await simulation.settle(first(engine, 100, options));
    const range = 'reverse' in options ? KEYS.slice(0, 90).reverse() : KEYS.slice(50);
    assert.deepEqual(
      all,
      range.map(String).filter((key) => key !== 'key022'),
    );
  }
  await simulation.settle(engine.close());
});

test('a snapshot is read from memory too, and an entry larger than the page by a reader', async () => {
  const { simulation, engine } = await filled();
  using snapshot = engine.snapshot();
  await simulation.settle(engine.put(KEYS[5], Buffer.alloc(16_000)));
  await simulation.settle(engine.put(Buffer.from('key0051'), Buffer.alloc(1)));
  assert.deepEqual(await first(engine, 3, { gte: KEYS[5], snapshot }), expected(5, 8));
  const large = { ...{ includeTombstones: false, encoder: 0, nowMs: 0 }, start: KEYS[5], end: null };
  const page = engine.store.rangePage({ ...large, maxBytes: 1000, maxEntries: 1 });
  assert.equal(engine.stats().readsInFlight, 1);
  assert.ok((await simulation.settle(page)).usedBytes > 16_000);
  await simulation.settle(engine.close());
});

/** In the last level, and some of them deleted or written again in two tables above it. */
async function layered(): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const { simulation, engine } = await filled();
  await simulation.settle(engine.compact());
  for (const round of [1, 2]) {
    for (let i = round; i < KEYS.length; i += 7)
      await simulation.settle(engine.put(KEYS[i], Buffer.from(`newer ${round} ${KEYS[i]}`)));
    await simulation.settle(engine.delete(KEYS[30 + round]));
    if (round === 1) await simulation.settle(engine.flush());
  }
  await simulation.settle(engine.flush());
  return { simulation, engine };
}

const isGone = (key: string): boolean => key === 'key031' || key === 'key032';

for (const reverse of [false, true]) {
  test(`what small scans need again and again is loaded, of every table${reverse ? ', in reverse' : ''}`, async () => {
    const { simulation, engine } = await layered();
    const options: RangeOptions = reverse
      ? { lt: KEYS[40], reverse, limit: 10 }
      : { gte: KEYS[28], limit: 10 };
    const all = reverse ? expected(28, 40).reverse() : expected(28, 40);
    const wanted = all.filter((key) => !isGone(key)).slice(0, 10);
    let crossings = 0;
    for (let scan = 0; scan < 12; scan++) {
      const found = first(engine, 10, options);
      if (engine.stats().readsInFlight > 0) crossings++;
      assert.deepEqual(await simulation.settle(found), wanted);
      // What is loaded behind the page.
      await simulation.pass(5);
      assert.equal(engine.stats().readsInFlight, 0);
    }
    assert.ok(crossings >= 2 && crossings <= 6, `${crossings} scans were answered by a reader`);
    // Nothing turns the clock here.
    assert.deepEqual(await first(engine, 10, options), wanted);
    await simulation.settle(engine.close());
  });
}

test('what a small scan needs is loaded at once while the cache has room', async () => {
  const { simulation, engine } = await filled();
  await simulation.settle(engine.compact());
  const before = engine.stats().cacheBytes;
  await simulation.settle(first(engine, 1, { gte: KEYS[99], limit: 1 }));
  await simulation.pass(5);
  assert.ok(engine.stats().cacheBytes > before);
  assert.deepEqual(await first(engine, 1, { gte: KEYS[99], limit: 1 }), ['key099']);
  await simulation.settle(engine.close());
});

test('once the cache is full, what is needed once is not loaded', async () => {
  const simulation = new EngineSimulation({ ...OPTIONS, blockCacheBytes: 16 * 1024 });
  const engine = await simulation.openEngine();
  for (const key of KEYS) await simulation.settle(engine.put(key, Buffer.alloc(300, key)));
  await simulation.settle(engine.compact());
  for (const key of KEYS.slice(0, 90)) await simulation.settle(engine.get(key));
  const reads = (): number => engine.stats().tableReadsByThread['reader-1'];
  const readsOfScan = async (): Promise<number> => {
    const before = reads();
    assert.deepEqual(await simulation.settle(first(engine, 1, { gte: KEYS[99], limit: 1 })), ['key099']);
    // What is loaded behind the page.
    await simulation.pass(5);
    return reads() - before;
  };
  // That of the page itself is not counted.
  assert.equal(await readsOfScan(), 0);
  assert.equal(await readsOfScan(), 1, 'the block is needed again');
  assert.deepEqual(await first(engine, 1, { gte: KEYS[99], limit: 1 }), ['key099']);
  await simulation.settle(engine.close());
});

test('without a cache every scan of tables is a reader’s', async () => {
  const simulation = new EngineSimulation({ ...OPTIONS, blockCacheBytes: 0 });
  const engine = await simulation.openEngine();
  for (const key of KEYS) await simulation.settle(engine.put(key, key));
  await simulation.settle(engine.compact());
  for (let scan = 0; scan < 4; scan++) {
    const found = first(engine, 3, { gte: KEYS[20], limit: 3 });
    assert.equal(engine.stats().readsInFlight, 1);
    assert.deepEqual(await simulation.settle(found), expected(20, 23));
  }
  await simulation.settle(engine.close());
});

for (const isSealed of [false, true]) {
  const state = isSealed ? 'sealed' : 'active';
  test(`many keys in no order are for a reader, in a memtable that is ${state}`, async () => {
    const simulation = new EngineSimulation(OPTIONS, undefined, backgroundAfter(1000));
    const engine = await simulation.openEngine();
    const shuffled = KEYS.map((_, i) => KEYS[(i * 37) % KEYS.length]);
    const value = Buffer.alloc(200);
    await simulation.settle(engine.write(shuffled.map((key) => ({ type: 'put', key, value }))));
    const flushing = isSealed ? engine.flush() : Promise.resolve();
    // The flush begins later.
    const turns = isSealed ? 100 : 1;
    await simulation.settle(new Promise<void>((resolve) => void simulation.clock.after(turns, resolve)));
    assert.equal(engine.stats().memtables, isSealed ? 2 : 1);
    const scanning = first(engine, 3, { gte: KEYS[20] });
    assert.equal(engine.stats().readsInFlight, 1);
    assert.deepEqual(await simulation.settle(scanning), expected(20, 23));
    await simulation.settle(flushing);
    await simulation.settle(engine.close());
  });
}
