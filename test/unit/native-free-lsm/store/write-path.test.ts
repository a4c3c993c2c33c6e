import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type KeyedRecord,
  type LsmError,
  type RecordStore,
  WriteStatus,
} from '../../../../native-free-lsm/index.ts';
import { surveyTable } from '../../../../native-free-lsm/offline/table-survey.ts';
import { fileSystemError, MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { readRecord, record, type WriteResult, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';

function key(i: number): Buffer {
  return Buffer.from(`key${String(i).padStart(6, '0')}`);
}

function writeBatch(store: RecordStore, puts: readonly KeyedRecord[]): Promise<WriteResult> {
  return new Promise((resolve) => {
    const sink = {
      onWrite: (
        _token: number,
        status: WriteStatus,
        metTimestamp: number,
        metWriter: number,
        error: Error | null,
      ) => resolve({ status, metTimestamp, metWriter, error }),
    };
    store.writeBatch(puts, sink, 0);
  });
}

function codeOf(result: WriteResult): string {
  return result.error === null ? String(result.status) : (result.error as LsmError).code;
}

test('a burst of many times a memtable in one turn is all applied and all read', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore({ maxQueuedWriteBytes: 1 << 30, targetFileBytes: 64 << 10 });
  for (const [count, size] of [
    [1500, 4000],
    [6000, 1],
  ]) {
    const values = Array.from({ length: count }, (_, i) => record(count + i, Buffer.alloc(size, i)));
    const results = await simulation.settle(
      Promise.all(values.map((value, i) => writeRecordTo(store, key(i), value))),
    );
    assert.deepEqual(new Set(results.map(codeOf)), new Set(['0']));
    for (let i = 0; i < count; i += 7) {
      assert.deepEqual(await simulation.settle(readRecord(store, key(i))), values[i]);
    }
  }
  await simulation.settle(store.close());
});

test('a batch of tiny puts is applied whole, also when no memtable could hold it', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore({ maxRecordBytes: 32 << 10 });
  for (const count of [50, 400, 1200]) {
    const puts = Array.from({ length: count }, (_, i) => ({
      key: Buffer.from([i >> 8, i]),
      record: record(count, ''),
    }));
    const result = await simulation.settle(writeBatch(store, puts));
    assert.equal(result.error, null);
    assert.equal(
      store.stats().bytesIngested > 0,
      count === 1200,
      'only the largest goes into tables directly',
    );
    for (const put of puts) assert.deepEqual(await simulation.settle(readRecord(store, put.key)), put.record);
  }
  await simulation.settle(store.close());
});

test('a batch with a put that cannot be compared with a damaged table fails whole', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, key(1), record(100, 'old')));
  await simulation.settle(store.flush());
  const [table] = simulation.fs.listSync('/db').filter((name) => name.endsWith('.sst'));
  const bytes = simulation.fs.contents(`/db/${table}`);
  // What cannot be read there, its slot versions do not say either.
  const { block } = surveyTable(simulation.fs, `/db/${table}`).slotVersions!;
  bytes[20] ^= 1;
  bytes[block.offset + block.lengthBytes - 1] ^= 1;
  simulation.fs.place(`/db/${table}`, bytes);
  const result = await simulation.settle(
    writeBatch(store, [
      { key: key(1), record: record(50, 'late') },
      { key: key(2), record: record(101, 'fine') },
    ]),
  );
  assert.equal(codeOf(result), 'CORRUPTION');
  assert.equal(await simulation.settle(readRecord(store, key(2))), null);
  await simulation.settle(store.close());
  const again = simulation.openStore();
  assert.equal(await simulation.settle(readRecord(again, key(2))), null, 'nor does the log bring it back');
  await simulation.settle(again.close());
});

test('writes that wait for a memtable go on when a flush makes room', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore({
    maxSealedMemtables: 1,
    writeStallTimeoutMs: 60_000,
    l0StopTables: 2,
    l0SlowdownTables: 2,
  });
  const written = Array.from({ length: 120 }, (_, i) =>
    writeRecordTo(store, key(i), record(1, Buffer.alloc(3000, i))),
  );
  const results = await simulation.settle(Promise.all(written));
  assert.deepEqual(new Set(results.map(codeOf)), new Set(['0']));
  await simulation.settle(store.close());
});

