/** Ranges that are deleted by one record. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Engine,
  type EngineOptions,
  encodeRecord,
  MAX_TIMESTAMP,
} from '../../../../native-free-lsm/index.ts';
import { statFolder } from '../../../../native-free-lsm/offline/stat.ts';
import { record, writeRecordTo } from '../../../support/engine-calls.ts';
import { backgroundAfter, EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const bytes = (text: string) => Buffer.from(text);
const numbered = (i: number) => bytes(`key${String(i).padStart(5, '0')}`);
/** Deletions need not outlive what they hide. */
const ALONE: Partial<EngineOptions> = { dropTombstonesBelow: MAX_TIMESTAMP };

async function opened(
  more: Partial<EngineOptions> = {},
): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, ...ALONE, ...more });
  return { simulation, engine: await simulation.openEngine() };
}

async function fill(simulation: EngineSimulation, engine: Engine, from: number, to: number): Promise<void> {
  for (let start = from; start < to; start += 100) {
    const count = Math.min(100, to - start);
    const puts = Array.from({ length: count }, (_, i) => engine.put(numbered(start + i), Buffer.alloc(100)));
    await simulation.settle(Promise.all(puts));
  }
}

async function keysOf(simulation: EngineSimulation, engine: Engine, reverse = false): Promise<string[]> {
  const read = async (): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of engine.range({ reverse })) keys.push(Buffer.from(key).toString());
    return keys;
  };
  return simulation.settle(read());
}

test('a range of many keys costs one record in the log, and few bytes in a table', async () => {
  const { simulation, engine } = await opened();
  const { fs } = simulation;
  await fill(simulation, engine, 0, 2000);
  await simulation.settle(engine.compact());
  const logBytes = (): number => {
    const logs = fs.listSync('/db').filter((name) => name.endsWith('.log'));
    return logs.reduce((sum, name) => sum + fs.sizeSync(`/db/${name}`), 0);
  };
  const before = logBytes();
  await simulation.settle(engine.clear({ gte: numbered(100), lt: numbered(1900) }));
  assert.ok(logBytes() - before <= 120, `${logBytes() - before} bytes of log`);
  const flushed = engine.store.stats().bytesFlushed;
  await simulation.settle(engine.flush());
  assert.ok(engine.store.stats().bytesFlushed - flushed < 1000);
  const keys = await keysOf(simulation, engine);
  assert.deepEqual([keys.length, keys[99], keys[100]], [200, 'key00099', 'key01900']);
  await simulation.settle(engine.close());
});

for (const reverse of [false, true]) {
  test(`a scan over a hole reads few blocks of what was there, ${reverse ? 'down' : 'up'}`, async () => {
    // Nothing is compacted behind the deletion, so that the hole stays as it is.
    const { simulation, engine } = await opened({ blockCacheBytes: 0, l0CompactionTables: 12, readers: 1 });
    const { fs } = simulation;
    await fill(simulation, engine, 0, 3000);
    await simulation.settle(engine.compact());
    // A table of level 0 keeps the deletion from being brought down at once.
    const sizes = engine.store.stats().bytesByLevel;
    assert.ok(sizes[6] > 200_000, `${sizes}`);
    await simulation.settle(engine.clear({ gte: numbered(10), lt: numbered(2990) }));
    let readBytes = 0;
    fs.onCall = ({ lengthBytes, operation, path }) => {
      if (operation === 'read' && path.endsWith('.sst')) readBytes += lengthBytes;
      return undefined;
    };
    const keys = await keysOf(simulation, engine, reverse);
    assert.equal(keys.length, 20);
    assert.ok(readBytes > 0 && readBytes < 20_000, `${readBytes} bytes read`);
    await simulation.settle(engine.close());
  });
}

