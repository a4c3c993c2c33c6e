/** The newest log is removed as a whole: an opening and `verify` name it, and a repair goes on without it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ExecutorContext,
  loadOfflineTools,
  type RecordStore,
  repair,
} from '../../../../native-free-lsm/index.ts';
import { fileSystemError, type MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { readRecord, record, writeRecordTo } from '../../../support/engine-calls.ts';
import {
  backgroundAfter,
  EngineSimulation,
  NoBackground,
  TINY_OPTIONS,
} from '../../../support/engine-simulation.ts';

async function write(simulation: EngineSimulation, store: RecordStore, from: number, count: number) {
  for (let i = from; i < from + count; i++) {
    const { error } = await simulation.settle(
      writeRecordTo(store, Buffer.from(`key${i}`), record(i, Buffer.alloc(3000, `${i}`))),
    );
    assert.equal(error, null);
  }
}

function newestLog(fs: MemoryFileSystem): string {
  return `/db/${fs
    .listSync('/db')
    .filter((name) => name.endsWith('.log'))
    .sort()
    .at(-1)}`;
}

async function checkMissing(simulation: EngineSimulation, fs: MemoryFileSystem): Promise<void> {
  const path = newestLog(fs);
  fs.removeSync(path);
  await checkLost(simulation, fs, path, /put the file back, or repair/);
}

async function checkLost(
  simulation: EngineSimulation,
  fs: MemoryFileSystem,
  path: string,
  message: RegExp,
): Promise<void> {
  const left = simulation.restartWith(fs);
  assert.throws(() => left.openStore(), { code: 'CORRUPTION', file: path, message });
  assert.equal(fs.openDescriptors, 0);
  const { verifyFolder } = await loadOfflineTools();
  const steps = verifyFolder(fs, '/db');
  for (;;) {
    const { done, value } = steps.next();
    if (done !== true) continue;
    assert.deepEqual(
      value.damages.map(({ file }) => file),
      [path],
    );
    break;
  }
  const plan = await repair('/db', { fs, apply: true, engine: TINY_OPTIONS });
  assert.ok(plan.mayLackRecords);
  assert.ok(plan.drops.some(({ file, mayHoldRecords }) => file === path && mayHoldRecords));
  const store = left.openStore();
  await left.settle(store.flush());
  await write(left, store, 1_000, 30);
  await left.settle(store.close());
  const again = left.openStore();
  assert.ok((await left.settle(readRecord(again, Buffer.from('key1029')))) !== null);
  await left.settle(again.close());
}

for (const [name, count, background] of [
  ['the only one', 5, backgroundAfter(0)],
  [
    'one behind others that wait for their flush',
    25,
    (context: ExecutorContext) => new NoBackground(context),
  ],
  ['one behind many that are in tables', 200, backgroundAfter(0)],
] as const) {
  test(`${name}, after a power loss`, async () => {
    const simulation = new EngineSimulation(TINY_OPTIONS, undefined, background);
    await write(simulation, simulation.openStore(), 1, count);
    const left = simulation.fs.crash({ bytes: 'lost', names: 'lost' });
    await checkMissing(new EngineSimulation(TINY_OPTIONS), left);
  });
}

// The next log has its header, durably, before the one before says by its mark that it was begun: no crash leaves this.
for (const [what, content] of [
  ['empty', Buffer.alloc(0)],
  ['without a header', Buffer.alloc(16, 7)],
  ['cut within its header', Buffer.from('QLOG')],
] as const) {
  test(`one that is ${what}, though the one before says that it was begun, is as good as missing`, async () => {
    const simulation = new EngineSimulation(
      TINY_OPTIONS,
      undefined,
      (context: ExecutorContext) => new NoBackground(context),
    );
    await write(simulation, simulation.openStore(), 1, 25);
    const fs = simulation.fs.crash({ bytes: 'lost', names: 'lost' });
    const path = newestLog(fs);
    assert.notEqual(path, '/db/000001.log');
    fs.place(path, content);
    await checkLost(new EngineSimulation(TINY_OPTIONS), fs, path, /its header is missing/);
  });
}

test('the last one of an engine that was closed', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await write(simulation, store, 1, 50);
  await simulation.settle(store.close());
  await checkMissing(simulation, simulation.fs);
});

test('nothing is acknowledged from the first log before the manifest names it, and it is tried again', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, writeStallTimeoutMs: 1000 });
  const { fs } = simulation;
  const store = simulation.openStore();
  fs.onCall = ({ operation, path }) => {
    if (operation === 'write' && path.includes('MANIFEST')) throw fileSystemError('ENOSPC', operation, path);
    return undefined;
  };
  const { error } = await simulation.settle(
    writeRecordTo(store, Buffer.from('key'), record(1, Buffer.from('value'))),
  );
  assert.equal((error as { code?: string } | null)?.code, 'OVERLOADED');
  assert.deepEqual(
    store.stats().conditions.map(({ code, stopsWrites }) => [code, stopsWrites]),
    [['NO_SPACE', true]],
  );
  fs.onCall = undefined;
  await simulation.pass(5000);
  assert.deepEqual(store.stats().conditions, []);
  await write(simulation, store, 1, 1);
  await checkMissing(simulation, fs.kill());
  await simulation.settle(store.close());
});

test('a start on a disk that takes no log needs none afterwards', async () => {
  const simulation = new EngineSimulation();
  const { fs } = simulation;
  const first = simulation.openStore();
  await write(simulation, first, 1, 3);
  await simulation.settle(first.close());
  fs.onCall = ({ operation, path }) => {
    if (operation === 'create' && path.endsWith('.log')) throw fileSystemError('ENOSPC', operation, path);
    return undefined;
  };
  const full = simulation.openStore();
  await simulation.settle(full.maintenanceIdle());
  await simulation.settle(full.close());
  fs.onCall = undefined;
  const again = simulation.openStore();
  assert.ok((await simulation.settle(readRecord(again, Buffer.from('key1')))) !== null);
  await write(simulation, again, 4, 1);
  await simulation.settle(again.close());
});
