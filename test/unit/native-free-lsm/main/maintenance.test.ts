import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileSystemError } from '../../../../native-free-lsm/fs/memory-fs.ts';
import type { RecordStore } from '../../../../native-free-lsm/index.ts';
import { readRecord, record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

function tables(simulation: EngineSimulation): string[] {
  return simulation.fs.listSync('/db').filter((name) => /\.sst(?:\.tmp)?$/.test(name));
}

function tableCount(store: RecordStore): number {
  return store.stats().tablesByLevel.reduce((sum, count) => sum + count, 0);
}

async function fill(
  simulation: EngineSimulation,
  store: RecordStore,
  from: number,
  to: number,
): Promise<void> {
  const calls = [];
  for (let i = from; i < to; i++)
    calls.push(writeRecordTo(store, Buffer.from(`key${i}`), record(i, 'x'.repeat(200))));
  await simulation.settle(Promise.all(calls));
}

test('flushes asked for together all end, and so does closing meanwhile', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  const writing = fill(simulation, store, 1, 200);
  await simulation.settle(Promise.all([store.flush(), store.flush(), store.compact(), store.flush()]));
  await writing;
  assert.equal(store.stats().memtables, 1);
  void fill(simulation, store, 200, 260);
  const flushed = store.flush().then(
    () => 'flushed',
    (error: { code: string }) => error.code,
  );
  await simulation.settle(store.close());
  assert.match(await simulation.settle(flushed), /^(?:flushed|CLOSED)$/);
});

test('a flush ends although writes never pause', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  let stopped = false;
  let next = 1;
  const writer = async (): Promise<void> => {
    while (!stopped)
      await writeRecordTo(store, Buffer.from(`key${next % 100}`), record(next++, 'x'.repeat(50)));
  };
  const writers = [writer(), writer(), writer()];
  for (let round = 0; round < 3; round++) {
    await simulation.settle(store.flush());
    assert.ok(tableCount(store) > 0);
  }
  stopped = true;
  await simulation.settle(Promise.all(writers));
  await simulation.settle(store.close());
});

test('tables that nobody needs any more are removed without further traffic', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  for (let round = 0; round < 4; round++) {
    await fill(simulation, store, 1 + round * 50, 50 + round * 50);
    await simulation.settle(store.flush());
  }
  await simulation.settle(store.compact());
  assert.equal(tables(simulation).length, tableCount(store));
  await simulation.settle(store.close());
});

test('a flush or compaction that fails leaves no file, says why, and is tried again', async () => {
  for (const failing of [
    'create',
    'write',
    'fdatasync',
    'rename',
    'syncDirectory',
    'openRead',
    'size',
    'read',
  ]) {
    const simulation = new EngineSimulation();
    const store = simulation.openStore();
    await fill(simulation, store, 1, 100);
    let failures = 0;
    let armed = false;
    simulation.fs.onCall = ({ operation, path }) => {
      if (path.includes('.sst')) armed = true;
      const isOfTable = path.includes('.sst') || (operation === 'syncDirectory' && armed);
      if (operation !== failing || !isOfTable || failures === 3) return undefined;
      failures++;
      throw fileSystemError('EIO', operation, path);
    };
    await assert.rejects(simulation.settle(store.flush()), { code: /IO_ERROR|POISONED/ }, failing);
    assert.deepEqual(tables(simulation), [], failing);
    assert.match(store.stats().lastError as string, /EIO/);
    assert.equal(store.stats().state, 'open');
    await simulation.pass(5000);
    await simulation.settle(store.flush());
    assert.equal(failures, 3);
    assert.equal(store.stats().lastError, null);
    assert.equal(tables(simulation).length, tableCount(store));
    assert.ok(simulation.reports.some((report) => report.includes('tried again')));
    await simulation.settle(store.close());
  }
});

test('a manifest that cannot be synced costs nothing once another one can be begun', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await fill(simulation, store, 1, 100);
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync' && path.includes('MANIFEST')) throw fileSystemError('EIO', operation, path);
    return undefined;
  };
  await assert.rejects(simulation.settle(store.flush()), { code: 'IO_ERROR' });
  // The refused edits may be on the disk all the same: what they name is there.
  await simulation.pass(3000);
  const left = simulation.restartWith(simulation.fs.kill());
  const killed = left.openStore();
  for (let i = 1; i < 100; i++)
    assert.ok((await left.settle(readRecord(killed, Buffer.from(`key${i}`)))) !== null);
  await left.settle(killed.close());
  const accepted = await simulation.settle(writeRecordTo(store, Buffer.from('k'), record(1000, 'x')));
  assert.equal(accepted.error, null, 'writes go on meanwhile');
  simulation.fs.onCall = undefined;
  await simulation.pass(20_000);
  await simulation.settle(store.compact());
  assert.equal(store.stats().state, 'open');
  assert.equal(tables(simulation).length, tableCount(store), 'tables of refused edits are gone');
  await simulation.settle(store.close());
  const again = simulation.openStore();
  for (let i = 1; i < 100; i++) {
    assert.ok((await simulation.settle(readRecord(again, Buffer.from(`key${i}`)))) !== null);
  }
  await simulation.settle(again.close());
});

