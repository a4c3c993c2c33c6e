/** What a close does so that the next opening has little to replay. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordStore } from '../../../../native-free-lsm/index.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { readRecord, record, writeRecordTo } from '../../../support/engine-calls.ts';
import { backgroundAfter, EngineSimulation } from '../../../support/engine-simulation.ts';

const OPTIONS = { memtableBytes: 4 << 20, maxRecordBytes: 16 << 10, durability: 'none' } as const;
const VALUE = 'x'.repeat(8000);

function key(i: number): Buffer {
  return Buffer.from(`key${i}`);
}

async function put(simulation: EngineSimulation, store: RecordStore, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { error } = await simulation.settle(writeRecordTo(store, key(i), record(i + 1, VALUE)));
    assert.equal(error, null);
  }
}

async function assertAllThere(simulation: EngineSimulation, count: number): Promise<void> {
  const store = simulation.openStore();
  for (let i = 0; i < count; i++)
    assert.deepEqual(await simulation.settle(readRecord(store, key(i))), record(i + 1, VALUE));
  await simulation.settle(store.close());
  assert.equal(simulation.fs.openDescriptors, 0);
}

/** The bytes of the logs that the next opening would replay. */
function logBytes({ fs }: EngineSimulation): number {
  const logs = fs.listSync('/db').filter((name) => name.endsWith('.log'));
  return logs.reduce((bytes, name) => bytes + fs.contents(`/db/${name}`).length, 0);
}

test('a long log is put into a table, a short one stays', async () => {
  for (const { count, isLong } of [
    { count: 100, isLong: false },
    { count: 200, isLong: true },
  ]) {
    const simulation = new EngineSimulation(OPTIONS);
    const store = simulation.openStore();
    await put(simulation, store, count);
    await simulation.settle(store.close());
    assert.equal(logBytes(simulation) < 1000, isLong, `${logBytes(simulation)}`);
    await assertAllThere(simulation, count);
  }
});

test('a long log that an opening has replayed is in a table when the next one begins, however soon it closes', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  await put(simulation, simulation.openStore(), 200);
  const after = new EngineSimulation(OPTIONS, simulation.fs.kill(), backgroundAfter(50));
  for (let start = 0; start < 3; start++) await after.settle(after.openStore().close());
  assert.ok(logBytes(after) < 2000);
  await assertAllThere(after, 200);
});

test('writes that are called before the close are in it, and those after it are refused', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const store = simulation.openStore();
  const writes = Array.from({ length: 200 }, (_, i) => writeRecordTo(store, key(i), record(i + 1, VALUE)));
  await simulation.settle(Promise.all(writes.slice(0, 190)));
  const closed = store.close();
  assert.equal(store.close(), closed);
  const { error } = await simulation.settle(writeRecordTo(store, key(0), record(1000, VALUE)));
  assert.equal((error as { code?: string }).code, 'CLOSED');
  await simulation.settle(closed);
  for (const write of writes) assert.equal((await write).error, null);
  assert.ok(logBytes(simulation) < 1000);
  await assertAllThere(simulation, 200);
});

for (const code of ['ENOSPC', 'EIO']) {
  test(`a flush that fails with ${code} is no hindrance: the log has everything`, async () => {
    const simulation = new EngineSimulation(OPTIONS);
    const store = simulation.openStore();
    await put(simulation, store, 200);
    simulation.fs.onCall = ({ operation, path }) => {
      if (path.includes('.sst')) throw fileSystemError(code, operation, path);
    };
    await simulation.settle(store.close());
    simulation.fs.onCall = undefined;
    assert.ok(logBytes(simulation) > 1_000_000);
    await assertAllThere(simulation, 200);
  });
}

test('a writer that cannot begin another log does not keep it waiting', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const store = simulation.openStore();
  await put(simulation, store, 200);
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'create' && path.endsWith('.log')) throw fileSystemError('ENOSPC', operation, path);
  };
  await simulation.settle(store.close());
  simulation.fs.onCall = undefined;
  await assertAllThere(simulation, 200);
});

test('a poisoned log leaves it out', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const store = simulation.openStore();
  await put(simulation, store, 200);
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync' && path.endsWith('.log')) throw fileSystemError('EIO', operation, path);
  };
  await assert.rejects(simulation.settle(store.sync()));
  await simulation.settle(store.close());
  simulation.fs.onCall = undefined;
  await assertAllThere(simulation, 200);
});
