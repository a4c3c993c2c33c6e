/** Writes that depend on what their keys have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConditionalResult, Engine, EngineOptions } from '../../../../native-free-lsm/index.ts';
import { blocksOfTable, flipBit } from '../../../support/damaged-tables.ts';
import { backgroundAfter, EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEY = Buffer.from('key');
const OTHER = Buffer.from('other');
const bytes = (text: string) => Buffer.from(text);

async function opened(
  more: Partial<EngineOptions> = {},
): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, ...more });
  return { simulation, engine: await simulation.openEngine() };
}

function versionOf(result: ConditionalResult): number {
  assert.ok(result.applied);
  return result.version;
}

test('a put if absent is carried out once, and tells the others what it met', async () => {
  const { simulation, engine } = await opened();
  const results = await simulation.settle(
    Promise.all(Array.from({ length: 50 }, (_, i) => engine.putIf(KEY, bytes(`${i}`), null))),
  );
  const applied = results.filter((result) => result.applied);
  assert.equal(applied.length, 1);
  assert.deepEqual(results[0], applied[0]);
  const [{ version }] = applied;
  for (const result of results.slice(1)) assert.deepEqual(result, { applied: false, key: KEY, version });
  assert.deepEqual(await simulation.settle(engine.getVersioned(KEY)), {
    value: bytes('0'),
    version,
    expiryMs: undefined,
  });
  await simulation.settle(engine.close());
});

for (const place of ['memtable', 'sealed memtable', 'table', 'last level'] as const) {
  test(`a version is compared with what the key has, wherever it lies: ${place}`, async () => {
    const late = place === 'sealed memtable' ? 1_000_000 : 0;
    const simulation = new EngineSimulation(TINY_OPTIONS, undefined, backgroundAfter(late));
    const engine = await simulation.openEngine();
    const move = async (): Promise<void> => {
      if (place === 'table') await simulation.settle(engine.flush());
      if (place === 'last level') await simulation.settle(engine.compact());
      // Fills the memtable.
      if (place === 'sealed memtable')
        for (let i = 0; i < 3; i++) await simulation.settle(engine.put(OTHER, Buffer.alloc(15_000)));
    };
    await simulation.settle(engine.put(KEY, bytes('a')));
    await move();
    const found = await simulation.settle(engine.getVersioned(KEY));
    assert.ok(found !== undefined);
    const wrong = { applied: false, key: KEY, version: found.version };
    assert.deepEqual(await simulation.settle(engine.putIf(KEY, bytes('x'), null)), wrong);
    assert.deepEqual(await simulation.settle(engine.putIf(KEY, bytes('x'), found.version - 1)), wrong);
    assert.deepEqual(await simulation.settle(engine.deleteIf(KEY, found.version + 1)), wrong);
    const second = versionOf(await simulation.settle(engine.putIf(KEY, bytes('b'), found.version)));
    assert.ok(second > found.version);
    assert.equal(String(engine.getSync(KEY)), 'b');
    if (place !== 'sealed memtable') await move();
    await simulation.settle(engine.deleteIf(KEY, second));
    assert.equal(engine.getSync(KEY), undefined);
    if (place !== 'sealed memtable') await move();
    const gone = { applied: false, key: KEY, version: null };
    assert.deepEqual(await simulation.settle(engine.putIf(KEY, bytes('x'), second)), gone);
    versionOf(await simulation.settle(engine.putIf(KEY, bytes('c'), null)));
    assert.equal(String(engine.getSync(KEY)), 'c');
    if (late === 0) await simulation.settle(engine.close());
  });
}

test('a value that has expired is none, by the clock that reads go by', async () => {
  const { simulation, engine } = await opened();
  const first = versionOf(await simulation.settle(engine.putIf(KEY, bytes('a'), null, { ttlMs: 500_000 })));
  const { expiryMs = 0 } = (await simulation.settle(engine.getVersioned(KEY))) ?? {};
  simulation.clock.setWallMs(expiryMs - 100_000);
  assert.deepEqual(await simulation.settle(engine.putIf(KEY, bytes('b'), null)), {
    applied: false,
    key: KEY,
    version: first,
  });
  simulation.clock.setWallMs(expiryMs);
  assert.deepEqual(await simulation.settle(engine.deleteIf(KEY, first)), {
    applied: false,
    key: KEY,
    version: null,
  });
  versionOf(await simulation.settle(engine.putIf(KEY, bytes('b'), null)));
  assert.equal(String(engine.getSync(KEY)), 'b');
  await simulation.settle(engine.close());
});

test('a write sees those before it that are still under way, and none of those behind it', async () => {
  const { simulation, engine } = await opened();
  const results = Promise.all([
    engine.put(KEY, bytes('a')),
    engine.putIf(KEY, bytes('b'), null),
    engine.delete(KEY),
    engine.putIf(KEY, bytes('c'), null),
    engine.putIf(OTHER, bytes('d'), null),
    engine.put(OTHER, bytes('e')),
    engine.write([
      { type: 'delete', key: OTHER },
      { type: 'put', key: KEY, value: bytes('f') },
    ]),
    engine.putIf(OTHER, bytes('g'), null),
    engine.putIf(KEY, bytes('h'), null),
  ]);
  const applied = (await simulation.settle(results)).map((result) => result?.applied);
  assert.deepEqual(applied, [undefined, false, undefined, true, true, undefined, undefined, true, false]);
  assert.deepEqual([String(engine.getSync(KEY)), String(engine.getSync(OTHER))], ['f', 'g']);
  await simulation.settle(engine.close());
});

test('conditions on several keys are met together or nothing is written', async () => {
  const { simulation, engine } = await opened();
  const accounts = ['a', 'b', 'c'].map(bytes);
  const first = versionOf(
    await simulation.settle(
      engine.writeIf(
        accounts.map((key) => ({ key, version: null })),
        accounts.map((key) => ({ type: 'put', key, value: bytes('10') }) as const),
      ),
    ),
  );
  const versions = await simulation.settle(Promise.all(accounts.map((key) => engine.getVersioned(key))));
  assert.deepEqual(
    versions.map((found) => found?.version),
    [first, first, first],
  );
  const move = [
    { type: 'put', key: accounts[0], value: bytes('7') },
    { type: 'put', key: accounts[1], value: bytes('12') },
    { type: 'put', key: accounts[1], value: bytes('13') },
    { type: 'delete', key: accounts[2] },
  ] as const;
  const both = [
    { key: accounts[0], version: first },
    { key: accounts[1], version: first },
  ];
  const second = versionOf(await simulation.settle(engine.putIf(accounts[1], bytes('11'), first)));
  assert.deepEqual(await simulation.settle(engine.writeIf(both, move)), {
    applied: false,
    key: accounts[1],
    version: second,
  });
  assert.deepEqual(
    accounts.map((key) => String(engine.getSync(key))),
    ['10', '11', '10'],
  );
  both[1] = { key: accounts[1], version: second };
  versionOf(await simulation.settle(engine.writeIf(both, move)));
  assert.deepEqual(
    accounts.map((key) => String(engine.getSync(key))),
    ['7', '13', 'undefined'],
  );
  await simulation.settle(engine.close());
});

test('what was not met is not there after a replay either, and what was met is', async () => {
  const { simulation, engine } = await opened();
  await simulation.settle(engine.put(KEY, bytes('a')));
  const results = await simulation.settle(
    Promise.all([
      engine.putIf(KEY, bytes('x'), null),
      engine.putIf(OTHER, bytes('b'), null),
      engine.writeIf(
        [{ key: OTHER, version: null }],
        [
          { type: 'delete', key: KEY },
          { type: 'delete', key: OTHER },
        ],
      ),
    ]),
  );
  assert.deepEqual(
    results.map(({ applied }) => applied),
    [false, true, false],
  );
  const again = simulation.restartWith(simulation.fs.crash({ bytes: 'lost', names: 'lost' }));
  const reopened = await again.openEngine();
  assert.deepEqual([String(reopened.getSync(KEY)), String(reopened.getSync(OTHER))], ['a', 'b']);
  await again.settle(reopened.close());
  await simulation.settle(engine.close());
});

test('counters that many raise at once lose nothing', async () => {
  const { simulation, engine } = await opened();
  const counters = ['a', 'b', 'c'].map(bytes);
  const raise = async (key: Buffer): Promise<void> => {
    for (;;) {
      const found = await engine.getVersioned(key);
      const next = bytes(`${Number(found?.value ?? 0) + 1}`);
      if ((await engine.putIf(key, next, found?.version ?? null)).applied) return;
    }
  };
  const raises = Array.from({ length: 120 }, (_, i) => raise(counters[i % 3]));
  await simulation.settle(Promise.all(raises));
  const sum = counters.reduce((total, key) => total + Number(engine.getSync(key)), 0);
  assert.equal(sum, 120);
  await simulation.settle(engine.close());
});

test('conditions on different keys share a run and its sync', async () => {
  const { simulation, engine } = await opened();
  await simulation.settle(engine.put(KEY, bytes('begun')));
  let syncs = 0;
  simulation.fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync' && path.endsWith('.log')) syncs++;
    return undefined;
  };
  const writes = Array.from({ length: 60 }, (_, i) => engine.putIf(bytes(`k${i}`), bytes('v'), null));
  await simulation.settle(Promise.all(writes));
  assert.equal(syncs, 1);
  await simulation.settle(engine.close());
});

test('where the key cannot be read nothing is written, and its table is set aside as one that a read has met', async () => {
  const { simulation, engine } = await opened({ blockCacheBytes: 0 });
  for (let i = 0; i < 40; i++) await simulation.settle(engine.put(bytes(`key${i}`), Buffer.alloc(300)));
  await simulation.settle(engine.compact());
  const table = simulation.fs.listSync('/db').find((name) => name.endsWith('.sst')) as string;
  const [block] = blocksOfTable(simulation.fs, `/db/${table}`);
  flipBit(simulation.fs, block.path, block.offset + 3);
  const lost = bytes(block.keys[0]);
  const refused = { code: 'CORRUPTION', message: /the conditions of the engine name it/ };
  await assert.rejects(simulation.settle(engine.putIf(lost, bytes('x'), null)), refused);
  const damage = () => engine.stats().conditions.map(({ code, message }) => `${code} ${message}`);
  assert.match(damage()[0], new RegExp(`^DAMAGED_TABLE .*${block.path} is damaged at byte ${block.offset}`));
  await simulation.pass(50);
  assert.equal(engine.stats().damage.lostRecords, block.keys.length);
  // It is still there, though nobody knows in which version; what never was is not.
  await assert.rejects(simulation.settle(engine.putIf(lost, bytes('x'), null)), refused);
  versionOf(await simulation.settle(engine.putIf(bytes(`${lost} and more`), bytes('x'), null)));
  for (const key of block.keys) await simulation.settle(engine.put(bytes(key), bytes('again')));
  const met = await simulation.settle(engine.getVersioned(lost));
  versionOf(await simulation.settle(engine.putIf(lost, bytes('x'), met?.version ?? null)));
  await simulation.settle(engine.flush());
  await simulation.pass(100);
  assert.deepEqual(damage(), []);
  await simulation.settle(engine.close());
});

test('conditions are checked before anything is asked', async () => {
  const { simulation, engine } = await opened();
  const named = (message: RegExp) => ({ code: 'INVALID_ARGUMENT', message });
  for (const version of [undefined, 0, -1, 1.5, '7', Number.POSITIVE_INFINITY])
    await assert.rejects(engine.putIf(KEY, KEY, version as number), named(/^version must be a version/));
  await assert.rejects(engine.deleteIf(KEY, 'x' as never), named(/conditions\[0\]\.version must be/));
  const put = { type: 'put', key: KEY, value: KEY } as const;
  await assert.rejects(engine.writeIf([], [put]), named(/conditions must be 1 to 65535, not 0/));
  await assert.rejects(engine.writeIf([{ key: KEY, version: 5 }], []), named(/operations must not be empty/));
  await assert.rejects(engine.writeIf('x' as never, [put]), named(/conditions must be an array/));
  const misspelt = [{ key: KEY, versoin: 5 }] as never;
  await assert.rejects(engine.writeIf(misspelt, [put]), named(/conditions\[0\] has no versoin/));
  await assert.rejects(engine.putIf(17 as never, KEY, null), named(/conditions\[0\]\.key must be/));
  await assert.rejects(engine.putIf(KEY, 17 as never, null), named(/operations\[0\]\.value must be/));
  await assert.rejects(engine.putIf(KEY, KEY, null, { ttl: 1 } as never), named(/options has no ttl/));
  const many = Array.from({ length: 700 }, (_, i) => ({ key: Buffer.alloc(100, `${i}`), version: null }));
  await assert.rejects(engine.writeIf(many, [put]), named(/a batch of \d+ bytes is too large/));
  await simulation.settle(engine.close());
  await assert.rejects(simulation.settle(engine.putIf(KEY, KEY, null)), { code: 'CLOSED' });
});
