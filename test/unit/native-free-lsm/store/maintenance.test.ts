import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LsmError, type RecordStore } from '../../../../native-free-lsm/index.ts';
import {
  fileSystemError,
  InlineExecutor,
  MemoryFileSystem,
} from '../../../../native-free-lsm/simulation/index.ts';
import type {
  BackgroundJob,
  BackgroundResult,
} from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
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

/** Writes keys of a range whose tables no other range's meet. */
async function fillRange(
  simulation: EngineSimulation,
  store: RecordStore,
  range: string,
  timestamp: number,
): Promise<void> {
  const calls = [];
  for (let i = 0; i < 100; i++) {
    const key = Buffer.from(`${range}${String(i).padStart(3, '0')}`);
    calls.push(writeRecordTo(store, key, record(timestamp, 'x'.repeat(200))));
  }
  await simulation.settle(Promise.all(calls));
  await simulation.settle(store.flush());
}

for (const maxBackgroundJobs of [2, 4]) {
  test(`a compaction that fails again and again for a table of its own holds up no other, and is not said to go well because others do (${maxBackgroundJobs} jobs)`, async () => {
    const simulation = new EngineSimulation({
      ...TINY_OPTIONS,
      maxBackgroundJobs,
      maxCompactionBytes: 8 * 1024,
      // Level 0 goes to the last level at once.
      baseLevelBytes: 1024 * 1024,
    });
    const store = simulation.openStore();
    for (const range of ['a', 'b']) await fillRange(simulation, store, range, 1);
    await simulation.settle(store.compact());
    const last = tables(simulation).sort();
    // All but the last of the tables of range a, which may have keys of b.
    const failing = new Set(last.slice(0, (last.length >> 1) - 1).map((name) => `/db/${name}`));
    assert.ok(failing.size > 0);
    let failures = 0;
    simulation.fs.onCall = ({ operation, path }) => {
      if (operation !== 'openRead' || !failing.has(path)) return undefined;
      failures++;
      // Of the process, not of the table: no reason to set it aside.
      throw fileSystemError('EMFILE', operation, path);
    };
    const lines = simulation.reports;
    // Until it is tried every 10 s only.
    for (let round = 2; round < 5; round++) {
      await fillRange(simulation, store, 'a', round);
      await simulation.pass(20_000);
    }
    assert.ok(failures > 2, `${failures} failures`);
    assert.deepEqual(
      store.stats().conditions.map(({ code }) => code),
      ['COMPACTION_FAILING'],
    );
    const before = { failures, ...store.stats() };
    const startMs = simulation.clock.nowMs();
    for (let round = 5; round < 13; round++) {
      await fillRange(simulation, store, 'b', round);
      await simulation.pass(200);
    }
    const tookMs = simulation.clock.nowMs() - startMs;
    assert.ok(tookMs < 10_000, `${tookMs} ms`);
    const { compactions, tablesByLevel } = store.stats();
    assert.ok(compactions - before.compactions >= 8, `${compactions - before.compactions} compactions`);
    assert.ok(tablesByLevel[0] <= before.tablesByLevel[0] + 2, `${before.tablesByLevel}, ${tablesByLevel}`);
    assert.ok(failures - before.failures <= 3, `${failures - before.failures} more failures`);
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0], /^compactions fail, tried again in 100 ms, .*too many files are open/);
    failing.clear();
    await simulation.pass(20_000);
    await simulation.settle(store.compact());
    assert.equal(lines.length, 2, lines.join('\n'));
    assert.match(lines[1], /^compactions go well again, after \d+ failures in a row$/);
    assert.deepEqual(store.stats().conditions, []);
    await simulation.settle(store.close());
  });
}

