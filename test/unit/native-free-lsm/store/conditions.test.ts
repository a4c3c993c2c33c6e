/** What an engine says of itself while something keeps it from doing all it should, and once that has passed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineOptions, RecordStore } from '../../../../native-free-lsm/index.ts';
import { type CallHook, fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

function started(more: Partial<EngineOptions> = {}) {
  const options = { ...TINY_OPTIONS, writeStallTimeoutMs: 100, maxSealedMemtables: 1, ...more };
  const simulation = new EngineSimulation(options);
  const store = simulation.openStore();
  let timestamp = 0;
  const write = async (bytes: number, key = `key${timestamp}`) => {
    const value = record(++timestamp, Buffer.alloc(bytes, 'v'));
    return simulation.settle(writeRecordTo(store, Buffer.from(key), value));
  };
  return { simulation, store, write };
}

function failing(code: string, matches: RegExp): CallHook {
  return ({ operation, path }) => {
    if (matches.test(`${operation} ${path}`)) throw fileSystemError(code, operation, path);
    return undefined;
  };
}

function shown(store: RecordStore): (string | boolean)[][] {
  return store.stats().conditions.map(({ code, stopsWrites }) => [code, stopsWrites]);
}

for (const [code, calls, condition] of [
  ['ENOSPC', /^write .*\.log$/, 'NO_SPACE'],
  ['EROFS', /^write .*\.log$/, 'READ_ONLY'],
  ['EIO', /^write .*\.log$/, 'LOG_FAILING'],
] as const) {
  test(`${code} of the log is ${condition} until it has passed, though nobody writes`, async () => {
    const { simulation, store, write } = started();
    await write(10);
    assert.deepEqual(store.stats().conditions, []);
    simulation.fs.onCall = failing(code, calls);
    assert.notEqual((await write(10)).error, null);
    assert.deepEqual(shown(store), [[condition, true]]);
    const [{ sinceMs, message }] = store.stats().conditions;
    assert.match(message, /000001\.log/);
    await simulation.pass(5000);
    await write(10);
    assert.deepEqual(shown(store), [[condition, true]]);
    assert.equal(store.stats().conditions[0].sinceMs, sinceMs);
    simulation.fs.onCall = undefined;
    await simulation.pass(2000);
    assert.deepEqual(store.stats().conditions, []);
    await simulation.pass(10_000);
    assert.match(simulation.reports.at(-1) as string, /go well again/);
    assert.equal((await write(10)).error, null);
    await simulation.settle(store.close());
  });
}

test('a disk with room for small writes alone is reported once, and once when large ones go well again', async () => {
  const { simulation, store, write } = started();
  simulation.fs.onCall = ({ operation, path, lengthBytes }) => {
    if (operation === 'write' && path.endsWith('.log') && lengthBytes > 1000)
      throw fileSystemError('ENOSPC', operation, path);
    return undefined;
  };
  const lines = (): string[] => simulation.reports.filter((line) => /^writes /.test(line));
  for (let i = 0; i < 8; i++) {
    assert.notEqual((await write(5000)).error, null);
    assert.equal((await write(10)).error, null);
    for (let ms = 0; ms < 2000; ms += 100) {
      assert.deepEqual(shown(store), [['NO_SPACE', true]], 'what it says does not change with each write');
      await simulation.pass(100);
    }
  }
  assert.deepEqual(
    lines().map((line) => line.slice(0, 11)),
    ['writes fail'],
  );
  simulation.fs.onCall = undefined;
  assert.equal((await write(5000)).error, null);
  await simulation.pass(1000);
  assert.deepEqual(shown(store), []);
  await simulation.pass(10_000);
  assert.deepEqual(lines().slice(1), ['writes go well again']);
  await simulation.settle(store.close());
});

test('a disk that was full works again once it has room for a memtable, and not for a few bytes', async () => {
  const memtableBytes = 64 * 1024;
  const { simulation, store, write } = started({ memtableBytes });
  const { fs } = simulation;
  fs.capacityBytes = fs.usedBytes + 4000;
  const codes: (string | undefined)[] = [];
  for (let i = 0; i < 30; i++) {
    const { error } = await write(i % 2 === 0 ? 5000 : 10);
    codes.push((error as { code?: string } | null)?.code);
    assert.deepEqual(shown(store), [['NO_SPACE', true]]);
    await simulation.pass(300);
  }
  assert.deepEqual(new Set(codes.filter((_, i) => i % 2 === 0)), new Set(['NO_SPACE']));
  assert.deepEqual(new Set(codes.filter((_, i) => i % 2 === 1)), new Set([undefined]));
  fs.capacityBytes = fs.usedBytes + memtableBytes / 2;
  await simulation.pass(5000);
  assert.deepEqual(shown(store), [['NO_SPACE', true]]);
  fs.capacityBytes = fs.usedBytes + memtableBytes + 1000;
  const usedBytes = fs.usedBytes;
  await simulation.pass(2000);
  assert.deepEqual(shown(store), []);
  assert.ok(fs.usedBytes - usedBytes < 500, 'nothing of the room is left');
  assert.equal((await write(5000)).error, null);
  await simulation.settle(store.close());
});

test('a next log that cannot be begun is told as long as it cannot, though small writes go well', async () => {
  const { simulation, store, write } = started();
  for (let i = 0; i < 6; i++) assert.equal((await write(9000)).error, null);
  simulation.fs.onCall = failing('EMFILE', /^create .*\.log$/);
  assert.notEqual((await write(9000)).error, null);
  assert.deepEqual(shown(store), [['LOG_FAILING', true]]);
  assert.match(store.stats().conditions[0].message, /too many files are open/);
  assert.equal((await write(10)).error, null);
  await simulation.pass(3000);
  assert.deepEqual(shown(store), [['LOG_FAILING', true]]);
  simulation.fs.onCall = undefined;
  await simulation.pass(2000);
  assert.deepEqual(store.stats().conditions, []);
  assert.equal((await write(9000)).error, null);
  await simulation.settle(store.close());
});

test('a flush that fails stops writes only once no memtable is left', async () => {
  const { simulation, store, write } = started();
  simulation.fs.onCall = failing('EIO', /\.sst\.tmp$/);
  while (store.stats().conditions.length === 0) await write(9000);
  let error: Error | null = null;
  assert.deepEqual(shown(store), [['FLUSH_FAILING', true]]);
  while (error === null) ({ error } = await write(9000));
  assert.deepEqual(shown(store), [['FLUSH_FAILING', true]]);
  simulation.fs.onCall = undefined;
  await simulation.pass(20_000);
  assert.deepEqual(store.stats().conditions, []);
  assert.equal((await write(9000)).error, null);
  await simulation.settle(store.close());
});

test('a compaction that fails stops no write, and is told until none is due', async () => {
  const { simulation, store, write } = started({ l0CompactionTables: 4 });
  for (let i = 0; i < 3; i++) {
    await write(100, 'one key, so that tables meet');
    await simulation.settle(store.flush());
  }
  simulation.fs.onCall = failing('ENOSPC', /openRead .*\.sst$/);
  await assert.rejects(simulation.settle(store.compact()), { code: 'NO_SPACE' });
  assert.deepEqual(shown(store), [['NO_SPACE', false]]);
  simulation.fs.onCall = undefined;
  await simulation.settle(store.compact());
  assert.deepEqual(store.stats().conditions, []);
  await simulation.settle(store.close());
});

test('a poisoned engine says so for good', async () => {
  const { simulation, store, write } = started();
  simulation.fs.onCall = failing('EIO', /^fdatasync .*\.log$/);
  assert.notEqual((await write(10)).error, null);
  simulation.fs.onCall = undefined;
  await simulation.pass(20_000);
  assert.deepEqual(shown(store), [['POISONED', true]]);
  await simulation.settle(store.close());
});