test('a get in a hole reads no block', async () => {
  const { simulation, engine } = await opened({ blockCacheBytes: 0 });
  await fill(simulation, engine, 0, 500);
  await simulation.settle(engine.compact());
  await simulation.settle(engine.clear({ lt: numbered(400) }));
  let reads = 0;
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'read' && path.endsWith('.sst')) reads++;
    return undefined;
  };
  for (let i = 0; i < 400; i += 50) {
    assert.equal(await simulation.settle(engine.get(numbered(i))), undefined);
    assert.equal(engine.getSync(numbered(i)), undefined);
  }
  assert.equal(reads, 0);
  assert.ok((await simulation.settle(engine.get(numbered(450)))) !== undefined);
  assert.ok(reads > 0);
  await simulation.settle(engine.close());
});

test('the room of a range is given back without a word, and nothing of the deletion stays', async () => {
  const { simulation, engine } = await opened();
  await fill(simulation, engine, 0, 2000);
  await simulation.settle(engine.compact());
  const before = engine.store.stats().diskBytes;
  await simulation.settle(engine.clear());
  await simulation.settle(engine.flush());
  await simulation.settle(engine.store.maintenanceIdle());
  const { tablesByLevel, diskBytes } = engine.store.stats();
  assert.ok(diskBytes < before / 10, `${diskBytes} of ${before} bytes`);
  assert.deepEqual(tablesByLevel.filter((count) => count > 0).length <= 1, true);
  await simulation.settle(engine.compact());
  assert.deepEqual(await keysOf(simulation, engine), []);
  await simulation.settle(engine.close());
  assert.equal(statFolder(simulation.fs, '/db').total.rangeTombstones, 0);
});

test('tables that a range hides as a whole are not read to be dropped', async () => {
  const { simulation, engine } = await opened();
  await fill(simulation, engine, 0, 2000);
  await simulation.settle(engine.compact());
  await simulation.settle(engine.clear({ gte: numbered(0), lte: numbered(5000) }));
  let readBytes = 0;
  simulation.fs.onCall = ({ lengthBytes, operation, path }) => {
    if (operation === 'read' && path.endsWith('.sst')) readBytes += lengthBytes;
    return undefined;
  };
  await simulation.settle(engine.compact());
  assert.ok(readBytes < 20_000, `${readBytes} bytes read`);
  assert.equal(
    engine.store.stats().tablesByLevel.reduce((sum, count) => sum + count),
    0,
  );
  await simulation.settle(engine.close());
});

test('what is written behind it is there, in every order of flushes, and after a restart', async () => {
  for (const flushes of [0, 1, 2, 3, 4, 5, 6, 7]) {
    const { simulation, engine: first } = await opened();
    const step = async (call: Promise<void>, bit: number): Promise<void> => {
      await simulation.settle(call);
      if ((flushes & bit) !== 0) await simulation.settle(first.flush());
    };
    await step(
      first.write([1, 2, 3].map((i) => ({ type: 'put', key: numbered(i), value: bytes('old') }))),
      1,
    );
    await step(first.clear({ gte: numbered(1), lte: numbered(2) }), 2);
    await step(first.put(numbered(2), bytes('new')), 4);
    const check = async (engine: Engine): Promise<void> => {
      const values = await simulation.settle(engine.getMany([1, 2, 3].map(numbered)));
      assert.deepEqual(
        values.map((value) => value?.toString()),
        [undefined, 'new', 'old'],
      );
      assert.deepEqual(await keysOf(simulation, engine), ['key00002', 'key00003']);
      assert.deepEqual(await keysOf(simulation, engine, true), ['key00003', 'key00002']);
    };
    await check(first);
    await simulation.settle(first.close());
    const second = await simulation.openEngine();
    await check(second);
    await simulation.settle(second.compact());
    await check(second);
    await simulation.settle(second.close());
  }
});

