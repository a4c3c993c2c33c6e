import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LsmError } from '../../../../native-free-lsm/index.ts';
import {
  fileSystemError,
  MemoryFileSystem,
  SimulatedCrash,
} from '../../../../native-free-lsm/simulation/index.ts';
import { readRecord, record, writeRecordTo } from '../../../support/engine-calls.ts';
import {
  backgroundAfter,
  EngineSimulation,
  NoBackground,
  TINY_OPTIONS,
} from '../../../support/engine-simulation.ts';

const KEY = Buffer.from('key');

test('any number of starts that a crash follows keeps every write', async () => {
  // Every start leaves one more log behind.
  let simulation = new EngineSimulation(undefined, undefined, (context) => new NoBackground(context));
  for (let start = 0; start < 40; start++) {
    const store = simulation.openStore();
    const name = Buffer.from(`key${start % 30}`);
    const { error } = await simulation.settle(writeRecordTo(store, name, record(start + 1, `value${start}`)));
    assert.equal(error, null);
    for (let i = Math.max(0, start - 29); i <= start; i++) {
      const found = await simulation.settle(readRecord(store, Buffer.from(`key${i % 30}`)));
      assert.deepEqual(found, record(i + 1, `value${i}`), `key${i % 30} after ${start} starts`);
    }
    simulation = simulation.restartWith(simulation.fs.crash({ bytes: 'lost', names: 'lost' }));
  }
});

test('an opening that had to flush and was stopped in the middle is no hindrance to the next', async () => {
  let simulation = new EngineSimulation(undefined, undefined, (context) => new NoBackground(context));
  for (let start = 1; start <= 14; start++) {
    const store = simulation.openStore();
    await simulation.settle(writeRecordTo(store, KEY, record(start, `value${start}`)));
    simulation = simulation.restartWith(simulation.fs.kill());
  }
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'rename' && path.endsWith('.sst.tmp')) throw new SimulatedCrash();
    return undefined;
  };
  assert.throws(() => simulation.openStore(), { code: 'IO_ERROR' });
  const left = new EngineSimulation(undefined, simulation.fs.kill());
  assert.ok(left.fs.listSync('/db').some((name) => name.endsWith('.sst.tmp')));
  const store = left.openStore();
  assert.deepEqual(await left.settle(readRecord(store, KEY)), record(14, 'value14'));
  await left.settle(store.close());
});

test('an opening that flushed logs and could not put its manifest into force leaves the tables of both', async () => {
  for (const code of ['ENOSPC', 'EROFS', 'EIO']) {
    let simulation = new EngineSimulation(undefined, undefined, (context) => new NoBackground(context));
    for (let start = 1; start <= 16; start++) {
      const store = simulation.openStore();
      await simulation.settle(writeRecordTo(store, Buffer.from(`key${start}`), record(start, 'value')));
      simulation = simulation.restartWith(simulation.fs.kill());
    }
    let renamed = false;
    simulation.fs.onCall = ({ operation, path }) => {
      if (operation === 'rename' && path.endsWith('CURRENT.tmp')) renamed = true;
      if (operation === 'syncDirectory' && renamed) throw fileSystemError(code, operation, path);
      return undefined;
    };
    assert.throws(() => simulation.openStore(), { code: 'IO_ERROR' }, code);
    simulation.fs.onCall = undefined;
    const store = simulation.openStore();
    for (let start = 1; start <= 16; start++)
      assert.ok(
        (await simulation.settle(readRecord(store, Buffer.from(`key${start}`)))) !== null,
        `${start}`,
      );
  }
});

test('a log whose creation was interrupted is an empty one from the next start on', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, Buffer.from('key'), record(1, 'value')));
  await simulation.settle(store.close());
  simulation.fs.place('/db/000002.log', new Uint8Array(0));
  let left = simulation;
  for (let start = 0; start < 4; start++) {
    left = left.restartWith(left.fs.crash({ bytes: 'lost', names: 'kept' }));
    const again = left.openStore();
    assert.ok((await left.settle(readRecord(again, Buffer.from('key')))) !== null);
  }
});

