import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine, RangeOptions, RangeScan } from '../../../native-free-lsm/index.ts';
import { EngineSimulation } from '../../support/engine-simulation.ts';

const KEYS = Array.from({ length: 300 }, (_, i) => `k${String(i).padStart(4, '0')}`);

/** An engine with KEYS, the first half of them in tables. */
async function filled(): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine();
  for (const [i, key] of KEYS.entries()) {
    void engine.put(Buffer.from(key), Buffer.from(`value of ${key}`));
    if (i === 150) await simulation.settle(engine.flush());
  }
  await simulation.settle(engine.delete(Buffer.from('nothing')));
  return { simulation, engine };
}

async function keysOf(scan: AsyncIterable<{ key: Uint8Array }>): Promise<string[]> {
  return Array.fromAsync(scan, ({ key }) => String(Buffer.from(key)));
}

async function withScans(act: (scan: (options?: RangeOptions) => RangeScan) => Promise<void>): Promise<void> {
  const { simulation, engine } = await filled();
  await simulation.settle(act((options) => engine.range(options)));
  await simulation.settle(engine.close());
}

const bytes = (key: string) => Buffer.from(key);

test('a range goes either way, with bounds that are part of it or not', () =>
  withScans(async (scan) => {
    const bounds = { gte: bytes('k0010'), lt: bytes('k0020') };
    assert.deepEqual(await keysOf(scan()), KEYS);
    assert.deepEqual(await keysOf(scan({ reverse: true })), KEYS.toReversed());
    assert.deepEqual(await keysOf(scan(bounds)), KEYS.slice(10, 20));
    assert.deepEqual(await keysOf(scan({ ...bounds, reverse: true })), KEYS.slice(10, 20).reverse());
    const others = { gt: bytes('k0010'), lte: bytes('k0020') };
    assert.deepEqual(await keysOf(scan(others)), KEYS.slice(11, 21));
    assert.deepEqual(await keysOf(scan({ ...others, reverse: true })), KEYS.slice(11, 21).reverse());
    for (const reverse of [false, true])
      assert.deepEqual(await keysOf(scan({ gte: bytes('k0020'), lt: bytes('k0010'), reverse })), []);
  }));

test('a limit ends a scan, and no more is read than it says', async () => {
  const { simulation, engine } = await filled();
  let pageBytes = 0;
  const { scanPage } = engine.store;
  engine.store.scanPage = async (...asked) => {
    const page = await scanPage.apply(engine.store, asked);
    pageBytes += page.usedBytes;
    return page;
  };
  const scan = (options: RangeOptions) => simulation.settle(keysOf(engine.range(options)));
  assert.deepEqual(await scan({ limit: 0 }), []);
  assert.equal(pageBytes, 0);
  assert.deepEqual(await scan({ limit: 1, reverse: true }), ['k0299']);
  assert.ok(pageBytes > 0 && pageBytes < 60, `${pageBytes} bytes for an entry`);
  assert.deepEqual(await scan({ limit: 200 }), KEYS.slice(0, 200));
  await simulation.settle(engine.close());
});

test('without values keys alone are read', async () => {
  const { simulation, engine } = await filled();
  const sizes: number[] = [];
  const { scanPage } = engine.store;
  engine.store.scanPage = async (...asked) => {
    const page = await scanPage.apply(engine.store, asked);
    sizes.push(page.usedBytes);
    return page;
  };
  const all = await simulation.settle(Array.fromAsync(engine.range({ values: false, limit: 5 })));
  assert.deepEqual(
    all.map(({ key, value }) => [String(Buffer.from(key)), value.length]),
    KEYS.slice(0, 5).map((key) => [key, 0]),
  );
  assert.deepEqual(sizes, [5 * (8 + 5 + 16)]);
  await simulation.settle(engine.close());
});

