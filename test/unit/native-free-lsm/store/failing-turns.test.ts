/** What throws in a turn of the event loop in which nobody would catch it: a job's end, a timer, an answer of a thread. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DueCompactions } from '../../../../native-free-lsm/store/due-compactions.ts';
import { SnapshotKeeper } from '../../../../native-free-lsm/store/snapshot-keeper.ts';
import { TableJobs } from '../../../../native-free-lsm/store/table-jobs.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEY = Buffer.from('key');
const VALUE = Buffer.alloc(5000, 'x');
const NO_MEMORY = { code: 'OVERLOADED', canRetry: true, message: /there is no memory left/ };

function noMemory(): never {
  throw new RangeError('Array buffer allocation failed');
}

/** The engine has one value, which is in a table and in no cache. */
async function withTable() {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, blockCacheBytes: 0 });
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(KEY, VALUE));
  await simulation.settle(engine.flush());
  return { simulation, engine };
}

function withoutBuffers(t: TestContext): { restore(): void } {
  return t.mock.method(Buffer, 'allocUnsafe', noMemory).mock;
}

test('an answer for which there is no memory is refused, and the next one is given', async (t) => {
  const { engine, simulation } = await withTable();
  await simulation.settle(engine.put(Buffer.from('other'), VALUE));
  const asked: (() => Promise<unknown>)[] = [
    () => engine.get(KEY),
    () => engine.get(Buffer.from('other')),
    () => engine.getMany([KEY, Buffer.from('other')]),
    () => engine.getMany([Buffer.from('other')]),
  ];
  for (const ask of asked) {
    const buffers = withoutBuffers(t);
    await simulation.settle(assert.rejects(ask(), NO_MEMORY));
    buffers.restore();
    await simulation.settle(ask());
  }
  await simulation.settle(engine.close());
});

test('a page for which there is no memory is refused, and the next one is given', async (t) => {
  const { engine, simulation } = await withTable();
  const scan = () => Array.fromAsync(engine.range({ limit: 1 }));
  const mocks = [t.mock.method(Buffer, 'allocUnsafeSlow', noMemory).mock, withoutBuffers(t)];
  await simulation.settle(assert.rejects(scan(), NO_MEMORY));
  for (const mock of mocks) mock.restore();
  assert.equal((await simulation.settle(scan())).length, 1);
  await simulation.settle(engine.close());
});

test('writes wait while there is no memory for the next memtable, and go on when there is', async (t) => {
  const { engine, simulation } = await withTable();
  const Real = globalThis.SharedArrayBuffer;
  t.after(() => Object.assign(globalThis, { SharedArrayBuffer: Real }));
  let isShort = true;
  globalThis.SharedArrayBuffer = new Proxy(Real, {
    construct(target, [bytes]) {
      if (isShort && bytes >= 64 * 1024) noMemory();
      return new target(bytes);
    },
  });
  const written = Array.from({ length: 40 }, (_, i) => engine.put(Buffer.from(`key${i}`), VALUE));
  await simulation.pass(20);
  isShort = false;
  await simulation.settle(Promise.all(written));
  await simulation.settle(engine.close());
  assert.deepEqual(simulation.reports, []);
});

test('work that cannot even be begun is a condition, and is tried again', async (t) => {
  const { engine, simulation } = await withTable();
  const due = t.mock.method(DueCompactions.prototype, 'next', noMemory).mock;
  await simulation.settle(engine.put(KEY, VALUE));
  await simulation.settle(assert.rejects(engine.flush(), NO_MEMORY));
  assert.equal(engine.stats().conditions[0].code, 'FLUSH_FAILING');
  due.restore();
  const jobs = t.mock.method(TableJobs.prototype, 'merge', noMemory).mock;
  await simulation.settle(assert.rejects(engine.compact(), NO_MEMORY));
  assert.ok(engine.stats().conditions.some(({ code }) => code === 'COMPACTION_FAILING'));
  jobs.restore();
  await simulation.settle(engine.compact());
  await simulation.pass(1000);
  assert.deepEqual(engine.stats().conditions, []);
  assert.deepEqual(await simulation.settle(engine.get(KEY)), VALUE);
  await simulation.settle(engine.close());
});

test('an answer of the writer that cannot be taken stops the engine with its own error', async (t) => {
  const { engine, simulation } = await withTable();
  const rotated = t.mock.method(SnapshotKeeper.prototype, 'rotated', () => {
    throw new TypeError('not foreseen');
  }).mock;
  const refused = { code: 'POISONED', message: /not foreseen.*restart the engine/ };
  await simulation.settle(engine.put(KEY, VALUE));
  const flushed = engine.flush();
  await simulation.settle(assert.rejects(flushed, refused));
  rotated.restore();
  await assert.rejects(engine.put(KEY, VALUE), refused);
  await assert.rejects(engine.get(KEY), refused);
  assert.equal(engine.stats().conditions[0].code, 'POISONED');
  await simulation.settle(engine.close());
  const again = await simulation.openEngine();
  assert.deepEqual(await simulation.settle(again.get(KEY)), VALUE);
  await simulation.settle(again.close());
});