test('writes wait no longer than their bound while flushes fail, then fail at once, and recover', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore({ writeStallTimeoutMs: 500, maxSealedMemtables: 2 });
  simulation.fs.onCall = ({ operation, path }) => {
    if (path.endsWith('.sst.tmp')) throw fileSystemError('ENOSPC', operation, path);
    return undefined;
  };
  let stored = 0;
  let waitedMs = 0;
  for (let i = 0; ; i++) {
    const startMs = simulation.clock.monotonicMs();
    const result = await simulation.settle(writeRecordTo(store, key(i), record(1, Buffer.alloc(3000))));
    waitedMs = simulation.clock.monotonicMs() - startMs;
    if (result.error !== null) {
      assert.equal((result.error as LsmError).code, 'OVERLOADED');
      assert.ok((result.error as LsmError).canRetry);
      stored = i;
      break;
    }
  }
  assert.ok(stored > 40, 'three memtables');
  assert.ok(waitedMs >= 500 && waitedMs < 600, `${waitedMs} ms`);
  assert.match(store.stats().lastError as string, /disk or quota is full/);
  const startMs = simulation.clock.monotonicMs();
  const next = await simulation.settle(writeRecordTo(store, key(stored), record(1, Buffer.alloc(3000))));
  assert.equal(codeOf(next), 'OVERLOADED');
  assert.ok(simulation.clock.monotonicMs() - startMs < 20, 'the second does not wait');
  assert.ok((await simulation.settle(readRecord(store, key(0)))) !== null, 'reads go on');

  simulation.fs.onCall = undefined;
  simulation.clock.advance(20_000);
  assert.equal(codeOf(await simulation.settle(writeRecordTo(store, key(stored), record(2, 'x')))), '0');
  for (let i = 0; i <= stored; i++) assert.ok((await simulation.settle(readRecord(store, key(i)))) !== null);
  await simulation.settle(store.close());
});

test('a write that waits for the disk until its time is over is not written, however many wait', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore({ writeStallTimeoutMs: 60_000, maxQueuedWriteBytes: 1 << 30 });
  simulation.fs.onCall = ({ operation, path }) => {
    if (path.endsWith('.sst.tmp')) throw fileSystemError('ENOSPC', operation, path);
    return undefined;
  };
  // Ten times what there are memtables for: the rest waits in the ring and before it.
  const results = await simulation.settle(
    Promise.all(
      Array.from({ length: 600 }, (_, i) =>
        writeRecordTo(store, key(i), record(1, Buffer.alloc(3000)), i % 2 === 0 ? 300 : 400),
      ),
    ),
  );
  const late = results.flatMap((result, i) => (codeOf(result) === 'OVERLOADED' ? [i] : []));
  assert.ok(late.length > 300, `${late.length}`);
  assert.equal(results.filter((result) => codeOf(result) === '0').length, 600 - late.length);
  assert.match((results[late[0]].error as LsmError).message, /its turn: it was not written/);
  for (const i of late) assert.equal(await simulation.settle(readRecord(store, key(i))), null);
  simulation.fs.onCall = undefined;
  simulation.clock.advance(20_000);
  assert.equal(codeOf(await simulation.settle(writeRecordTo(store, key(0), record(2, 'x'), 300))), '0');
  for (const i of late) assert.equal(await simulation.settle(readRecord(store, key(i))), null);
  await simulation.settle(store.close());
});

test('a log that cannot be begun or ended is tried again', async () => {
  for (const failing of ['create', 'write']) {
    const simulation = new EngineSimulation();
    const store = simulation.openStore();
    await simulation.settle(writeRecordTo(store, key(1), record(1, 'one')));
    simulation.fs.onCall = ({ operation, path }) => {
      if (operation === failing && path.endsWith('.log')) throw fileSystemError('ENOSPC', operation, path);
      return undefined;
    };
    await assert.rejects(simulation.settle(store.flush()), { code: 'NO_SPACE' });
    simulation.fs.onCall = undefined;
    assert.equal(
      codeOf(await simulation.settle(writeRecordTo(store, key(2), record(2, 'two')))),
      '0',
      failing,
    );
    await simulation.settle(store.flush());
    await simulation.settle(store.close());
    const again = simulation.openStore();
    assert.deepEqual(await simulation.settle(readRecord(again, key(1))), record(1, 'one'));
    assert.deepEqual(await simulation.settle(readRecord(again, key(2))), record(2, 'two'));
    await simulation.settle(again.close());
  }
});

test('an engine that is opened on a full disk reads, and writes once there is room', async () => {
  const fs = new MemoryFileSystem();
  const first = new EngineSimulation(undefined, fs);
  const store = first.openStore();
  await first.settle(writeRecordTo(store, key(1), record(1, 'one')));
  await first.settle(store.close());
  fs.onCall = ({ operation, path }) => {
    if (operation === 'create' && path.endsWith('.log')) throw fileSystemError('ENOSPC', operation, path);
    return undefined;
  };
  const full = first.openStore();
  assert.equal(codeOf(await first.settle(writeRecordTo(full, key(2), record(2, 'two')))), 'NO_SPACE');
  assert.deepEqual(await first.settle(readRecord(full, key(1))), record(1, 'one'));
  fs.onCall = undefined;
  assert.equal(codeOf(await first.settle(writeRecordTo(full, key(2), record(2, 'two')))), '0');
  await first.settle(full.close());
});

