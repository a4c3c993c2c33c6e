import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Engine, encodeRecord, recordTimestamp } from '../../../../native-free-lsm/index.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { readRecord, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEY = Buffer.from('key');

async function opened(): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation();
  return { simulation, engine: await simulation.openEngine() };
}

test('values are bytes, the empty one included, and a key deleted is absent', async () => {
  const { simulation, engine } = await opened();
  await simulation.settle(engine.put(KEY, new Uint8Array(0)));
  assert.deepEqual(await simulation.settle(engine.get(KEY)), Buffer.alloc(0));
  await simulation.settle(engine.delete(KEY));
  assert.equal(await simulation.settle(engine.get(KEY)), undefined);
  assert.equal(engine.stats().state, 'open');
  await simulation.settle(engine.close());
  assert.equal(engine.stats().state, 'closed');
  const calls: Promise<unknown>[] = [
    engine.put(KEY, KEY),
    engine.get(KEY),
    engine.flush(),
    engine.range().next(),
  ];
  for (const call of calls) {
    await assert.rejects(simulation.settle(call), { code: 'CLOSED' });
  }
  assert.throws(() => engine.snapshot(), { code: 'CLOSED' });
});

test('the last of several operations on a key in one batch counts', async () => {
  const { simulation, engine } = await opened();
  const put = (value: string) => ({ type: 'put', key: KEY, value: Buffer.from(value) }) as const;
  await simulation.settle(engine.write([put('a'), { type: 'delete', key: KEY }, put('b')]));
  assert.equal(String(await simulation.settle(engine.get(KEY))), 'b');
  await simulation.settle(engine.write([put('c'), { type: 'delete', key: KEY }]));
  assert.equal(await simulation.settle(engine.get(KEY)), undefined);
  await simulation.settle(engine.write([]));
  await simulation.settle(engine.close());
});

test('a write wins over all before it, also after a restart with the clock set back', async () => {
  const { simulation, engine } = await opened();
  await simulation.settle(engine.put(KEY, Buffer.from('first')));
  const first = recordTimestamp((await simulation.settle(readRecord(engine.store, KEY))) as Uint8Array, 0);
  await simulation.settle(engine.close());
  simulation.clock.setWallMs(simulation.clock.nowMs() - 86_400_000);
  const again = await simulation.openEngine();
  await simulation.settle(again.put(KEY, Buffer.from('second')));
  const second = recordTimestamp((await simulation.settle(readRecord(again.store, KEY))) as Uint8Array, 0);
  assert.ok(second > first);
  assert.equal(String(await simulation.settle(again.get(KEY))), 'second');
  await simulation.settle(again.close());
});

test('a value is absent from the moment it expires, in reads and scans, in memory and in tables', async () => {
  const { simulation, engine } = await opened();
  const expiryMs = simulation.clock.nowMs() + 100_000;
  const fields = {
    timestamp: engine.store.newestTimestamp + 1,
    writer: 0,
    tombstone: false,
    from: 0,
    expiryMs,
  };
  await simulation.settle(writeRecordTo(engine.store, KEY, encodeRecord(fields, Buffer.from('short'))));
  for (const place of ['memtable', 'table']) {
    if (place === 'table') await simulation.settle(engine.flush());
    assert.equal(String(await simulation.settle(engine.get(KEY))), 'short');
  }
  simulation.clock.setWallMs(expiryMs);
  assert.equal(await simulation.settle(engine.get(KEY)), undefined);
  assert.equal((await simulation.settle(engine.range().next())).done, true);
  await simulation.settle(engine.compact());
  assert.equal(await simulation.settle(engine.get(KEY)), undefined);
  await simulation.settle(engine.close());
});

test('a scan goes page by page, ends where it is told, and stops when it is cancelled', async () => {
  const { simulation, engine } = await opened();
  const keys = Array.from({ length: 300 }, (_, i) => Buffer.from(`k${String(i).padStart(4, '0')}`));
  for (const key of keys) void engine.put(key, Buffer.alloc(2000));
  await simulation.settle(engine.flush());
  const scan = async (options: Parameters<Engine['range']>[0]): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of engine.range(options)) found.push(String(key));
    return found;
  };
  assert.deepEqual(await simulation.settle(scan({})), keys.map(String));
  const some = await simulation.settle(scan({ gte: keys[10], lt: keys[20] }));
  assert.deepEqual(some, keys.slice(10, 20).map(String));
  assert.deepEqual(await simulation.settle(scan({ gte: keys[20], lt: keys[10] })), []);
  const controller = new AbortController();
  const range = engine.range({ signal: controller.signal });
  assert.equal(String((await simulation.settle(range.next())).value?.key), 'k0000');
  controller.abort();
  const rest = (async () => {
    for await (const _ of range);
  })();
  await assert.rejects(simulation.settle(rest), { name: 'AbortError' });
  await simulation.settle(engine.close());
});

test('a batch may be larger than any record, and is there whole or not at all', async () => {
  const options = { memtableBytes: 1 << 20, durability: 'none' } as const;
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, ...options });
  const engine = await simulation.openEngine();
  assert.equal(engine.store.options.maxBatchBytes, 512 * 1024);
  const puts = (count: number, value: string) =>
    Array.from({ length: count }, (_, i) => {
      const key = Buffer.from(`key${String(i).padStart(3, '0')}`);
      return { type: 'put', key, value: Buffer.alloc(15_000, value) } as const;
    });
  await simulation.settle(engine.write(puts(34, 'a')));
  const large = { type: 'put', key: KEY, value: Buffer.alloc(17 << 10) } as const;
  await assert.rejects(simulation.settle(engine.write([large])), {
    code: 'INVALID_ARGUMENT',
    message: /maxRecordBytes is 16384/,
  });
  await simulation.settle(engine.flush());
  await simulation.settle(engine.write(puts(34, 'c')));
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const again = simulation.restartWith(
      simulation.fs.crash({ bytes: 'torn', names: 'kept', random: seededRandom(seed) }),
    );
    const reopened = await again.openEngine();
    const values = await again.settle(reopened.getMany(puts(34, '').map(({ key }) => key)));
    const letters = new Set(values.map((value) => String.fromCharCode((value as Uint8Array)[0])));
    assert.equal(letters.size, 1);
    outcomes.add([...letters].join());
    await again.settle(reopened.close());
  }
  assert.deepEqual([...outcomes].sort(), ['a', 'c']);
  await simulation.settle(engine.close());
});

test('a scan ends as soon as it is cancelled, though a page is being read', async () => {
  const { simulation, engine } = await opened();
  await simulation.settle(engine.put(KEY, Buffer.from('value')));
  // In a table, and in no cache.
  await simulation.settle(engine.flush());
  const controller = new AbortController();
  const reason = new Error('enough');
  const entry = engine.range({ signal: controller.signal }).next();
  controller.abort(reason);
  // The clock stands still: no reader has had a turn.
  await assert.rejects(entry, reason);
  assert.equal(engine.stats().readsInFlight, 1);
  await simulation.pass(1);
  assert.equal(engine.stats().readsInFlight, 0);
  await simulation.settle(engine.close());
});
