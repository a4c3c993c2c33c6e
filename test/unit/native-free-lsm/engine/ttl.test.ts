/** Values that end: absent from that moment on, whichever way they are read and wherever they lie. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Engine,
  MAX_TIMESTAMP,
  type RangeOptions,
  type Snapshot,
} from '../../../../native-free-lsm/index.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const TTL_MS = 1_000_000;
const MORTAL = Buffer.from('b');
const KEYS = ['a', 'b', 'c'].map((letter) => Buffer.from(letter));

async function opened(more = {}): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, ...more });
  return { simulation, engine: await simulation.openEngine() };
}

/** What every way to read shows of the keys, at one moment. */
async function shown(simulation: EngineSimulation, engine: Engine, snapshot?: Snapshot): Promise<string[]> {
  const at = snapshot === undefined ? {} : { snapshot };
  const scanned = async (options: RangeOptions): Promise<string> => {
    const keys: string[] = [];
    for await (const { key } of engine.range({ ...options, ...at })) keys.push(String(key));
    return keys.join('');
  };
  const got: string[] = [];
  for (const key of KEYS)
    if ((await simulation.settle(engine.get(key, snapshot))) !== undefined) got.push(String(key));
  const many = await simulation.settle(engine.getMany(KEYS, snapshot));
  const reverse = await simulation.settle(scanned({ reverse: true }));
  return [
    got.join(''),
    KEYS.filter((_, i) => many[i] !== undefined).join(''),
    KEYS.filter((key) => engine.getSync(key, snapshot) !== undefined).join(''),
    await simulation.settle(scanned({})),
    await simulation.settle(scanned({ values: false })),
    await simulation.settle(scanned({ gte: MORTAL, limit: 1 })),
    [...reverse].reverse().join(''),
  ];
}

const ALIVE = ['abc', 'abc', 'abc', 'abc', 'abc', 'b', 'abc'];
const ENDED = ['ac', 'ac', 'ac', 'ac', 'ac', 'c', 'ac'];

for (const place of ['memtable', 'table', 'last level'] as const) {
  test(`a value ends at one moment for every way to read, snapshots included: ${place}`, async () => {
    const { simulation, engine } = await opened();
    const began = simulation.clock.nowMs();
    const written = Promise.all([
      engine.put(KEYS[0], Buffer.from('1')),
      engine.put(MORTAL, Buffer.from('2'), { ttlMs: TTL_MS }),
      engine.put(KEYS[2], Buffer.from('3'), { ttlMs: 2 * TTL_MS }),
    ]);
    await simulation.settle(written);
    if (place === 'table') await simulation.settle(engine.flush());
    if (place === 'last level') await simulation.settle(engine.compact());
    using snapshot = engine.snapshot();
    simulation.clock.setWallMs(began + TTL_MS - 1000);
    assert.deepEqual(await shown(simulation, engine), ALIVE);
    assert.deepEqual(await shown(simulation, engine, snapshot), ALIVE);
    simulation.clock.setWallMs(began + TTL_MS);
    assert.deepEqual(await shown(simulation, engine), ENDED);
    assert.deepEqual(await shown(simulation, engine, snapshot), ENDED);
    await simulation.settle(engine.close());
  });
}

test('a batch gives each put an end of its own, and a new put or one without takes it away', async () => {
  const { simulation, engine } = await opened();
  const value = Buffer.from('v');
  const began = simulation.clock.nowMs();
  await simulation.settle(
    engine.write([
      { type: 'put', key: KEYS[0], value, ttlMs: TTL_MS },
      { type: 'put', key: KEYS[1], value, ttlMs: TTL_MS },
      { type: 'put', key: KEYS[2], value },
    ]),
  );
  await simulation.settle(engine.put(KEYS[0], value));
  simulation.clock.setWallMs(began + TTL_MS);
  assert.deepEqual((await shown(simulation, engine))[0], 'ac');
  await simulation.settle(engine.put(MORTAL, value));
  assert.deepEqual((await shown(simulation, engine))[0], 'abc');
  await simulation.settle(engine.close());
});

test('an end is kept over a restart, and hides what was there before it', async () => {
  const { simulation, engine } = await opened();
  await simulation.settle(engine.put(MORTAL, Buffer.from('for ever')));
  await simulation.settle(engine.compact());
  const began = simulation.clock.nowMs();
  await simulation.settle(engine.put(MORTAL, Buffer.from('short'), { ttlMs: TTL_MS }));
  await simulation.settle(engine.close());
  const again = await simulation.openEngine();
  assert.equal(String(again.getSync(MORTAL)), 'short');
  simulation.clock.setWallMs(began + TTL_MS);
  assert.equal(again.getSync(MORTAL), undefined);
  await simulation.settle(again.compact());
  assert.equal(again.getSync(MORTAL), undefined);
  // It is a deletion now, and stays one when the clock is set back.
  simulation.clock.setWallMs(began);
  assert.equal(again.getSync(MORTAL), undefined);
  await simulation.settle(again.close());
});