test('a seek goes forwards and back within the bounds, and its limit goes on counting', () =>
  withScans(async (scan) => {
    const up = scan({ gte: bytes('k0010'), lt: bytes('k0030'), limit: 6 });
    const at = async (of: RangeScan) => String(Buffer.from((await of.next()).value?.key ?? []));
    up.seek(bytes('k0025'));
    assert.equal(await at(up), 'k0025');
    up.seek(bytes('k0005'));
    assert.equal(await at(up), 'k0010');
    up.seek(bytes('k0012x'));
    assert.equal(await at(up), 'k0013');
    assert.equal(await at(up), 'k0014');
    up.seek(bytes('k0030'));
    assert.equal(await at(up), '');
    up.seek(bytes('k0028'));
    assert.deepEqual(await keysOf(up), ['k0028', 'k0029']);
    up.seek(bytes('k0010'));
    assert.equal(await at(up), '', 'the limit is reached');
    const down = scan({ gte: bytes('k0010'), lt: bytes('k0030'), reverse: true });
    down.seek(bytes('k0025'));
    assert.equal(await at(down), 'k0025');
    down.seek(bytes('k0099'));
    assert.equal(await at(down), 'k0029');
    down.seek(bytes('k0012x'));
    assert.deepEqual(await keysOf(down), ['k0012', 'k0011', 'k0010']);
  }));

test('calls that overlap are answered in their order', () =>
  withScans(async (scan) => {
    const one = scan();
    const calls = [one.next(), one.next(), one.nextMany(3), one.next()];
    one.seek(bytes('k0200'));
    const last = one.next();
    const [a, b, many, c] = await Promise.all(calls);
    const key = (entry: unknown) => String(Buffer.from((entry as { value: { key: Uint8Array } }).value.key));
    assert.deepEqual([key(a), key(b), key(c), key(await last)], ['k0000', 'k0001', 'k0005', 'k0200']);
    assert.deepEqual(
      (many as unknown as { key: Uint8Array }[]).map((entry) => String(Buffer.from(entry.key))),
      ['k0002', 'k0003', 'k0004'],
    );
  }));

test('many at once are as many as there are up to the count, over several pages', () =>
  withScans(async (scan) => {
    const one = scan();
    const lengths = [];
    for (const count of [1, 250, 100, 100]) lengths.push((await one.nextMany(count)).length);
    assert.deepEqual(lengths, [1, 250, 49, 0]);
  }));

test('a scan that was ended gives and reads nothing more', async () => {
  const { simulation, engine } = await filled();
  await simulation.settle(
    (async () => {
      const scan = engine.range();
      await scan.next();
      await scan[Symbol.asyncDispose]();
      assert.deepEqual(await scan.next(), { done: true, value: undefined });
      scan.seek(bytes('k0001'));
      assert.deepEqual(await scan.nextMany(5), []);
    })(),
  );
  // While a page is under way: nothing has read the block yet from which this one begins.
  const scan = engine.range({ gte: bytes('k0149') });
  const entry = scan.next();
  void scan.return();
  assert.deepEqual(await simulation.settle(entry), { done: true, value: undefined });
  await simulation.settle(engine.close());
});

test('a scan that has failed can be asked again', async () => {
  const { simulation, engine } = await filled();
  const scan = engine.range();
  const { scanPage } = engine.store;
  engine.store.scanPage = () => Promise.reject(new Error('no room'));
  await assert.rejects(simulation.settle(scan.next()), /no room/);
  engine.store.scanPage = scanPage;
  assert.deepEqual(await simulation.settle(keysOf(scan)), KEYS);
  await simulation.settle(engine.close());
});

