/** The smallest key there can be, which has no bytes, and the largest one: through all that keys go through. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Engine, keyBehind, loadOfflineTools } from '../../../../native-free-lsm/index.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';
import { pageEntries } from '../../../support/page-entries.ts';

const EMPTY = new Uint8Array(0);
const LARGEST = new Uint8Array(65_535).fill(0xff);
const OPTIONS = { memtableBytes: 1 << 20, maxRecordBytes: 1 << 17 } as const;
const KEYS = [EMPTY, Buffer.from('\0'), Buffer.from('a'), LARGEST];

/** @param deleted index of the key that is not there; -1: none */
async function check(simulation: EngineSimulation, engine: Engine, deleted: number): Promise<void> {
  const present = KEYS.filter((_, i) => i !== deleted);
  const values = await simulation.settle(engine.getMany(KEYS));
  assert.deepEqual(
    values.map((value) => value?.length),
    KEYS.map((_, i) => (i === deleted ? undefined : i + 1)),
  );
  const lengths = (keys: readonly Uint8Array[]) => keys.map(({ length }) => length);
  for (const reverse of [false, true]) {
    const expected = reverse ? present.toReversed() : present;
    const scanned = await simulation.settle(Array.fromAsync(engine.range({ reverse })));
    assert.deepEqual(lengths(scanned.map(({ key }) => key)), lengths(expected));
    // Each page has one entry, so one of them goes on at the empty key.
    const paged: Uint8Array[] = [];
    const one = { maxBytes: 1, maxEntries: 1, includeTombstones: false, encoder: 0, nowMs: 0, reverse };
    for (let start: Uint8Array = EMPTY, end: Uint8Array | null = null; ; ) {
      const page = await simulation.settle(engine.store.rangePage({ ...one, start, end }));
      for (const [key] of pageEntries(page)) paged.push(key);
      if (page.resumeAt === null) break;
      if (reverse) end = keyBehind(page.resumeAt);
      else start = page.resumeAt;
    }
    assert.deepEqual(lengths(paged), lengths(expected));
  }
  const only = async (bounds: object) =>
    lengths((await simulation.settle(Array.fromAsync(engine.range(bounds)))).map(({ key }) => key));
  assert.deepEqual(await only({ lte: EMPTY }), deleted === 0 ? [] : [0]);
  assert.deepEqual(await only({ lt: EMPTY }), []);
  assert.deepEqual(await only({ gt: EMPTY }), [1, 1, 65_535]);
  assert.deepEqual(await only({ gt: LARGEST }), []);
  assert.deepEqual(await only({ gte: LARGEST, reverse: true }), [65_535]);
}

test('the empty key and the largest one are in memtables, logs, tables, scans and offline tools', async () => {
  let simulation = new EngineSimulation(OPTIONS);
  let engine = await simulation.openEngine();
  await simulation.settle(engine.put(EMPTY, Buffer.alloc(1)));
  const rest = KEYS.slice(1).map((key, i) => ({ type: 'put', key, value: Buffer.alloc(i + 2) }) as const);
  await simulation.settle(engine.write(rest));
  await check(simulation, engine, -1);
  simulation = simulation.restartWith(simulation.fs.kill());
  engine = await simulation.openEngine();
  await check(simulation, engine, -1);
  await simulation.settle(engine.flush());
  await check(simulation, engine, -1);
  await simulation.settle(engine.delete(EMPTY));
  await check(simulation, engine, 0);
  await simulation.settle(engine.compact());
  await check(simulation, engine, 0);
  await simulation.settle(engine.put(EMPTY, Buffer.alloc(1)));
  await simulation.settle(engine.compact());
  await check(simulation, engine, -1);
  await simulation.settle(engine.close());

  const { dumpEntries, verifyFolder } = await loadOfflineTools();
  const verifying = verifyFolder(simulation.fs, '/db');
  let step = verifying.next();
  while (!step.done) step = verifying.next();
  assert.deepEqual(step.value.damages, []);
  const dumped: number[] = [];
  for (const { key } of dumpEntries(simulation.fs, '/db', {}, simulation.clock.nowMs()))
    dumped.push(key.length);
  assert.deepEqual(dumped, [0, 1, 1, 65_535]);
});