/** 200 values in some tables of the last level, every second one of which ends. */
async function halfMortal(simulation: EngineSimulation, engine: Engine): Promise<() => number> {
  for (let i = 0; i < 200; i++) {
    const key = Buffer.from(`key${String(i).padStart(3, '0')}`);
    void engine.put(key, Buffer.alloc(300), i % 2 === 0 ? { ttlMs: TTL_MS } : {});
  }
  await simulation.settle(engine.compact());
  const sizeBytes = (): number => engine.store.approximateSize(Buffer.alloc(0), null);
  assert.ok(sizeBytes() > 60_000, `${sizeBytes()}`);
  return sizeBytes;
}

test('the room of what has ended comes back by itself, though nobody writes any more', async () => {
  const { simulation, engine } = await opened({ dropTombstonesBelow: MAX_TIMESTAMP });
  const began = simulation.clock.nowMs();
  const sizeBytes = await halfMortal(simulation, engine);
  const before = sizeBytes();
  simulation.clock.setWallMs(began + TTL_MS - 10_000);
  await simulation.pass(5000);
  assert.equal(sizeBytes(), before);
  await simulation.pass(120_000);
  assert.ok(sizeBytes() < before * 0.55, `${sizeBytes()} of ${before}`);
  const { compactions } = engine.stats();
  await simulation.pass(600_000);
  assert.equal(engine.stats().compactions, compactions);
  await simulation.settle(engine.close());
});

test('a compaction of everything gives the room of what has ended back, also where deletions are kept', async () => {
  const { simulation, engine } = await opened();
  const began = simulation.clock.nowMs();
  const sizeBytes = await halfMortal(simulation, engine);
  const before = sizeBytes();
  simulation.clock.setWallMs(began + TTL_MS);
  await simulation.pass(120_000);
  assert.equal(sizeBytes(), before);
  await simulation.settle(engine.compact());
  assert.ok(sizeBytes() < before * 0.65, `${sizeBytes()} of ${before}`);
  await simulation.settle(engine.close());
});

test('ends go by the clock that the environment names for them, in puts, reads and compactions alike', async () => {
  const simulation = new EngineSimulation(TINY_OPTIONS);
  const now = { ms: 5_000_000_000_000.5 };
  const engine = await simulation.openEngine({}, { expiryNowMs: () => now.ms });
  await simulation.settle(engine.put(MORTAL, Buffer.from('v'), { ttlMs: 10 }));
  now.ms += 10;
  // The end was rounded up to a whole millisecond.
  assert.equal(String(engine.getSync(MORTAL)), 'v');
  now.ms += 0.5;
  assert.equal(engine.getSync(MORTAL), undefined);
  await simulation.settle(engine.close());
});

test('a life must be a whole number of milliseconds that a clock can reach', async () => {
  const { simulation, engine } = await opened();
  const value = Buffer.from('v');
  for (const ttlMs of [
    0,
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.MAX_SAFE_INTEGER,
    '5',
    null,
  ]) {
    const wrong = ttlMs as number;
    const named = {
      code: 'INVALID_ARGUMENT',
      message: /options\.ttlMs must be a whole number from 1 to 31557600000000, .*, not /,
    };
    await assert.rejects(engine.put(MORTAL, value, { ttlMs: wrong }), named);
    await assert.rejects(engine.write([{ type: 'put', key: MORTAL, value, ttlMs: wrong }]), {
      code: 'INVALID_ARGUMENT',
      message: /operations\[0\]\.ttlMs must be/,
    });
  }
  const misspelt = { ttl: 5 } as object;
  await assert.rejects(engine.put(MORTAL, value, misspelt), {
    message: /options has no ttl: there are ttlMs/,
  });
  await assert.rejects(engine.delete(MORTAL, misspelt), { message: /options has no ttl/ });
  await assert.rejects(engine.write([], misspelt), { message: /options has no ttl/ });
  await simulation.settle(engine.put(MORTAL, value, { ttlMs: 31_557_600_000_000 }));
  assert.equal(String(engine.getSync(MORTAL)), 'v');
  await simulation.settle(engine.close());
});
