import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine } from '../../../../native-free-lsm/index.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEYS = Array.from({ length: 200 }, (_, i) => Buffer.from(`key${String(i).padStart(3, '0')}`));

async function filled(options = {}): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, ...options });
  const engine = await simulation.openEngine();
  for (const key of KEYS) await simulation.settle(engine.put(key, Buffer.from(`old ${key}`)));
  await simulation.settle(engine.compact());
  return { simulation, engine };
}

/** As it is: decoders of Buffers must be able to use it. */
const shown = (value: Uint8Array | undefined) => value && String(value);
const readsOf = (engine: Engine) => engine.stats().tableReadsByThread;

for (const blockCacheBytes of [0, 64 * 1024]) {
  test(`what is on disk is read on the calling thread, with a cache of ${blockCacheBytes} bytes`, async () => {
    const { simulation, engine } = await filled({ blockCacheBytes });
    const { main: _none, ...before } = readsOf(engine);
    for (const key of KEYS) assert.equal(shown(engine.getSync(key)), `old ${key}`);
    const { main, ...others } = readsOf(engine);
    assert.deepEqual(others, before, 'by no other thread');
    assert.ok(main > 0 && (blockCacheBytes === 0 || main < KEYS.length), `${main} reads`);
    for (const key of KEYS) assert.equal(shown(engine.getSync(key)), `old ${key}`);
    if (blockCacheBytes > 0) assert.equal(readsOf(engine).main, main, 'then it is in the cache');
    assert.equal(engine.getSync(Buffer.from('key100x')), undefined);
    assert.equal(engine.getSync(new Uint8Array(70_000)), undefined);
    await simulation.settle(engine.close());
    assert.equal(simulation.fs.openDescriptors, 0);
    assert.throws(() => engine.getSync(KEYS[0]), { code: 'CLOSED' });
  });
}

test('it sees what memory has, deletions, and snapshots', async () => {
  const { simulation, engine } = await filled();
  using snapshot = engine.snapshot();
  await simulation.settle(engine.put(KEYS[1], Buffer.from('new')));
  await simulation.settle(engine.delete(KEYS[2]));
  assert.deepEqual(
    [1, 2, 3].map((i) => shown(engine.getSync(KEYS[i]))),
    ['new', undefined, 'old key003'],
  );
  assert.deepEqual(
    [1, 2, 3].map((i) => shown(engine.getSync(KEYS[i], snapshot))),
    ['old key001', 'old key002', 'old key003'],
  );
  snapshot.release();
  assert.throws(() => engine.getSync(KEYS[1], snapshot), { code: 'SNAPSHOT_EXPIRED' });
  assert.throws(() => engine.getSync(17 as never), { code: 'INVALID_ARGUMENT' });
  await simulation.settle(engine.close());
});

test('files of tables that are gone do not stay open', async () => {
  const { simulation, engine } = await filled();
  for (let round = 0; round < 5; round++) {
    for (const key of KEYS) engine.getSync(key);
    for (const key of KEYS) await simulation.settle(engine.put(key, Buffer.from(`old ${key}`)));
    await simulation.settle(engine.compact());
  }
  await simulation.settle(Array.fromAsync(engine.range()));
  await simulation.pass(100);
  const { tablesByLevel } = engine.stats();
  const tables = tablesByLevel.reduce((sum, count) => sum + count, 0);
  // Of main, of a reader and of the writer each one a table, and log, manifest and lock.
  assert.ok(simulation.fs.openDescriptors <= 3 * tables + 3, `${simulation.fs.openDescriptors} of ${tables}`);
  await simulation.settle(engine.close());
});

test('a read that fails is the error of the call, and the next one is well', async () => {
  const { simulation, engine } = await filled();
  simulation.fs.onCall = ({ path }) => {
    if (path.endsWith('.sst')) throw fileSystemError('EIO', 'read', path);
  };
  assert.throws(() => engine.getSync(KEYS[0]), { code: 'IO_ERROR' });
  simulation.fs.onCall = undefined;
  assert.equal(shown(engine.getSync(KEYS[0])), 'old key000');
  await simulation.settle(engine.close());
});

test('damage is the error of the call, and told; in quarantine a table counts by its versions', async () => {
  const { simulation, engine } = await filled();
  for (const name of simulation.fs.listSync('/db').filter((file) => file.endsWith('.sst'))) {
    const bytes = simulation.fs.contents(`/db/${name}`);
    bytes[20] ^= 1;
    simulation.fs.place(`/db/${name}`, bytes);
  }
  const outcomes = (): string =>
    KEYS.map((key) => {
      try {
        return shown(engine.getSync(key)) === `old ${key}` ? '.' : 'X';
      } catch (error) {
        return (error as { code: string }).code === 'CORRUPTION' ? 'c' : 'X';
      }
    }).join('');
  const before = outcomes();
  assert.match(before, /^c+\.[.c]*$/);
  assert.equal(engine.stats().conditions[0]?.code, 'DAMAGED_TABLE');
  // A compaction that meets the damage sets the tables aside.
  await simulation.settle(engine.put(Buffer.from('key'), Buffer.from('first')));
  await simulation.settle(engine.put(Buffer.from('last'), Buffer.from('last')));
  await simulation.settle(engine.compact().catch(() => undefined));
  await simulation.settle(engine.compact());
  assert.equal(outcomes(), before);
  const lost = before.indexOf('c');
  await simulation.settle(engine.put(KEYS[lost], Buffer.from('anew')));
  assert.equal(shown(engine.getSync(KEYS[lost])), 'anew');
  await simulation.settle(engine.compact());
  assert.equal(shown(engine.getSync(KEYS[lost])), 'anew');
  await simulation.settle(engine.close());
});
