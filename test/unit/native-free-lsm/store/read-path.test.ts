import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LsmError, Page, RecordStore } from '../../../../native-free-lsm/index.ts';
import type { RoleHandle } from '../../../../native-free-lsm/threads/executor.ts';
import { readRecord, readResult, record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';
import { mortal } from '../../../support/mortal-executor.ts';
import { pageEntries } from '../../../support/page-entries.ts';

const ALL = {
  start: new Uint8Array(0),
  end: null,
  maxBytes: 1 << 20,
  maxEntries: 10_000,
  includeTombstones: true,
  encoder: 0,
  nowMs: 0,
};

function key(i: number): Buffer {
  return Buffer.from(`key${String(i).padStart(4, '0')}`);
}

async function filled(simulation: EngineSimulation, options = {}): Promise<RecordStore> {
  const store = simulation.openStore(options);
  for (let i = 0; i < 100; i++)
    await simulation.settle(writeRecordTo(store, key(i), record(i + 1, 'v'.repeat(100))));
  await simulation.settle(store.flush());
  return store;
}

test('reads in flight when their thread dies are answered by its successor, whatever has changed since', async () => {
  for (const readers of [1, 2]) {
    const { simulation, executor } = mortal();
    const store = await filled(simulation, { readers });
    for (let round = 1; round <= 3; round++) {
      // A flush is done and not in a super-version yet.
      const gate = Promise.withResolvers<void>();
      executor().backgroundGate = gate.promise;
      await simulation.settle(writeRecordTo(store, key(200 + round), record(1000 + round, 'x')));
      const flushed = store.flush();
      await simulation.pass(20);
      executor().rolesHeld = true;
      const reads = Array.from({ length: 100 }, (_, i) => readRecord(store, key(i)));
      const snapshot = store.snapshot();
      const calls = [ALL, { ...ALL, maxEntries: 7 }].map((asked) => store.rangePage(asked));
      calls.push(store.rangePage(ALL, snapshot));
      await simulation.pass(1);
      // Now the requests in the rings name a super-version, and a snapshot, that nobody else needs.
      gate.resolve();
      await simulation.pass(20);
      snapshot.release();
      executor().rolesHeld = false;
      executor().kill(executor().readers.at(-1) as RoleHandle);
      simulation.clock.flush();
      // It is dead. Before its successor comes to the requests everything is let go of that can be.
      executor().rolesHeld = true;
      await simulation.pass(2);
      store.snapshot().release();
      executor().rolesHeld = false;
      executor().kick();
      const found = await simulation.settle(Promise.all(reads));
      found.forEach((value, i) => {
        assert.deepEqual(value, record(i + 1, 'v'.repeat(100)));
      });
      const [all, seven, held] = await simulation.settle(Promise.all(calls));
      const lengths = [all, seven, held].map((page) => pageEntries(page).length);
      assert.deepEqual(lengths, [100 + round, 7, 100 + round]);
      await simulation.settle(flushed);
    }
    assert.equal(executor().readers.length, readers + 3);
    assert.equal(simulation.reports.filter((report) => report.includes('another takes its place')).length, 3);
    await simulation.settle(store.close());
    assert.equal(simulation.fs.openDescriptors, 0);
  }
});

test('a writer that dies poisons the engine: its writes fail by name, reads go on', async () => {
  const { simulation, executor } = mortal();
  const store = await filled(simulation);
  executor().kill(executor().writer as RoleHandle);
  const { error } = await simulation.settle(writeRecordTo(store, key(1), record(5000, 'x')));
  assert.equal((error as LsmError).code, 'POISONED');
  assert.match((error as LsmError).message, /writer thread died.*restart/);
  const later = await simulation.settle(writeRecordTo(store, key(1), record(5001, 'x')));
  assert.equal((later.error as LsmError).code, 'POISONED');
  assert.equal(store.stats().state, 'poisoned');
  assert.deepEqual(await simulation.settle(readRecord(store, key(1))), record(2, 'v'.repeat(100)));
  await assert.rejects(simulation.settle(store.flush()), { code: 'POISONED' });
  await simulation.settle(store.close());
  const again = simulation.openStore();
  assert.deepEqual(await simulation.settle(readRecord(again, key(99))), record(100, 'v'.repeat(100)));
  await simulation.settle(again.close());
});

test('a damaged block fails what needs it, with file and offset, and nothing else', async () => {
  const simulation = new EngineSimulation({
    memtableBytes: 1 << 20,
    maxRecordBytes: 16 << 10,
    blockCacheBytes: 0,
  });
  const store = await filled(simulation);
  const name = simulation.fs.listSync('/db').find((file) => file.endsWith('.sst')) as string;
  const bytes = simulation.fs.contents(`/db/${name}`);
  bytes[100] ^= 4;
  simulation.fs.place(`/db/${name}`, bytes);
  const { error } = await simulation.settle(readResult(store, key(0)));
  const { code, file, offset } = error as LsmError;
  assert.deepEqual(
    { code, file, offset: (offset as number) <= 100 },
    { code: 'CORRUPTION', file: `/db/${name}`, offset: true },
  );
  await assert.rejects(simulation.settle(store.rangePage(ALL)), { code: 'CORRUPTION' });
  assert.deepEqual(await simulation.settle(readRecord(store, key(99))), record(100, 'v'.repeat(100)));
  assert.equal((await simulation.settle(writeRecordTo(store, key(0), record(9000, 'new')))).error, null);
  assert.deepEqual(await simulation.settle(readRecord(store, key(0))), record(9000, 'new'));
  // The damaged table was set aside, and compactions leave it alone.
  await simulation.settle(store.flush());
  await simulation.settle(store.compact());
  assert.match(store.stats().conditions[0].message, /is damaged at byte/);
  for (let i = 0; i < 20; i++) await simulation.settle(writeRecordTo(store, key(i), record(10_000 + i, 'y')));
  await simulation.settle(store.flush());
  assert.deepEqual(await simulation.settle(readRecord(store, key(3))), record(10_003, 'y'));
  await simulation.settle(store.close());
});

test('a snapshot shows one moment through writes, flushes and compactions', async () => {
  const simulation = new EngineSimulation();
  const store = await filled(simulation);
  const snapshot = store.snapshot();
  const read = (i: number): Promise<{ record: Uint8Array | null; error: Error | null }> =>
    simulation.settle(
      new Promise((resolve) => {
        store.readAt(
          snapshot,
          key(i),
          { onRead: (_token, found, error) => resolve({ record: found, error }) },
          0,
        );
      }),
    );
  await simulation.settle(writeRecordTo(store, key(0), record(5000, 'new')));
  await simulation.settle(writeRecordTo(store, key(300), record(5001, 'new')));
  await simulation.settle(store.compact());
  assert.deepEqual((await read(0)).record, record(1, 'v'.repeat(100)));
  assert.equal((await read(300)).record, null);
  const page = await simulation.settle(store.rangePage(ALL, snapshot));
  const entries = pageEntries(page);
  assert.equal(entries.length, 100);
  assert.deepEqual(entries[0][1], record(1, 'v'.repeat(100)));
  snapshot.release();
  assert.equal(((await read(0)).error as LsmError).code, 'SNAPSHOT_EXPIRED');
  await assert.rejects(simulation.settle(store.rangePage(ALL, snapshot)), { code: 'SNAPSHOT_EXPIRED' });
  await simulation.settle(store.close());
});

test('keys longer than any that can be written are absent, and no bounds of a range', async () => {
  const simulation = new EngineSimulation();
  const store = await filled(simulation);
  const long = Buffer.alloc(70_000, 'key0');
  assert.equal(await simulation.settle(readRecord(store, long)), null);
  await assert.rejects(simulation.settle(store.rangePage({ ...ALL, start: long })), {
    code: 'INVALID_ARGUMENT',
  });
  await assert.rejects(simulation.settle(store.rangePage({ ...ALL, end: long })), {
    code: 'INVALID_ARGUMENT',
  });
  await simulation.settle(store.close());
});

test('a page has at least one entry whatever its limits, so that every scan ends', async () => {
  const simulation = new EngineSimulation();
  const store = await filled(simulation);
  const page = await simulation.settle(store.rangePage({ ...ALL, maxBytes: 0, maxEntries: 0 }));
  assert.deepEqual(pageEntries(page).length, 1);
  assert.deepEqual(page.resumeAt, key(1));
  await simulation.settle(store.close());
});

test('a page has no more bytes than were asked for, unless its first entry alone has', async () => {
  const simulation = new EngineSimulation();
  const store = await filled(simulation);
  await simulation.settle(writeRecordTo(store, key(3), record(1000, 'x'.repeat(2000))));
  const asked = { ...ALL, maxBytes: 500 };
  const lengths: number[] = [];
  for (let start: Uint8Array | null = asked.start; start !== null && lengths.length < 4; ) {
    const page: Page = await simulation.settle(store.rangePage({ ...asked, start }));
    lengths.push(page.usedBytes);
    start = page.resumeAt;
  }
  const entryBytes = 8 + 7 + 16;
  assert.deepEqual(lengths, [
    3 * (entryBytes + 100),
    entryBytes + 2000,
    ...new Array(2).fill(3 * (entryBytes + 100)),
  ]);
  await simulation.settle(store.close());
});

test('an encoder that was not given, or is none, is refused; one that cannot be loaded fails the page', async () => {
  const simulation = new EngineSimulation();
  assert.throws(() => simulation.openStore({ entryEncoders: ['./chunks.ts'] }), { code: 'INVALID_ARGUMENT' });
  const store = await filled(simulation, { entryEncoders: ['file:///nowhere/encoder.ts'] });
  await assert.rejects(store.rangePage({ ...ALL, encoder: 2 }), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(simulation.settle(store.rangePage({ ...ALL, encoder: 1 })), /nowhere/);
  assert.equal(pageEntries(await simulation.settle(store.rangePage(ALL))).length, 100);
  await simulation.settle(store.close());
});

test('a lookup that goes past a block from disk finds the next one in the cache', async () => {
  const simulation = new EngineSimulation();
  // Without filters a table that spans the key has to be looked into.
  const store = simulation.openStore({ bloomBitsPerKey: 0, l0CompactionTables: 4 });
  const write = (name: string, timestamp: number) =>
    simulation.settle(writeRecordTo(store, Buffer.from(name), record(timestamp, name)));
  const blocksRead = () => store.stats().tableReadsByThread['reader-1'];
  await write('b', 1);
  await simulation.settle(store.compact());
  await simulation.settle(readRecord(store, Buffer.from('b')));
  assert.equal(blocksRead(), 1);
  await write('a', 2);
  await write('c', 3);
  await simulation.settle(store.flush());
  assert.deepEqual(await simulation.settle(readRecord(store, Buffer.from('b'))), record(1, 'b'));
  assert.equal(blocksRead(), 2, "the upper table's block only");
  assert.deepEqual(await simulation.settle(readRecord(store, Buffer.from('b'))), record(1, 'b'));
  assert.equal(blocksRead(), 2);
  await simulation.settle(store.close());
});
