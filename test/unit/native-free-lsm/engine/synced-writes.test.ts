/** Writes that wait for the disk although the engine's durability does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine } from '../../../../native-free-lsm/index.ts';
import { type FileSystemCall, fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const VALUE = Buffer.from('value');
const keyOf = (i: number) => Buffer.from(`key${i}`);
const isLogSync = ({ operation, path }: FileSystemCall) => operation === 'fdatasync' && path.endsWith('.log');

async function opened(
  durability: 'none' | 'interval' | 'sync',
): Promise<{ simulation: EngineSimulation; engine: Engine; syncs: () => number }> {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, durability, syncIntervalMs: 3_600_000 });
  const engine = await simulation.openEngine();
  // The first log is begun and noted.
  await simulation.settle(engine.put(keyOf(0), VALUE));
  let syncs = 0;
  simulation.fs.onCall = (call) => {
    if (isLogSync(call)) syncs++;
    return undefined;
  };
  return { simulation, engine, syncs: () => syncs };
}

/** The keys that are there when everything unsynced is lost now. */
async function survivors(simulation: EngineSimulation, count: number): Promise<number[]> {
  const again = simulation.restartWith(simulation.fs.crash({ bytes: 'lost', names: 'lost' }));
  const engine = await again.openEngine();
  const found = Array.from({ length: count }, (_, i) => i).filter(
    (i) => engine.getSync(keyOf(i)) !== undefined,
  );
  await again.settle(engine.close());
  return found;
}

for (const durability of ['none', 'interval'] as const) {
  test(`a write with sync is on the disk when it is answered, and all before it (${durability})`, async () => {
    const { simulation, engine, syncs } = await opened(durability);
    await simulation.settle(engine.put(keyOf(1), VALUE));
    assert.deepEqual([await survivors(simulation, 4), syncs()], [[], 0]);
    await simulation.settle(engine.put(keyOf(2), VALUE, { sync: true }));
    assert.deepEqual([await survivors(simulation, 4), syncs()], [[0, 1, 2], 1]);
    await simulation.settle(engine.put(keyOf(3), VALUE, { sync: false }));
    assert.deepEqual([await survivors(simulation, 4), syncs()], [[0, 1, 2], 1]);
    await simulation.settle(engine.write([{ type: 'put', key: keyOf(4), value: VALUE }], { sync: true }));
    await simulation.settle(engine.delete(keyOf(0), { sync: true }));
    assert.deepEqual([await survivors(simulation, 6), syncs()], [[1, 2, 3, 4], 3]);
    await simulation.settle(engine.close());
  });
}

test('writes with sync that wait together share one sync', async () => {
  const { simulation, engine, syncs } = await opened('none');
  const writes = Array.from({ length: 100 }, (_, i) => engine.put(keyOf(i), VALUE, { sync: i % 3 === 0 }));
  await simulation.settle(Promise.all(writes));
  assert.equal(syncs(), 1);
  assert.equal((await survivors(simulation, 100)).length, 100);
  await simulation.settle(engine.close());
});

test('a write with sync is synced also when others fill the runs before it', async () => {
  const { simulation, engine, syncs } = await opened('none');
  // A run takes an eighth of a memtable, so these are many; the request is seen long before its write comes.
  const large = Buffer.alloc(6000);
  const before = Array.from({ length: 40 }, (_, i) => engine.put(keyOf(i), large));
  await simulation.settle(engine.put(keyOf(40), VALUE, { sync: true }));
  assert.ok(syncs() > 0);
  assert.ok((await survivors(simulation, 41)).includes(40));
  await simulation.settle(Promise.all(before));
  const after = syncs();
  for (let i = 0; i < 20; i++) await simulation.settle(engine.put(keyOf(i), VALUE));
  assert.equal(syncs(), after);
  await simulation.settle(engine.close());
});

test('with durability sync it changes nothing, and it must be true or false', async () => {
  const { simulation, engine, syncs } = await opened('sync');
  await simulation.settle(engine.put(keyOf(1), VALUE, { sync: true }));
  assert.equal(syncs(), 1);
  const wrong = { sync: 1 } as never;
  const named = { code: 'INVALID_ARGUMENT', message: /options\.sync must be true or false, not 1/ };
  await assert.rejects(engine.put(keyOf(1), VALUE, wrong), named);
  await assert.rejects(engine.delete(keyOf(1), wrong), named);
  await assert.rejects(engine.write([], wrong), named);
  await simulation.settle(engine.close());
});

test('a write with sync fails when the sync does', async () => {
  const { simulation, engine } = await opened('none');
  simulation.fs.onCall = (call) => {
    if (isLogSync(call)) throw fileSystemError('EIO', 'fdatasync', call.path);
    return undefined;
  };
  await assert.rejects(simulation.settle(engine.put(keyOf(1), VALUE, { sync: true })), { code: 'POISONED' });
  await simulation.settle(engine.close().catch(() => undefined));
});