test('options that make no sense are refused, and leave the directory free for another attempt', async () => {
  const simulation = new EngineSimulation();
  for (const options of [
    { memtableBytes: 1 << 29 },
    { memtableBytes: 65_537 },
    { maxRecordBytes: 40 << 20, memtableBytes: 128 << 20 },
    { maxRecordBytes: 33 << 10 },
    { readers: 0 },
    { readers: 40 },
    { durability: 'never' as 'none' },
    { bottomCompression: 'snappy' as 'none' },
    { blockSizeBytes: 1.5 },
  ]) {
    assert.throws(() => simulation.openStore(options), { code: 'INVALID_ARGUMENT' }, JSON.stringify(options));
  }
  const store = simulation.openStore();
  assert.throws(() => simulation.openStore(), { code: 'LOCKED' });
  await simulation.settle(store.close());
  await simulation.settle(simulation.openStore().close());
});

test('a directory that is somebody else’s is left alone', () => {
  const simulation = new EngineSimulation();
  simulation.fs.place('/db/holiday.jpg', Buffer.from('x'));
  assert.throws(() => simulation.openStore(), { code: 'FOREIGN_DIRECTORY', message: /holiday\.jpg/ });
  assert.deepEqual(simulation.fs.listSync('/db'), ['holiday.jpg']);
});

test('every call that fails while opening is an error of the engine’s', async () => {
  const fs = new MemoryFileSystem();
  const simulation = new EngineSimulation(undefined, fs);
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, KEY, record(1, 'x')));
  await simulation.settle(store.flush());
  await simulation.settle(store.close());
  for (let failAt = 0; ; failAt++) {
    const attempt = simulation.restartWith(fs.crash({ bytes: 'kept', names: 'kept' }));
    let failed = false;
    attempt.fs.onCall = ({ index, operation, path }) => {
      if (index !== failAt) return undefined;
      failed = true;
      throw fileSystemError('EIO', operation, path);
    };
    try {
      const opened = attempt.openStore();
      attempt.fs.onCall = undefined;
      assert.deepEqual(await attempt.settle(readRecord(opened, KEY)), record(1, 'x'));
      await attempt.settle(opened.close());
    } catch (error) {
      assert.ok(error instanceof LsmError, (error as Error).message);
      attempt.fs.onCall = undefined;
      const opened = attempt.openStore();
      assert.deepEqual(await attempt.settle(readRecord(opened, KEY)), record(1, 'x'));
      await attempt.settle(opened.close());
    }
    assert.equal(attempt.fs.openDescriptors, 0, `call ${failAt}`);
    if (!failed) return;
  }
});

test('closing says so when the last sync fails, and lets go of the directory', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore({ durability: 'none' });
  const { error } = await simulation.settle(writeRecordTo(store, KEY, record(1, 'x')));
  assert.equal(error, null);
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync' && path.endsWith('.log')) throw fileSystemError('EIO', operation, path);
    return undefined;
  };
  await assert.rejects(simulation.settle(store.close()), { code: 'POISONED' });
  simulation.fs.onCall = undefined;
  assert.equal(simulation.fs.openDescriptors, 0);
  await simulation.settle(simulation.openStore().close());
});

for (const options of [
  { durability: 'interval', syncIntervalMs: 50 },
  // Main syncs what the log has grown by.
  { ...TINY_OPTIONS, durability: 'none', singleThread: true },
] as const) {
  const { durability } = options;
  for (const isTold of [false, true]) {
    const name = isTold ? 'does not say again' : 'says';
    test(`closing ${name} that a sync before has failed, with durability ${durability}`, async () => {
      const simulation = new EngineSimulation();
      const store = simulation.openStore(options);
      simulation.fs.onCall = ({ operation, path }) => {
        if (operation === 'fdatasync' && path.endsWith('.log')) throw fileSystemError('EIO', operation, path);
      };
      for (let i = 1; i <= 4; i++) {
        const { error } = await simulation.settle(writeRecordTo(store, KEY, record(i, 'x'.repeat(4500))));
        assert.equal(error, null);
      }
      await simulation.pass(100);
      assert.equal(store.stats().state, 'poisoned');
      if (isTold) {
        const { error } = await simulation.settle(writeRecordTo(store, KEY, record(9, 'x')));
        assert.equal((error as LsmError).code, 'POISONED');
        await simulation.settle(store.close());
      } else await assert.rejects(simulation.settle(store.close()), { code: 'POISONED', message: /EIO/ });
      simulation.fs.onCall = undefined;
      assert.equal(simulation.fs.openDescriptors, 0);
      await simulation.settle(simulation.openStore().close());
    });
  }
}