test('a flush that found nothing does not seal what is written later', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await simulation.settle(store.flush());
  for (let i = 1; i <= 3; i++) {
    await simulation.settle(writeRecordTo(store, Buffer.from(`key${i}`), record(i, 'v')));
  }
  await simulation.settle(store.maintenanceIdle());
  assert.deepEqual([store.stats().flushes, store.stats().memtables], [0, 1]);
  await simulation.settle(store.flush());
  assert.equal(store.stats().flushes, 1);
  await simulation.settle(store.flush());
  assert.equal(store.stats().flushes, 1);
  await simulation.settle(store.close());
});

test('a flush that fails again and again is reported when it begins to, when the reason changes, and when it works', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await fill(simulation, store, 1, 100);
  let code = 'EIO';
  let failures = 0;
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation !== 'create' || !path.includes('.sst')) return undefined;
    failures++;
    throw fileSystemError(code, operation, path);
  };
  await assert.rejects(simulation.settle(store.flush()), { code: 'IO_ERROR' });
  await simulation.pass(60_000);
  assert.ok(failures > 5);
  code = 'ENOSPC';
  await simulation.pass(60_000);
  const all = failures;
  simulation.fs.onCall = undefined;
  await simulation.pass(20_000);
  const lines = simulation.reports;
  assert.equal(lines.length, 3, lines.join('\n'));
  assert.match(lines[0], /^flushes fail, tried again in 100 ms, .*EIO/);
  assert.match(
    lines[1],
    /^flushes fail for another reason now, tried again in 10000 ms, .*the disk or quota is full/,
  );
  assert.equal(lines[2], `flushes go well again, after ${all} failures in a row`);
  assert.deepEqual(store.stats().conditions, []);
  await simulation.settle(store.close());
});

test('a compaction that fails again and again is not said to go well because others beside it do', async () => {
  const simulation = new EngineSimulation({
    ...TINY_OPTIONS,
    maxBackgroundJobs: 4,
    maxCompactionBytes: 8 * 1024,
  });
  const store = simulation.openStore();
  let failing = '';
  let done = 0;
  let failures = 0;
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'create' && path.includes('.sst')) done++;
    if (operation !== 'openRead' || path !== failing) return undefined;
    failures++;
    // Of the process, not of the table: no reason to set it aside.
    throw fileSystemError('EMFILE', operation, path);
  };
  for (let round = 0; round < 14; round++) {
    await fill(simulation, store, 1 + round * 100, 100 + round * 100);
    await simulation.settle(store.flush());
    // Time for what is tried again ever more rarely.
    await simulation.pass(30_000);
    if (round === 5) {
      failing = `/db/${tables(simulation)[0]}`;
      done = 0;
    }
  }
  assert.ok(failures > 2, `${failures} failures`);
  assert.ok(done > 2, `${done} other tables were written`);
  const lines = simulation.reports;
  assert.equal(lines.length, 1, lines.join('\n'));
  assert.match(lines[0], /^compactions fail, tried again in .*too many files are open/);
  failing = '';
  await simulation.settle(store.compact());
  assert.equal(lines.length, 2, lines.join('\n'));
  assert.match(lines[1], /^compactions go well again, after \d+ failures in a row$/);
  await simulation.settle(store.close());
});

test('a manifest that cannot take the note of the first log is reported once', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation !== 'fdatasync' || !path.includes('MANIFEST')) return undefined;
    throw fileSystemError('EIO', operation, path);
  };
  await simulation.pass(60_000);
  simulation.fs.onCall = undefined;
  await simulation.pass(20_000);
  const lines = simulation.reports;
  assert.equal(lines.length, 2, lines.join('\n'));
  assert.match(lines[0], /^writes wait until the manifest can be written, which fails, tried again/);
  assert.match(lines[1], /^the manifest can be written again, after \d+ failures in a row$/);
  await simulation.settle(store.close());
});