test('a failed sync refuses every later write and says so; reads go on; a restart has what was acknowledged', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, key(1), record(1, 'one')));
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync' && path.endsWith('.log')) throw fileSystemError('EIO', operation, path);
    return undefined;
  };
  assert.equal(codeOf(await simulation.settle(writeRecordTo(store, key(2), record(2, 'two')))), 'POISONED');
  simulation.fs.onCall = undefined;
  assert.equal(codeOf(await simulation.settle(writeRecordTo(store, key(3), record(3, 'three')))), 'POISONED');
  assert.equal(store.stats().state, 'poisoned');
  assert.match(simulation.reports.join(), /000001\.log could not be synced/);
  assert.deepEqual(await simulation.settle(readRecord(store, key(1))), record(1, 'one'));
  assert.equal(await simulation.settle(readRecord(store, key(2))), null);
  await simulation.settle(store.close());
  const again = simulation.openStore();
  assert.deepEqual(await simulation.settle(readRecord(again, key(1))), record(1, 'one'));
  assert.equal(codeOf(await simulation.settle(writeRecordTo(again, key(3), record(3, 'three')))), '0');
  await simulation.settle(again.close());
});

test('older versions that arrive late hide nothing, wherever the newer one is by then', async () => {
  const simulation = new EngineSimulation();
  let store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, key(1), record(10, 'newer', 5)));
  const stations: (() => Promise<void>)[] = [
    async () => undefined,
    () => simulation.settle(store.flush()),
    () => simulation.settle(store.compact()),
    async () => {
      await simulation.settle(store.close());
      store = simulation.openStore();
    },
  ];
  for (const station of stations) {
    await station();
    for (const [timestamp, writer] of [
      [9, 9],
      [10, 4],
      [10, 5],
    ]) {
      const result = await simulation.settle(writeRecordTo(store, key(1), record(timestamp, 'late', writer)));
      assert.deepEqual(result, { status: WriteStatus.stale, metTimestamp: 10, metWriter: 5, error: null });
    }
    assert.deepEqual(await simulation.settle(readRecord(store, key(1))), record(10, 'newer', 5));
  }
  const newer = await simulation.settle(writeRecordTo(store, key(1), record(10, 'newest', 6)));
  assert.deepEqual(newer, { status: WriteStatus.applied, metTimestamp: 10, metWriter: 5, error: null });
  await simulation.settle(store.close());
});

test('writes that make no sense are refused before they reach the log', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  // Until the manifest names the first log.
  await simulation.pass(10);
  const calls = simulation.fs.callCount;
  for (const [name, value] of [
    [new Uint8Array(65_536), record(1, 'x')],
    [key(1), record(1, Buffer.alloc(20_000))],
    [key(1), new Uint8Array(3)],
    [key(1), new Uint8Array(16)],
  ]) {
    const single = await simulation.settle(writeRecordTo(store, name, value));
    const batch = await simulation.settle(writeBatch(store, [{ key: name, record: value }]));
    for (const result of [single, batch]) assert.equal(codeOf(result), 'INVALID_ARGUMENT');
  }
  assert.equal(simulation.fs.callCount, calls);
  await simulation.settle(store.close());
});

for (const durability of ['none', 'interval'] as const) {
  test(`with durability ${durability}, a sync brings to the disk all that was answered before it`, async () => {
    const simulation = new EngineSimulation();
    const store = simulation.openStore({ durability, syncIntervalMs: 3_600_000 });
    await simulation.settle(writeRecordTo(store, key(1), record(1, 'synced')));
    await simulation.settle(store.sync());
    await simulation.settle(writeRecordTo(store, key(2), record(2, 'not synced')));
    const powerCut = { bytes: 'lost', names: 'lost' } as const;
    const after = simulation.restartWith(simulation.fs.crash(powerCut));
    const found = after.openStore();
    assert.deepEqual(await after.settle(readRecord(found, key(1))), record(1, 'synced'));
    assert.equal(await after.settle(readRecord(found, key(2))), null);
    await after.settle(found.close());

    // Also what a log holds that came before; and a write that comes with the sync is as fast as ever.
    const values = Array.from({ length: 300 }, (_, i) => record(i + 3, 'v'.repeat(500)));
    await simulation.settle(Promise.all(values.map((value, i) => writeRecordTo(store, key(i + 3), value))));
    const write = writeRecordTo(store, key(303), record(303, 'with it'));
    await simulation.settle(store.sync());
    assert.equal((await simulation.settle(write)).status, WriteStatus.applied);
    const again = simulation.restartWith(simulation.fs.crash(powerCut));
    const all = again.openStore();
    for (let i = 2; i <= 302; i++)
      assert.notEqual(await again.settle(readRecord(all, key(i))), null, `key ${i}`);
    await again.settle(all.close());
    await simulation.settle(store.close());
  });
}

test('a sync that fails says so, and so does one of an engine that is closed', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore({ durability: 'none' });
  await simulation.settle(writeRecordTo(store, key(1), record(1, 'v')));
  simulation.fs.onCall = (call) => {
    if (call.operation === 'fdatasync') throw fileSystemError('EIO', 'fdatasync', call.path);
  };
  await assert.rejects(simulation.settle(store.sync()), { code: 'POISONED' });
  await assert.rejects(simulation.settle(store.sync()), { code: 'POISONED' });
  simulation.fs.onCall = undefined;
  await simulation.settle(store.close().catch(() => undefined));
  await assert.rejects(store.sync(), { code: 'CLOSED' });
});