for (const reverse of [false, true]) {
  test(`a call that fails after some of its entries were read takes none of them${reverse ? ', in reverse' : ''}`, async () => {
    const { simulation, engine } = await filled();
    const wanted = (reverse ? KEYS.toReversed() : KEYS).slice(0, 200);
    const { scanPage, scanPageSync } = engine.store;
    // The first page that a call reads comes, and the next one does not.
    let left = 1;
    engine.store.scanPage = (...asked) =>
      left-- > 0 ? scanPage.apply(engine.store, asked) : Promise.reject(new Error('no room'));
    engine.store.scanPageSync = (...asked) => {
      if (left-- > 0) return scanPageSync.apply(engine.store, asked);
      throw new Error('no room');
    };
    for (const isSync of [false, true]) {
      const scan = engine.range({ reverse, limit: 200 });
      const given: string[] = [];
      let failures = 0;
      for (;;) {
        const many = async () => (isSync ? scan.nextManySync(50) : scan.nextMany(50));
        const entries = await simulation.settle(many()).catch((error: Error) => error);
        if (entries instanceof Error) {
          failures++;
          left = 1;
          continue;
        }
        given.push(...entries.map(({ key }) => String(key)));
        if (entries.length < 50) break;
      }
      assert.deepEqual(given, wanted);
      assert.ok(failures > 0);
    }
    await simulation.settle(engine.close());
  });
}

test('an aborted signal ends a scan between entries that were read already', async () => {
  const { simulation, engine } = await filled();
  const controller = new AbortController();
  const scan = engine.range({ signal: controller.signal });
  await simulation.settle(scan.next());
  controller.abort();
  await assert.rejects(scan.next(), { name: 'AbortError' });
  await assert.rejects(scan.nextMany(3), { name: 'AbortError' });
  await simulation.settle(engine.close());
});

/** Of more entries than a scan's small pages and two of its largest have, in tables. */
async function long(): Promise<{ simulation: EngineSimulation; engine: Engine; keys: string[] }> {
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine();
  const keys = Array.from({ length: 12_000 }, (_, i) => `k${String(i).padStart(5, '0')}`);
  for (let at = 0; at < keys.length; at += 1000) {
    const puts = keys
      .slice(at, at + 1000)
      .map((key) => ({ type: 'put', key: bytes(key), value: bytes('v') }) as const);
    await simulation.settle(engine.write(puts));
  }
  await simulation.settle(engine.flush());
  return { simulation, engine, keys };
}

for (const reverse of [false, true]) {
  test(`the next page of a long scan is made while its caller has the one before${reverse ? ', in reverse' : ''}`, async () => {
    const { simulation, engine, keys } = await long();
    const wanted = reverse ? keys.toReversed() : keys;
    const scan = engine.range({ reverse });
    const given: string[] = [];
    let isAhead = 0;
    for (;;) {
      const entries = await simulation.settle(scan.nextMany(500));
      if (entries.length === 0) break;
      given.push(...entries.map(({ key }) => String(key)));
      if (engine.stats().readsInFlight > 0) isAhead++;
    }
    assert.deepEqual(given, wanted);
    assert.ok(isAhead > 0);
    // A seek drops what was made ahead, a return too.
    const other = engine.range({ reverse });
    await simulation.settle(other.nextMany(6000));
    other.seek(bytes('k05000'));
    const [entry] = await simulation.settle(other.nextMany(1));
    assert.equal(String(entry.key), 'k05000');
    await other.return();
    assert.deepEqual(await simulation.settle(other.nextMany(10)), []);
    await simulation.settle(engine.close());
  });
}

test('a page that is made ahead and fails is told of when it is asked for, and can be asked for again', async () => {
  const { simulation, engine, keys } = await long();
  const scan = engine.range();
  const given = (await simulation.settle(scan.nextMany(4000))).length;
  const { scanPage } = engine.store;
  let calls = 0;
  engine.store.scanPage = () => {
    calls++;
    return Promise.reject(new Error('no room'));
  };
  let more = 0;
  for (;;) {
    const entries = await simulation.settle(scan.nextMany(100)).catch((error: Error) => error);
    if (entries instanceof Error) break;
    more += entries.length;
  }
  assert.equal(calls, 1);
  engine.store.scanPage = scanPage;
  const rest = await simulation.settle(keysOf(scan));
  assert.deepEqual(rest, keys.slice(given + more));
  await simulation.settle(engine.close());
});
