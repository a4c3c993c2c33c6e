import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeOptions } from '../../../../native-free-lsm/options.ts';
import { fileSystemError, type MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { readState } from '../../../../native-free-lsm/store/read-state.ts';
import { readServableState } from '../../../../native-free-lsm/store/recovery.ts';
import { record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, NoBackground, TINY_OPTIONS } from '../../../support/engine-simulation.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const NAMES = {
  table: ({ id }: { id: number }) => id,
  log: (generation: number) => ({ generation, continued: false }),
};

/** A table, a log that is closed, one with a torn tail, and what a crash has left over of a flush. */
async function folder(): Promise<MemoryFileSystem> {
  let simulation = new EngineSimulation();
  let store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, Buffer.from('a'), record(1, 'x')));
  await simulation.settle(store.flush());
  await simulation.settle(writeRecordTo(store, Buffer.from('b'), record(2, 'y')));
  await simulation.settle(store.close());
  simulation = new EngineSimulation(TINY_OPTIONS, simulation.fs, (context) => new NoBackground(context));
  store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, Buffer.from('c'), record(3, 'z')));
  const fs = simulation.fs.kill();
  const [log] = fs
    .listSync('/db')
    .filter((name) => name.endsWith('.log'))
    .sort()
    .slice(-1);
  const fd = fs.openWriteSync(`/db/${log}`);
  fs.writeSync(fd, [Buffer.alloc(24, 7)], fs.sizeSync(`/db/${log}`));
  fs.closeSync(fd);
  assert.equal(fs.listSync('/db').filter((name) => name.endsWith('.log')).length, 2);
  fs.place('/db/000099.sst.tmp', Buffer.from('half a table'));
  return fs;
}

/** Every call that could change something fails, as on a disk that is read-only; the lock is not asked for either. */
function refuseChanges(fs: MemoryFileSystem): void {
  fs.isReadOnly = true;
  fs.onCall = ({ operation, path }) => {
    if (operation.startsWith('lock')) throw fileSystemError('EROFS', operation, path);
    return undefined;
  };
}

function imageOf(fs: MemoryFileSystem): string[] {
  return fs
    .listSync('/db')
    .sort()
    .map((name) => `${name} ${fs.sizeSync(`/db/${name}`)}`);
}

test('what a directory holds is read without a lock from a disk that is read-only, and nothing is changed', async () => {
  const fs = await folder();
  const before = imageOf(fs);
  refuseChanges(fs);
  const state = readState(fs, '/db', NAMES);
  assert.equal(state.tables.length, 1);
  assert.deepEqual(
    state.logs.map(({ generation }) => generation),
    state.contents.logs,
  );
  assert.deepEqual(state.contents.unfinishedTables, [99]);
  assert.ok(state.manifest !== undefined && state.manifest.tornBytes === 0);
  const reports: string[] = [];
  const servable = readServableState(
    fs,
    '/db',
    completeOptions(TINY_OPTIONS),
    (line) => reports.push(line),
    () => HASH_SEED,
  );
  assert.equal(servable.tables.length, 1);
  assert.deepEqual(
    servable.logs.at(-1)?.logs.map(({ replay }) => [replay.puts, replay.tornBytes]),
    [[1, 24]],
  );
  assert.deepEqual(reports, []);
  assert.deepEqual(imageOf(fs), before);
  assert.equal(fs.openDescriptors, 0);
});

test('a directory that is new, or not there, holds nothing', () => {
  const { fs } = new EngineSimulation();
  for (const make of [false, true]) {
    if (make) fs.makeDirectorySync('/db');
    const { found, logs, manifest, tables } = readState(fs, '/db', NAMES);
    assert.deepEqual([logs, manifest, tables, found.nextFileId], [[], undefined, [], 1]);
  }
});
