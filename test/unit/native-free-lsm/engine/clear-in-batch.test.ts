/** Ranges that are deleted together with other operations, all or none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BatchOperation,
  type Engine,
  type EngineOptions,
  MAX_TIMESTAMP,
} from '../../../../native-free-lsm/index.ts';
import { record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const bytes = (text: string) => Buffer.from(text);
const put = (key: string, value: string) => ({ type: 'put', key: bytes(key), value: bytes(value) }) as const;
const clear = (gte: string, lt: string) => ({ type: 'clear', gte: bytes(gte), lt: bytes(lt) }) as const;
const ALONE: Partial<EngineOptions> = { dropTombstonesBelow: MAX_TIMESTAMP };

async function opened(): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, ...ALONE });
  return { simulation, engine: await simulation.openEngine() };
}

async function shown(simulation: EngineSimulation, engine: Engine, reverse = false): Promise<string> {
  const read = async (): Promise<string> => {
    const entries: string[] = [];
    for await (const { key, value } of engine.range({ reverse })) entries.push(`${key}=${value}`);
    return entries.join(' ');
  };
  return simulation.settle(read());
}

test('a range hides what the batch has put into it before, and nothing that the batch puts behind', async () => {
  const { simulation, engine } = await opened();
  await simulation.settle(engine.write([put('a', 'old'), put('b', 'old'), put('c', 'old')]));
  const before = engine.snapshot();
  await simulation.settle(
    engine.write([put('a2', 'never'), clear('a', 'c'), put('b', 'new'), clear('x', 'x'), put('d', 'new')]),
  );
  const expected = 'b=new c=old d=new';
  assert.equal(await shown(simulation, engine), expected);
  assert.equal(await shown(simulation, engine, true), 'd=new c=old b=new');
  assert.equal(String(await simulation.settle(engine.get(bytes('a'), before))), 'old', 'a snapshot stays');
  before.release();
  assert.equal(await simulation.settle(engine.get(bytes('a2'))), undefined);
  await simulation.settle(engine.flush());
  assert.equal(await shown(simulation, engine), expected, 'from a table');
  await simulation.settle(engine.compact());
  assert.equal(await shown(simulation, engine), expected, 'compacted');
  await simulation.settle(engine.write([clear('b', 'd'), put('c', 'last')]));
  await simulation.settle(engine.close());
  const again = await simulation.openEngine();
  assert.equal(await shown(simulation, again), 'c=last d=new', 'opened again');
  await simulation.settle(again.close());
});

test('a power cut leaves all of a batch with a range, or nothing', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, ...ALONE, durability: 'none' });
  const engine = await simulation.openEngine();
  await simulation.settle(engine.write([put('a', 'old'), put('b', 'old')], { sync: true }));
  await simulation.settle(engine.write([clear('a', 'z'), put('b', 'new')]));
  const lost = simulation.fs.crash({ bytes: 'lost', names: 'kept' });
  const kept = simulation.fs.crash({ bytes: 'kept', names: 'kept' });
  await simulation.settle(engine.close());
  for (const [fs, expected] of [
    [lost, 'a=old b=old'],
    [kept, 'b=new'],
  ] as const) {
    const after = new EngineSimulation({ ...TINY_OPTIONS, ...ALONE }, fs);
    const again = await after.openEngine();
    assert.equal(await shown(after, again), expected);
    await after.settle(again.close());
  }
});

test('a batch whose range is not newer than everything is written anew, in versions that are', async () => {
  const { simulation, engine } = await opened();
  const future = engine.store.newestTimestamp + 2 ** 40;
  await simulation.settle(writeRecordTo(engine.store, bytes('a'), record(future, 'of the future')));
  await simulation.settle(engine.write([put('b', 'never'), clear('a', 'c'), put('b', 'new')]));
  assert.equal(await shown(simulation, engine), 'b=new');
  await simulation.settle(engine.put(bytes('c'), bytes('after')));
  assert.equal(await shown(simulation, engine), 'b=new c=after');
  await simulation.settle(engine.close());
});

test('many batches with ranges at once go one after the other, more than the ring has room for', async () => {
  const { simulation, engine } = await opened();
  const calls = Array.from({ length: 300 }, (_, i) =>
    engine.write([clear('k', 'l'), put(`k${i}`, String(i)), put('last', `${i}${'x'.repeat(1500)}`)]),
  );
  await simulation.settle(Promise.all(calls));
  const [only, last, ...more] = (await shown(simulation, engine)).split(' ');
  assert.deepEqual([only, last.slice(0, 9), more], ['k299=299', 'last=299x', []]);
  await simulation.settle(engine.close());
});

test('what such a batch cannot be is refused in a sentence, and nothing of it is written', async () => {
  const { simulation, engine } = await opened();
  const refused = (call: Promise<unknown>, message: RegExp) =>
    simulation.settle(assert.rejects(call, { code: 'INVALID_ARGUMENT', message }));
  await refused(
    engine.write([put('a', '1'), { type: 'clear', gt: bytes('a'), ge: bytes('b') } as BatchOperation]),
    /^operations\[1\] has no ge: there are type, gt, gte, lt, lte/,
  );
  await refused(
    engine.write([{ type: 'clear', gte: 17 as never }]),
    /^operations\[0\]\.gte must be a Uint8Array/,
  );
  await refused(
    engine.writeIf([{ key: bytes('a'), version: null }], [clear('a', 'b')] as never),
    /a conditional write deletes no ranges/,
  );
  const large = Array.from({ length: 40 }, (_, i) => put(`b${i}`, 'x'.repeat(1024)));
  await refused(
    engine.write([put('a', '1'), clear('b', 'c'), ...large, ...large]),
    /too large for one that deletes ranges/,
  );
  await simulation.settle(engine.write([clear('x', 'x')]));
  await simulation.settle(engine.write([{ type: 'clear' }]));
  assert.equal(await shown(simulation, engine), '');
  await simulation.settle(engine.close());
});

test('a store refuses a range in a batch that ends before it begins, or where others are compared key by key', async () => {
  const { simulation, engine } = await opened();
  const wrong = {
    key: bytes('b'),
    record: record(engine.store.newestTimestamp + 5, 'no range'),
    isRange: true,
  };
  await assert.rejects(
    simulation.settle(
      new Promise((resolve, reject) => {
        const onWrite = (_t: number, _s: number, _m: number, _w: number, error: Error | null) =>
          error === null ? resolve(undefined) : reject(error);
        engine.store.writeBatch([wrong], { onWrite }, 0);
      }),
    ),
    { code: 'INVALID_ARGUMENT', message: /^puts\[0\]: a range tombstone/ },
  );
  await simulation.settle(engine.close());
});
