/** Writes for which there is no room: they wait, in their order, as long as what they wait for makes progress. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchOperation, Engine, EngineOptions } from '../../../../native-free-lsm/index.ts';
import { NativeFreeLevel } from '../../../../native-free-lsm/level/index.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { backgroundAfter, EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

/** Few of them fill the ring of a small memtable. */
const VALUE_BYTES = 10_000;
/** Room for few values beside the ring. */
const SMALL: Partial<EngineOptions> = { ...TINY_OPTIONS, maxBatchBytes: 20_000, maxQueuedWriteBytes: 50_000 };

function keyOf(key: number): Buffer {
  return Buffer.from(`key${key}`);
}

function bytesOf(version: number): Buffer {
  return Buffer.alloc(VALUE_BYTES, `${version}.`);
}

function versionIn(value: Uint8Array | undefined): number | undefined {
  return value === undefined ? undefined : Number(Buffer.from(value).toString().split('.')[0]);
}

/** Codes of those that were rejected. */
async function refusals(simulation: EngineSimulation, calls: readonly Promise<unknown>[]): Promise<string[]> {
  const results = await simulation.settle(Promise.allSettled(calls));
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
}

function puts(engine: Engine, count: number): Promise<void>[] {
  return Array.from({ length: count }, (_, i) => engine.put(keyOf(i % 50), bytesOf(i)));
}

test('a program that writes without waiting is slowed down, and not refused', async () => {
  const simulation = new EngineSimulation(SMALL, undefined, backgroundAfter(3));
  const engine = await simulation.openEngine();
  const calls = puts(engine, 300);
  const mostInFlight = engine.stats().writesInFlight;
  assert.ok(
    mostInFlight > 5 && mostInFlight < 100,
    `${mostInFlight} are in the engine, the others wait before it`,
  );
  assert.deepEqual(await refusals(simulation, calls), []);
  for (let key = 0; key < 50; key++)
    assert.equal(versionIn(await simulation.settle(engine.get(keyOf(key)))), 250 + key);
  assert.deepEqual(await refusals(simulation, puts(engine, 1)), [], 'nothing waits any more');
  await simulation.settle(engine.close());
});

test('deletions of ranges keep their place among those that wait, and are not refused', async () => {
  const simulation = new EngineSimulation(SMALL, undefined, backgroundAfter(3));
  const engine = await simulation.openEngine();
  const version = (await simulation.settle(engine.putIf(Buffer.from('a'), bytesOf(1), null))).version;
  const calls: Promise<unknown>[] = puts(engine, 300);
  assert.ok(engine.store.isFull);
  const before = [
    engine.putIf(Buffer.from('a'), bytesOf(2), version),
    engine.putIf(Buffer.from('b'), bytesOf(2), null),
  ];
  calls.push(engine.clear({ lt: keyOf(0) }));
  const behind = engine.putIf(Buffer.from('b'), bytesOf(3), null);
  // More than there is room for, if they did not wait.
  for (let i = 0; i < 2000; i++) calls.push(engine.clear({ gte: keyOf(49), lt: Buffer.from(`key49${i}`) }));
  assert.deepEqual(await refusals(simulation, calls), []);
  for (const call of [...before, behind]) assert.equal((await simulation.settle(call)).applied, true);
  assert.equal(await simulation.settle(engine.get(Buffer.from('a'))), undefined);
  assert.equal(versionIn(await simulation.settle(engine.get(Buffer.from('b')))), 3);
  assert.equal(await simulation.settle(engine.get(keyOf(49))), undefined);
  assert.equal(versionIn(await simulation.settle(engine.get(keyOf(48)))), 298);
  await simulation.settle(engine.close());
});

test('with whenFull: refuse what has no room fails at once', async () => {
  const simulation = new EngineSimulation(SMALL);
  const engine = await simulation.openEngine({ whenFull: 'refuse' });
  const refused = await refusals(simulation, puts(engine, 300));
  assert.ok(refused.length > 100 && refused.every((code) => code === 'OVERLOADED'));
  await simulation.settle(engine.close());
  await assert.rejects(simulation.openEngine({ whenFull: 'block' as never }), {
    code: 'INVALID_ARGUMENT',
    message: /whenFull must be one of wait, refuse, not the string "block"/,
  });
});

test('every call keeps its place among those that wait', async () => {
  const simulation = new EngineSimulation(SMALL, undefined, backgroundAfter(3));
  const engine = await simulation.openEngine();
  const calls: Promise<unknown>[] = puts(engine, 300);
  assert.ok(engine.store.isFull);
  const batch: BatchOperation[] = [
    { type: 'put', key: keyOf(0), value: bytesOf(1000) },
    { type: 'delete', key: keyOf(1) },
  ];
  calls.push(engine.write(batch));
  const absent = engine.putIf(keyOf(1), bytesOf(1001), null);
  const present = engine.putIf(keyOf(0), bytesOf(1002), null);
  calls.push(engine.delete(keyOf(2)), engine.put(keyOf(3), bytesOf(1003), { ttlMs: 60_000 }));
  const flushed = engine.flush();
  assert.deepEqual(await refusals(simulation, [...calls, absent, present, flushed]), []);
  assert.deepEqual([(await absent).applied, (await present).applied], [true, false]);
  const found = await simulation.settle(engine.getMany([0, 1, 2, 3].map(keyOf)));
  assert.deepEqual(found.map(versionIn), [1000, 1001, undefined, 1003]);
  simulation.clock.advance(60_000);
  assert.equal(await simulation.settle(engine.get(keyOf(3))), undefined);
  await simulation.settle(engine.close());
});