test('a snapshot shows what a later deletion hides, also once its memtables are needed', async () => {
  const { simulation, engine } = await opened();
  await fill(simulation, engine, 0, 20);
  await simulation.settle(engine.clear({ lt: numbered(10) }));
  using snapshot = engine.snapshot();
  await simulation.settle(engine.clear());
  const seen = async (): Promise<void> => {
    assert.equal(await simulation.settle(engine.get(numbered(5), snapshot)), undefined);
    assert.ok((await simulation.settle(engine.get(numbered(15), snapshot))) !== undefined);
    const keys: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { key } of engine.range({ snapshot })) keys.push(Buffer.from(key).toString());
    };
    await simulation.settle(read());
    assert.deepEqual([keys.length, keys[0]], [10, 'key00010']);
    assert.deepEqual(await keysOf(simulation, engine), []);
  };
  await seen();
  await simulation.settle(engine.flush());
  await seen();
  for (let i = 0; i < 60; i++) {
    await simulation.settle(engine.put(bytes('other'), Buffer.alloc(10_000)));
    await simulation.settle(engine.delete(bytes('other')));
  }
  await simulation.settle(engine.clear());
  await simulation.settle(engine.compact());
  await seen();
  await simulation.settle(engine.close());
});

test('a condition is judged by what a deletion before it has left, in the same run too', async () => {
  const { simulation, engine } = await opened();
  const key = numbered(7);
  await simulation.settle(engine.put(key, bytes('a')));
  const found = await simulation.settle(engine.getVersioned(key));
  const version = found?.version as number;
  const cleared = engine.clear({ gte: key });
  const late = engine.putIf(key, bytes('b'), version);
  const first = engine.putIf(key, bytes('c'), null);
  await simulation.settle(cleared);
  assert.deepEqual(await simulation.settle(late), { applied: false, key, version: null });
  assert.ok((await simulation.settle(first)).applied);
  for (const moved of [() => engine.flush(), () => engine.compact()]) {
    await simulation.settle(engine.clear());
    await simulation.settle(moved());
    assert.equal(await simulation.settle(engine.getVersioned(key)), undefined);
    assert.ok((await simulation.settle(engine.putIf(key, bytes('d'), null))).applied);
  }
  await simulation.settle(engine.close());
});

test('a write that a range hides by its version is stale, wherever the deletion is', async () => {
  // The deletion stays, as it would where older versions may come.
  for (const place of ['memtable', 'sealed', 'table', 'last level'] as const) {
    const late = place === 'sealed' ? 1_000_000 : 0;
    const simulation = new EngineSimulation(TINY_OPTIONS, undefined, backgroundAfter(late));
    const engine = await simulation.openEngine();
    await simulation.settle(engine.clear({ gte: numbered(0), lt: numbered(9) }));
    if (place === 'sealed')
      for (let i = 0; i < 3; i++) await simulation.settle(engine.put(bytes('x'), Buffer.alloc(15_000)));
    if (place === 'table') await simulation.settle(engine.flush());
    if (place === 'last level') await simulation.settle(engine.compact());
    const write = (i: number) =>
      simulation.settle(writeRecordTo(engine.store, numbered(i), record(1000 + i, 'late')));
    assert.equal((await write(5)).status, 1, place);
    assert.equal((await write(9)).status, 0, place);
    const keys = await keysOf(simulation, engine);
    assert.deepEqual(
      keys.filter((key) => key.startsWith('key')),
      ['key00009'],
      place,
    );
  }
});

test('a range is deleted also where somebody has written a version of the future', async () => {
  const { simulation, engine } = await opened();
  for (const move of [() => Promise.resolve(), () => engine.flush(), () => engine.compact()]) {
    const future = engine.store.newestTimestamp + 1e9;
    const written = encodeRecord(
      { timestamp: future, writer: 3, tombstone: false, from: 1, expiryMs: 0 },
      bytes('x'),
    );
    await simulation.settle(writeRecordTo(engine.store, numbered(1), written));
    await simulation.settle(move());
    await simulation.settle(engine.clear());
    assert.equal(await simulation.settle(engine.get(numbered(1))), undefined);
    assert.ok(engine.store.newestTimestamp > future);
    await simulation.settle(engine.put(numbered(1), bytes('behind it')));
    assert.equal((await simulation.settle(engine.get(numbered(1))))?.toString(), 'behind it');
  }
  await simulation.settle(engine.close());
});