test('a manifest that cannot be marked as closed does no harm', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, KEY, record(1, 'x')));
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'write' && path.includes('MANIFEST')) throw fileSystemError('ENOSPC', operation, path);
    return undefined;
  };
  await simulation.settle(store.close());
  simulation.fs.onCall = undefined;
  const again = simulation.openStore();
  assert.deepEqual(await simulation.settle(readRecord(again, KEY)), record(1, 'x'));
  await simulation.settle(again.close());
});

test('closing does not wait for a manifest that cannot be written', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, writeStallTimeoutMs: 30_000 });
  const { clock, fs } = simulation;
  const store = simulation.openStore();
  fs.onCall = ({ operation, path }) => {
    if (operation === 'write' && path.includes('MANIFEST')) throw fileSystemError('ENOSPC', operation, path);
    return undefined;
  };
  await simulation.pass(5);
  assert.deepEqual(
    store.stats().conditions.map(({ code }) => code),
    ['NO_SPACE'],
  );
  const before = clock.monotonicMs();
  await simulation.settle(store.close());
  const tookMs = clock.monotonicMs() - before;
  assert.ok(tookMs < 100, `${tookMs} ms`);
  fs.onCall = undefined;
  assert.equal(fs.openDescriptors, 0);
  await simulation.settle(simulation.openStore().close());
});

test('writes to a log under interval durability are synced when due, without further traffic', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore({ durability: 'interval', syncIntervalMs: 50 });
  await simulation.settle(writeRecordTo(store, KEY, record(1, 'x')));
  simulation.clock.advance(60);
  const left = simulation.restartWith(simulation.fs.crash({ bytes: 'lost', names: 'lost' }));
  const recovered = left.openStore();
  assert.deepEqual(await left.settle(readRecord(recovered, KEY)), record(1, 'x'));
  await left.settle(recovered.close());
  await simulation.settle(store.close());
});

test('a snapshot of an opening that found many logs does not keep writers waiting', async () => {
  const options = { ...TINY_OPTIONS, maxSealedMemtables: 1 };
  const simulation = new EngineSimulation(options, undefined, backgroundAfter(20));
  for (let start = 0; start < 3; start++) await simulation.settle(simulation.openStore().close());
  const store = simulation.openStore();
  using snapshot = store.snapshot();
  for (let i = 1; i <= 200; i++) {
    const { error } = await simulation.settle(writeRecordTo(store, KEY, record(i, 'x'.repeat(2000))));
    assert.equal(error, null, `write ${i}`);
  }
  assert.equal(store.readSync(KEY, snapshot), null, 'it was taken before the first write');
  await simulation.settle(store.close());
});

test('a directory that has to be there is not made', async () => {
  const simulation = new EngineSimulation();
  const { fs } = simulation;
  assert.throws(() => simulation.openStore({ createIfMissing: false }), { code: 'NOT_FOUND' });
  assert.equal(fs.existsSync('/db'), false);
  // An empty mount point, and one that was mounted once.
  fs.makeDirectorySync('/db');
  for (const name of ['LOCK', 'CURRENT.tmp']) {
    assert.throws(() => simulation.openStore({ createIfMissing: false }), { code: 'NOT_FOUND' });
    fs.place(`/db/${name}`, new Uint8Array(0));
  }
  assert.throws(() => simulation.openStore({ createIfMissing: false }), { code: 'NOT_FOUND' });
  await simulation.settle(simulation.openStore().close());
  await simulation.settle(simulation.openStore({ createIfMissing: false }).close());
});
