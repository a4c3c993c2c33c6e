/** Tables with range tombstones that cannot be read: what these have deleted does not come back without a word. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Engine, LsmError, MAX_TIMESTAMP } from '../../../../native-free-lsm/index.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { flipBit } from '../../../support/damaged-tables.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const bytes = (text: string) => Buffer.from(text);

async function opened(simulation: EngineSimulation): Promise<Engine> {
  return simulation.openEngine({ dropTombstonesBelow: MAX_TIMESTAMP, l0CompactionTables: 8 });
}

/** The values of the keys `a` to `d`, and whether a scan shows the same; `!`: it fails by name. */
async function shown(simulation: EngineSimulation, engine: Engine): Promise<string> {
  let all = '';
  for (const key of 'abcd') {
    try {
      const value = await simulation.settle(engine.get(bytes(key)));
      all += value === undefined ? '-' : String(value);
    } catch (error) {
      assert.ok(error instanceof LsmError && error.code === 'CORRUPTION', String(error));
      all += '!';
    }
  }
  const scanned = simulation.settle(Array.fromAsync(engine.range()));
  if (all.includes('!')) await assert.rejects(scanned, { code: 'CORRUPTION' });
  else assert.equal((await scanned).map(({ value }) => String(value)).join(''), all.replaceAll('-', ''));
  return all;
}

/** The newest table, by the name of its file. */
function newestTable({ fs }: EngineSimulation): string {
  return `/db/${fs
    .listSync('/db')
    .filter((name) => name.endsWith('.sst'))
    .sort()
    .at(-1)}`;
}

for (const [name, behind, whole] of [
  ['beside an entry', async (engine: Engine) => engine.put(bytes('d'), bytes('4')), '--34'],
  ['alone', async () => undefined, '--3-'],
] as const) {
  for (const isRewritten of [false, true]) {
    const rewritten = isRewritten ? ', whose first key was written anew' : '';
    test(`a table that the disk does not read, with a deletion ${name}${rewritten}`, async () => {
      const simulation = new EngineSimulation(TINY_OPTIONS);
      const first = await opened(simulation);
      for (const key of 'abc')
        await simulation.settle(first.put(bytes(key), bytes(String('abc'.indexOf(key) + 1))));
      await simulation.settle(first.compact());
      await simulation.settle(first.clear({ gte: bytes('a'), lt: bytes('c') }));
      await simulation.settle(behind(first));
      await simulation.settle(first.flush());
      const table = newestTable(simulation);
      if (isRewritten) {
        await simulation.settle(first.put(bytes('a'), bytes('5')));
        await simulation.settle(first.flush());
      }
      const expected = isRewritten ? whole.replace('-', '5') : whole;
      assert.equal(await shown(simulation, first), expected);
      await simulation.settle(first.close());
      simulation.fs.onCall = ({ operation, path }) => {
        if (path === table && operation === 'openRead') throw fileSystemError('EIO', operation, path);
        return undefined;
      };
      const second = await opened(simulation);
      const found = await shown(simulation, second);
      // What lies above it is read as ever; nothing that was deleted is.
      assert.match(found, isRewritten ? /^5!/ : /^!!/);
      await simulation.settle(second.compact()).catch(() => undefined);
      assert.equal(second.store.stats().damage.tables, 1);
      assert.match(await shown(simulation, second), isRewritten ? /^5!/ : /^!!/);
      await simulation.settle(second.close());
      simulation.fs.onCall = undefined;
      const third = await opened(simulation);
      assert.equal(third.store.stats().damage.tables, 0);
      assert.equal(await shown(simulation, third), expected);
      await simulation.settle(third.compact());
      assert.equal(await shown(simulation, third), expected);
      await simulation.settle(third.close());
    });
  }
}

test('a damaged table is removed when a range hides all that it held, and scans go on', async () => {
  const simulation = new EngineSimulation(TINY_OPTIONS);
  const first = await opened(simulation);
  for (const key of 'bc') await simulation.settle(first.put(bytes(key), bytes(key)));
  await simulation.settle(first.flush());
  await simulation.settle(first.close());
  flipBit(simulation.fs, newestTable(simulation), 20);
  const engine = await opened(simulation);
  assert.equal(await shown(simulation, engine), '-!!-');
  await simulation.settle(engine.store.maintenanceIdle());
  const flushCleared = async (end: string): Promise<void> => {
    await simulation.settle(engine.clear({ gte: bytes('b'), lt: bytes(end) }));
    await simulation.settle(engine.flush());
    await simulation.settle(engine.store.maintenanceIdle());
  };
  await flushCleared('c');
  assert.equal(engine.stats().conditions.length, 1, 'it holds one more key');
  assert.equal(await simulation.settle(engine.get(bytes('b'))), undefined);
  await flushCleared('d');
  assert.deepEqual(engine.stats().conditions, []);
  assert.equal(await shown(simulation, engine), '----');
  await simulation.settle(engine.close());
  const again = await opened(simulation);
  assert.equal(await shown(simulation, again), '----');
  await simulation.settle(again.close());
});