test('a compaction whose thread dies each time does not have the others wait ever longer', async () => {
  const failing = new Set<string>();
  let failures = 0;
  class DeadlyExecutor extends InlineExecutor {
    override runBackground(background: BackgroundJob): Promise<BackgroundResult> {
      const { job } = background;
      const isFailing = job.type === 'merge' && job.spec.inputs.some(({ path }) => failing.has(path));
      if (!isFailing) return super.runBackground(background);
      failures++;
      return Promise.reject(new LsmError('WORKER_DIED', 'a thread died'));
    }
  }
  const options = { ...TINY_OPTIONS, maxCompactionBytes: 8 * 1024, baseLevelBytes: 1024 * 1024 };
  const simulation = new EngineSimulation(
    options,
    new MemoryFileSystem(),
    (context) => new DeadlyExecutor(context),
  );
  const store = simulation.openStore();
  for (const range of ['a', 'b']) await fillRange(simulation, store, range, 1);
  await simulation.settle(store.compact());
  const last = tables(simulation).sort();
  for (const name of last.slice(0, (last.length >> 1) - 1)) failing.add(`/db/${name}`);
  for (let round = 2; round < 5; round++) {
    await fillRange(simulation, store, 'a', round);
    await simulation.pass(20_000);
  }
  assert.ok(failures > 2, `${failures} failures`);
  // Until the wait that goes on is over.
  await fillRange(simulation, store, 'b', 5);
  await simulation.pass(10_000);
  const before = store.stats();
  for (let round = 6; round < 14; round++) {
    await fillRange(simulation, store, 'b', round);
    await simulation.pass(400);
  }
  const { compactions, tablesByLevel } = store.stats();
  assert.ok(compactions - before.compactions >= 8, `${compactions - before.compactions} compactions`);
  assert.ok(tablesByLevel[0] <= before.tablesByLevel[0] + 2, `${before.tablesByLevel}, ${tablesByLevel}`);
  assert.doesNotMatch(simulation.reports.join('\n'), /go well again/);
  await simulation.settle(store.close());
});

test('a compaction that failed and is not due any more is forgotten: the next failure is told, and tried again soon', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, l0CompactionTables: 12 });
  const store = simulation.openStore();
  for (const timestamp of [1, 2]) await fillRange(simulation, store, 'a', timestamp);
  const isTable = (path: string): boolean => path.includes('.sst');
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'create' && isTable(path)) throw fileSystemError('EIO', operation, path);
    return undefined;
  };
  for (let round = 0; round < 3; round++) {
    const lines = simulation.reports.splice(0);
    assert.equal(lines.length, round === 0 ? 0 : 2);
    // Only the full compaction wants it.
    await assert.rejects(simulation.settle(store.compact()), { code: 'IO_ERROR' });
    await simulation.pass(1000);
    assert.match(simulation.reports[0], /^compactions fail, tried again in 100 ms, .*EIO/);
    assert.equal(simulation.reports[1], 'no compaction that failed is due any more, after one failure');
    assert.deepEqual(store.stats().conditions, []);
  }
  simulation.fs.onCall = undefined;
  await simulation.settle(store.compact());
  assert.equal(simulation.reports.length, 2);
  await simulation.settle(store.close());
});

test('a full disk holds up all compactions: it is asked once a wait, and not by each of them', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, maxCompactionBytes: 8 * 1024 });
  const store = simulation.openStore();
  for (const range of ['a', 'b', 'c', 'd']) await fillRange(simulation, store, range, 1);
  let failures = 0;
  let isFull = false;
  simulation.fs.onCall = ({ operation, path }) => {
    if (!isFull || operation !== 'create' || !path.includes('.sst')) return undefined;
    failures++;
    throw fileSystemError('ENOSPC', operation, path);
  };
  await simulation.settle(store.compact());
  for (const range of ['a', 'b', 'c', 'd']) await fillRange(simulation, store, range, 2);
  isFull = true;
  await simulation.settle(store.compact().catch(() => undefined));
  await simulation.pass(60_000);
  // 100 ms and twice as much each time up to 10 s: 0.1 + 0.2 + ... + 6.4 s, then every 10 s.
  assert.ok(failures <= 14, `${failures} failures`);
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
