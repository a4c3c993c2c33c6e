/** A directory that is opened with smaller settings than it was written with. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const LARGE = Buffer.alloc(1_500_000, 'large');

test('a record that is too large for maxRecordBytes is kept, and reads say what to open it with', async () => {
  const written = new EngineSimulation({
    ...TINY_OPTIONS,
    maxRecordBytes: 1_600_000,
    memtableBytes: 4 * 1024 * 1024,
  });
  const engine = await written.openEngine();
  for (const [key, value] of [
    ['a', Buffer.from('1')],
    ['b', LARGE],
    ['c', Buffer.from('3')],
  ] as const)
    await written.settle(engine.put(Buffer.from(key), value));
  await written.settle(engine.compact());
  await written.settle(engine.close());

  const smaller = new EngineSimulation(TINY_OPTIONS, written.fs);
  const again = await smaller.openEngine();
  // Until its tables are loaded, main reads them itself, whatever their records need of a ring.
  await smaller.settle(again.store.maintenanceIdle());
  const keysOf = async (range: object): Promise<string[]> =>
    (await smaller.settle(again.range(range).nextMany(9))).map(({ key }) => String(key));
  const refused = {
    code: 'INVALID_ARGUMENT',
    message: /a record of 15000\d\d bytes .* with this maxRecordBytes/,
  };
  const reads: readonly (() => Promise<unknown>)[] = [
    () => again.get(Buffer.from('b')),
    () => again.getMany([Buffer.from('a'), Buffer.from('b')]),
    () => again.range().nextMany(9),
    () => again.range({ reverse: true }).nextMany(9),
  ];
  for (const read of reads) await assert.rejects(smaller.settle(read()), refused);
  assert.equal(String(await smaller.settle(again.get(Buffer.from('c')))), '3');
  for (const reverse of [false, true]) {
    const keys = await keysOf({ values: false, reverse });
    assert.deepEqual(keys, reverse ? ['c', 'b', 'a'] : ['a', 'b', 'c'], 'keys alone take no room');
  }
  assert.deepEqual(
    await keysOf({ gt: Buffer.from('a'), lt: Buffer.from('b') }),
    [],
    'nor what is behind a bound',
  );
  assert.deepEqual(await keysOf({ gt: Buffer.from('b') }), ['c']);
  assert.deepEqual(again.getSync(Buffer.from('b')), LARGE);
  await smaller.settle(again.compact());
  await smaller.settle(again.close());

  const larger = new EngineSimulation(
    { ...TINY_OPTIONS, maxRecordBytes: 1_600_000, memtableBytes: 4 * 1024 * 1024 },
    written.fs,
  );
  const last = await larger.openEngine();
  assert.deepEqual(await larger.settle(last.get(Buffer.from('b'))), LARGE);
  await larger.settle(last.close());
});
