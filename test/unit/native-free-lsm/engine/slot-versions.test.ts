/** Which tables have slot versions: those of stores that are compared with others, and those in which values expire. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotOf } from '../../../../native-free-lsm/format/slot.ts';
import type { Engine, EngineOptions } from '../../../../native-free-lsm/index.ts';
import { surveyTable } from '../../../../native-free-lsm/offline/table-survey.ts';
import { MetaBlockType } from '../../../../native-free-lsm/sstable/table-format.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const DIRECTORY = '/db';
const ALONE: Partial<EngineOptions> = { ...TINY_OPTIONS, fingerprintSeed: null, l0CompactionTables: 10 };
const TTL_MS = 60_000;

/** Of each table, in the order in which they were written, whether it has slot versions. */
function tablesWith({ fs }: EngineSimulation): boolean[] {
  return fs
    .listSync(DIRECTORY)
    .filter((name) => name.endsWith('.sst'))
    .sort()
    .map((name) => {
      const { layout } = surveyTable(fs, `${DIRECTORY}/${name}`);
      return layout?.metaBlocks.some(({ type }) => type === MetaBlockType.slotVersions) === true;
    });
}

async function write(simulation: EngineSimulation, engine: Engine, key: string, ttlMs?: number) {
  const options = ttlMs === undefined ? {} : { ttlMs };
  // So that no two tables are disjoint, and a compaction merges them.
  for (const end of ['0', 'z']) await simulation.settle(engine.put(Buffer.from(end), Buffer.from('end')));
  await simulation.settle(engine.put(Buffer.from(key), Buffer.from('value'), options));
  await simulation.settle(engine.flush());
}

test('a store that nobody compares writes none', async () => {
  const simulation = new EngineSimulation(ALONE);
  const engine = await simulation.openEngine();
  await write(simulation, engine, 'a');
  await write(simulation, engine, 'b');
  assert.deepEqual(tablesWith(simulation), [false, false]);
  await simulation.settle(engine.compact());
  assert.deepEqual(tablesWith(simulation), [false]);
  // What is not written down is found by reading everything.
  const { count } = await simulation.settle(engine.store.slotVersions(slotOf(Buffer.from('a'))));
  assert.equal(count, 1);
  await simulation.settle(engine.close());
});

test('tables in which values expire have them, also in a store that nobody compares', async () => {
  const simulation = new EngineSimulation(ALONE);
  const engine = await simulation.openEngine();
  await write(simulation, engine, 'a');
  await write(simulation, engine, 'b', TTL_MS);
  assert.deepEqual(tablesWith(simulation), [false, true]);
  await simulation.settle(engine.compact());
  assert.deepEqual(tablesWith(simulation), [true]);
  await write(simulation, engine, 'c');
  assert.deepEqual(tablesWith(simulation), [true, false]);
  simulation.clock.advance(TTL_MS + 1);
  await simulation.settle(engine.compact());
  await write(simulation, engine, 'd');
  await simulation.settle(engine.compact());
  assert.deepEqual(tablesWith(simulation), [false]);
  // A batch that goes to tables directly.
  const large = Array.from({ length: 100 }, (_, i) => ({
    type: 'put' as const,
    key: Buffer.from(`large ${i}`),
    value: Buffer.alloc(1000, i),
    ...(i === 50 && { ttlMs: TTL_MS }),
  }));
  await simulation.settle(engine.write(large));
  assert.ok(tablesWith(simulation).includes(true));
  await simulation.settle(engine.close());
});

test('a store that is opened with a seed has them, and keeps them when it is opened without', async () => {
  const simulation = new EngineSimulation(ALONE);
  const first = await simulation.openEngine();
  await write(simulation, first, 'a');
  await simulation.settle(first.close());
  const compared = await simulation.openEngine({ fingerprintSeed: { low: 1, high: 2 } });
  await write(simulation, compared, 'b');
  assert.deepEqual(tablesWith(simulation), [false, true]);
  await simulation.settle(compared.close());
  const again = await simulation.openEngine();
  await write(simulation, again, 'c');
  assert.deepEqual(tablesWith(simulation), [false, true, true]);
  await simulation.settle(again.compact());
  assert.deepEqual(tablesWith(simulation), [true]);
  await simulation.settle(again.close());
});
