/** What scans leave of the block cache: all that gets have brought into it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine, RangeOptions } from '../../../../native-free-lsm/index.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEYS = 2_000;
/** All of them are a megabyte. */
const VALUE_BYTES = 500;
/** Two entries, and what the cache keeps beside them. */
const MOST_BLOCK_BYTES = 2 * (VALUE_BYTES + 100);
const OPTIONS = { ...TINY_OPTIONS, blockCacheBytes: 64 * 1024 };
/** Each in a block of its own; their blocks fill half of the cache. */
const HOT = Array.from({ length: 48 }, (_, i) => i * 41);

function keyOf(key: number): Buffer {
  return Buffer.from(`key${String(key).padStart(5, '0')}`);
}

async function filled(): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  const operations = Array.from({ length: KEYS }, (_, key) => {
    return { type: 'put', key: keyOf(key), value: Buffer.alloc(VALUE_BYTES, `${key}.`) } as const;
  });
  await simulation.settle(engine.write(operations));
  await simulation.settle(engine.compact());
  return { simulation, engine };
}

/** Of gets of all hot keys, how many the cache answers. */
async function hits(simulation: EngineSimulation, engine: Engine): Promise<number> {
  const before = engine.stats().cacheHits;
  for (const key of HOT) assert.ok((await simulation.settle(engine.get(keyOf(key)))) !== undefined);
  return engine.stats().cacheHits - before;
}

const SCANS: readonly (readonly [string, RangeOptions])[] = [
  ['forward', {}],
  ['in reverse', { reverse: true }],
  ['of keys alone', { values: false }],
];

for (const [name, range] of SCANS) {
  test(`gets are answered by the cache before, during and after a scan ${name} of far more than it holds`, async () => {
    const { simulation, engine } = await filled();
    await hits(simulation, engine);
    assert.equal(await hits(simulation, engine), HOT.length, 'before');
    const { cacheBytes } = engine.stats();
    let entries = 0;
    let during = 0;
    let turns = 0;
    for await (const _ of asScan(simulation, engine, range)) {
      if (++entries % 400 !== 0) continue;
      during += await hits(simulation, engine);
      turns++;
    }
    assert.equal(entries, KEYS);
    assert.equal(during, turns * HOT.length, 'during');
    assert.equal(await hits(simulation, engine), HOT.length, 'after');
    // While there is room, the block from which its first, small page begins.
    const brought = engine.stats().cacheBytes - cacheBytes;
    assert.ok(brought <= MOST_BLOCK_BYTES, `it has brought in ${brought} bytes`);
    await simulation.settle(engine.close());
  });
}

async function* asScan(
  simulation: EngineSimulation,
  engine: Engine,
  range: RangeOptions,
): AsyncGenerator<void> {
  const scan = engine.range(range);
  while (!(await simulation.settle(scan.next())).done) yield;
}

test('so are they when everything is read by many small ranges', async () => {
  const { simulation, engine } = await filled();
  await hits(simulation, engine);
  let from: Uint8Array = Buffer.from('key');
  for (let page = 0; ; page++) {
    const entries = await simulation.settle(engine.range({ gt: from, limit: 16 }).nextMany(16));
    if (entries.length === 0) break;
    from = Buffer.from(entries[entries.length - 1].key);
    if (page % 25 === 0) assert.equal(await hits(simulation, engine), HOT.length, `page ${page}`);
  }
  assert.equal(await hits(simulation, engine), HOT.length);
  await simulation.settle(engine.close());
});
