/** `getMany`: what as many gets would give, wherever the keys lie, as one call. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine, ExecutorContext } from '../../../native-free-lsm/index.ts';
import { ManyReads } from '../../../native-free-lsm/many-reads.ts';
import { InlineExecutor, MemoryFileSystem } from '../../../native-free-lsm/simulation/index.ts';
import type { InPlaceSink } from '../../../native-free-lsm/store/sinks.ts';
import { record } from '../../support/engine-calls.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../support/engine-simulation.ts';

const KEYS = Array.from({ length: 120 }, (_, i) => Buffer.from(`key ${i}`));

/** Counts how often the threads were told that there is something to do. */
class CountingExecutor extends InlineExecutor {
  kicks = 0;

  override kick(): void {
    this.kicks++;
    super.kick();
  }
}

async function filled(
  options = {},
): Promise<{ simulation: EngineSimulation; engine: Engine; executor: CountingExecutor }> {
  let executor: CountingExecutor | undefined;
  const simulation = new EngineSimulation(
    { ...TINY_OPTIONS, ...options },
    new MemoryFileSystem(),
    (context: ExecutorContext) => {
      executor = new CountingExecutor(context);
      return executor;
    },
  );
  const engine = await simulation.openEngine();
  // In the last level, in level 0 above it, and in the memtable.
  for (let part = 0; part < 3; part++) {
    for (let i = part; i < KEYS.length; i += 3)
      await simulation.settle(engine.put(KEYS[i], Buffer.from(`value ${i}`)));
    if (part === 0) await simulation.settle(engine.compact());
    if (part === 1) await simulation.settle(engine.flush());
  }
  await simulation.settle(engine.delete(KEYS[10]));
  await simulation.settle(engine.put(KEYS[11], Buffer.from('ends'), { ttlMs: 1_000 }));
  return { simulation, engine, executor: executor as CountingExecutor };
}

const texts = (values: readonly (Uint8Array | undefined)[]): (string | undefined)[] =>
  values.map((value) => (value === undefined ? undefined : String(value)));

for (const blockCacheBytes of [0, 256 * 1024]) {
  test(`gives what as many gets give, with a cache of ${blockCacheBytes} bytes`, async () => {
    const { simulation, engine } = await filled({ blockCacheBytes });
    const settle = <T>(promise: Promise<T>): Promise<T> => simulation.settle(promise);
    const asked = [...KEYS, Buffer.from('missing'), KEYS[5], KEYS[5], Buffer.alloc(70_000)];
    using snapshot = engine.snapshot();
    for (const nowIs of ['before the end of a value', 'after it', 'of a snapshot']) {
      if (nowIs === 'after it') await simulation.pass(2_000);
      if (nowIs === 'of a snapshot') await settle(engine.put(KEYS[10], Buffer.from('again')));
      const of = nowIs === 'of a snapshot' ? snapshot : undefined;
      const gets = await settle(Promise.all(asked.map((key) => engine.get(key, of))));
      const many = await settle(engine.getMany(asked, of));
      assert.deepEqual(texts(many), texts(gets), nowIs);
      assert.ok(many.every((value) => value === undefined || Buffer.isBuffer(value)));
      assert.equal(texts(many)[10], undefined);
    }
    assert.deepEqual(await settle(engine.getMany([])), []);
    await settle(engine.close());
    await assert.rejects(engine.getMany(KEYS), { code: 'CLOSED' });
  });
}

test('values are in memory of their own', async () => {
  const { simulation, engine } = await filled();
  const [first, second] = await simulation.settle(engine.getMany([KEYS[2], KEYS[2]]));
  assert.ok(first !== undefined && second !== undefined);
  first.fill(0);
  assert.equal(String(second), 'value 2');
  assert.equal(String(await simulation.settle(engine.get(KEYS[2]))), 'value 2');
  await simulation.settle(engine.close());
});

test('a snapshot that was released is refused', async () => {
  const { simulation, engine } = await filled();
  const snapshot = engine.snapshot();
  snapshot.release();
  await assert.rejects(simulation.settle(engine.getMany(KEYS, snapshot)), { code: 'SNAPSHOT_EXPIRED' });
  await simulation.settle(engine.close());
});

test('what needs the disk is sent to the threads by eights, and the rest at the end of the turn', async () => {
  const { simulation, engine, executor } = await filled({ blockCacheBytes: 0 });
  await simulation.settle(engine.compact());
  const before = executor.kicks;
  const values = engine.getMany(KEYS);
  const byEights = Math.floor(KEYS.length / 8);
  assert.equal(executor.kicks - before, byEights);
  await simulation.settle(values);
  // Once by the end of the turn, and once by the thread that has worked.
  assert.ok(executor.kicks - before <= byEights + 2, `${executor.kicks - before} times`);
  await simulation.settle(engine.close());
});

/** A store that answers when it is told to. */
class SlowStore {
  readonly asked: { sink: InPlaceSink; token: number }[] = [];

  readInPlace(_key: Uint8Array, _snapshot: unknown, sink: InPlaceSink, token: number): void {
    this.asked.push({ sink, token });
  }

  answer(error: Error | null): void {
    const { sink, token } = this.asked.shift() as { sink: InPlaceSink; token: number };
    sink.onRead(token, error === null ? record(1, `${token}`) : null, error);
  }
}

test('no more wait for the disk at a time than its queues take, and each has its own answer', async () => {
  const store = new SlowStore();
  const keys = Array.from({ length: 1_500 }, () => KEYS[0]);
  const values = new ManyReads(store, keys, undefined, () => 0).run();
  for (let answered = 0; answered < keys.length; answered++) {
    assert.equal(store.asked.length, Math.min(512, keys.length - answered));
    store.answer(null);
  }
  assert.deepEqual(
    texts(await values),
    keys.map((_, i) => String(i)),
  );
});

test('the first failure is that of the call, and what was asked after it is dropped', async () => {
  const store = new SlowStore();
  const values = new ManyReads(store, KEYS, undefined, () => 0).run();
  store.answer(null);
  store.answer(new Error('the disk is broken'));
  store.answer(new Error('once more'));
  store.answer(null);
  await assert.rejects(values, /the disk is broken/);
});