test('a flush that takes long is waited for, whatever the time-out', async () => {
  for (const whenFull of ['wait', 'refuse'] as const) {
    const simulation = new EngineSimulation(
      { ...TINY_OPTIONS, maxSealedMemtables: 1, writeStallTimeoutMs: 100 },
      undefined,
      backgroundAfter(300),
    );
    const engine = await simulation.openEngine({ whenFull });
    const refused = await refusals(simulation, puts(engine, 40));
    assert.equal(refused.length > 0, whenFull === 'refuse', whenFull);
    await simulation.settle(engine.close());
  }
});

test('while the flush fails that writes wait for they are refused after the time-out, and taken again later', async () => {
  const simulation = new EngineSimulation({ ...SMALL, writeStallTimeoutMs: 500, maxSealedMemtables: 1 });
  const engine = await simulation.openEngine();
  simulation.fs.onCall = ({ operation, path }) => {
    if (path.endsWith('.sst.tmp')) throw fileSystemError('ENOSPC', operation, path);
    return undefined;
  };
  const startMs = simulation.clock.monotonicMs();
  const refused = await refusals(simulation, puts(engine, 300));
  const waitedMs = simulation.clock.monotonicMs() - startMs;
  assert.ok(refused.length > 100 && refused.every((code) => code === 'OVERLOADED'));
  assert.ok(waitedMs >= 500 && waitedMs < 1_500, `${waitedMs} ms`);
  simulation.fs.onCall = undefined;
  await simulation.pass(20_000);
  assert.deepEqual(await refusals(simulation, puts(engine, 300)), []);
  await simulation.settle(engine.close());
});

test('the first write is refused while the manifest fails that must name its log', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, writeStallTimeoutMs: 500 });
  let isOpen = false;
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'rename' && path.includes('CURRENT')) isOpen = true;
    if (isOpen && operation === 'write' && path.includes('MANIFEST'))
      throw fileSystemError('EIO', operation, path);
    return undefined;
  };
  const engine = await simulation.openEngine();
  const startMs = simulation.clock.monotonicMs();
  assert.deepEqual(await refusals(simulation, puts(engine, 1)), ['OVERLOADED']);
  assert.ok(simulation.clock.monotonicMs() - startMs < 2_000);
  simulation.fs.onCall = undefined;
  await simulation.pass(20_000);
  assert.deepEqual(await refusals(simulation, puts(engine, 1)), []);
  await simulation.settle(engine.close());
});

test('a close writes what was taken, and what still waits is rejected', async () => {
  const simulation = new EngineSimulation(SMALL, undefined, backgroundAfter(3));
  const engine = await simulation.openEngine();
  const calls = Array.from({ length: 300 }, (_, i) => engine.put(keyOf(i), bytesOf(i)));
  const taken = engine.stats().writesInFlight;
  const closing = engine.close();
  const outcomes = await simulation.settle(Promise.allSettled(calls));
  await simulation.settle(closing);
  assert.ok(taken < 100);
  for (const [i, outcome] of outcomes.entries()) {
    if (i < taken) assert.equal(outcome.status, 'fulfilled', `write ${i}`);
    else assert.equal(outcome.status === 'rejected' && outcome.reason.code, 'CLOSED', `write ${i}`);
  }
  const again = await simulation.openEngine();
  assert.equal(versionIn(await simulation.settle(again.get(keyOf(taken - 1)))), taken - 1);
  assert.equal(await simulation.settle(again.get(keyOf(taken))), undefined);
  await simulation.settle(again.close());
});

test('after the writer has died what waits is told so', async () => {
  const simulation = new EngineSimulation(SMALL, undefined, backgroundAfter(3));
  const engine = await simulation.openEngine();
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync' && path.endsWith('.log')) throw fileSystemError('EIO', operation, path);
    return undefined;
  };
  const refused = await refusals(simulation, puts(engine, 300));
  assert.equal(refused.length, 300);
  assert.deepEqual([...new Set(refused)], ['POISONED']);
  simulation.fs.onCall = undefined;
  await simulation.settle(engine.close().catch(() => undefined));
});

test('a database of abstract-level waits, too', async () => {
  const simulation = new EngineSimulation();
  const level = new NativeFreeLevel('/level', {
    engine: SMALL,
    environment: { fs: simulation.fs, clock: simulation.clock, executor: backgroundAfter(3) },
  });
  await simulation.settle(level.open());
  const calls = Array.from({ length: 300 }, (_, i) => level.put(`key${i}`, 'v'.repeat(VALUE_BYTES)));
  assert.deepEqual(await refusals(simulation, calls), []);
  await simulation.settle(level.close());
});