test('a deletion behind a conditional write that waits for a large batch waits too, and so does what follows', async () => {
  const { simulation, engine } = await opened({ maxBatchBytes: 20_000 });
  const large = Array.from({ length: 200 }, (_, i) => ({
    type: 'put' as const,
    key: numbered(i),
    value: Buffer.alloc(1000),
  }));
  const batch = engine.write(large);
  const conditional = engine.putIf(bytes('lone'), bytes('1'), null);
  const cleared = engine.clear();
  const put = engine.put(bytes('lone'), bytes('2'));
  await simulation.settle(Promise.all([batch, cleared, put]));
  assert.ok((await simulation.settle(conditional)).applied, 'it was called before the others');
  assert.deepEqual(await keysOf(simulation, engine), ['lone']);
  assert.equal((await simulation.settle(engine.get(bytes('lone'))))?.toString(), '2');
  await simulation.settle(engine.close());
});

test('a large batch that was called before a deletion is deleted, and one that was called behind it is not', async () => {
  for (const isCompacted of [false, true]) {
    const { simulation, engine } = await opened({ maxBatchBytes: 20_000 });
    const large = (from: number) =>
      engine.write(
        Array.from({ length: 100 }, (_, i) => ({
          type: 'put' as const,
          key: numbered(from + i),
          value: Buffer.alloc(1000),
        })),
      );
    const all = [large(0), engine.clear({ lt: numbered(500) }), large(50)];
    await simulation.settle(Promise.all(all));
    if (isCompacted) await simulation.settle(engine.compact());
    const keys = await keysOf(simulation, engine);
    assert.deepEqual([keys.length, keys[0]], [100, 'key00050']);
    await simulation.settle(engine.close());
  }
});

test('a checkpoint has what a deletion has left', async () => {
  const { simulation, engine } = await opened();
  await fill(simulation, engine, 0, 50);
  await simulation.settle(engine.flush());
  await simulation.settle(engine.clear({ gt: numbered(9), lte: numbered(39) }));
  await simulation.settle(engine.checkpoint('/copy'));
  const copy = await simulation.openEngineAt('/copy');
  assert.equal((await keysOf(simulation, copy)).length, 20);
  await simulation.settle(copy.close());
  await simulation.settle(engine.close());
});

test('ranges without a key cost nothing, and what is no range is refused', async () => {
  const { simulation, engine } = await opened();
  await simulation.settle(engine.put(numbered(1), bytes('a')));
  const logs = () => simulation.fs.listSync('/db').map((name) => simulation.fs.sizeSync(`/db/${name}`));
  const before = logs();
  await simulation.settle(engine.clear({ gte: numbered(2), lt: numbered(2) }));
  await simulation.settle(engine.clear({ gt: numbered(2), lte: numbered(1) }));
  assert.deepEqual(logs(), before);
  for (const range of [{ gt: numbered(1), gte: numbered(1) }, { lt: 17 }, { limit: 1 }, 7] as unknown[])
    await assert.rejects(engine.clear(range as Parameters<Engine['clear']>[0]), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(engine.clear({}, { sync: 1 } as never), { code: 'INVALID_ARGUMENT' });
  assert.equal((await keysOf(simulation, engine)).length, 1);
  await simulation.settle(engine.close());
});

test('many small ranges are found among many, before and behind a flush', async () => {
  const { simulation, engine } = await opened({ l0CompactionTables: 12 });
  await fill(simulation, engine, 0, 600);
  const cleared = Array.from({ length: 200 }, (_, i) =>
    engine.clear({ gte: numbered(3 * i), lt: numbered(3 * i + 1 + (i % 2)) }),
  );
  await simulation.settle(Promise.all(cleared));
  const expected = Array.from({ length: 600 }, (_, i) => i)
    .filter((i) => i % 3 > Math.floor(i / 3) % 2)
    .map((i) => numbered(i).toString());
  for (const move of [() => Promise.resolve(), () => engine.flush(), () => engine.compact()]) {
    await simulation.settle(move());
    assert.deepEqual(await keysOf(simulation, engine), expected);
    assert.deepEqual(await keysOf(simulation, engine, true), expected.toReversed());
  }
  await simulation.settle(engine.close());
});
