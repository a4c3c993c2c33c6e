/** Mistakes that callers may make when nobody checks types: every public call reports them by the argument's name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import {
  BulkLoad,
  BulkTable,
  DEFAULT_OPTIONS,
  Engine,
  LsmError,
  loadOfflineTools,
  type RangeOptions,
  RecordStore,
  repair,
} from '../../../../native-free-lsm/index.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { record } from '../../../support/engine-calls.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const KEY = Buffer.from('key');
const VALUE = Buffer.from('value');
const NO_SNAPSHOT = { point: { superVersionId: 1 } };

/**
 * Values that are no bytes, and how a message names them. The type is one that fits everywhere, because JavaScript has
 * none.
 */
const NOT_BYTES: readonly (readonly [given: never, shown: RegExp])[] = (
  [
    ['abc\ud800', /the string "abc.*half of a surrogate pair/],
    [`${'x'.repeat(1000)}\udc00`, /the string "x{40}…"/],
    [[97, 98], /an array/],
    [Uint16Array.of(1, 2), /class Uint16Array/],
    [new Uint8ClampedArray(2), /class Uint8ClampedArray/],
    [new DataView(new ArrayBuffer(2)), /class DataView/],
    [new ArrayBuffer(2), /class ArrayBuffer/],
    [{ length: 1, 0: 97 }, /an object/],
    [17, /not 17/],
    [null, /not null/],
    [Symbol('s'), /Symbol\(s\)/],
    [() => 1, /a function/],
  ] as const
).map(([given, shown]) => [given as never, shown]);

function refusal(name: string, shown: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof LsmError, String(error));
    assert.equal(error.code, 'INVALID_ARGUMENT', error.message);
    assert.equal(error.canRetry, false);
    assert.ok(error.message.startsWith(name), `${error.message}: it does not name ${name}`);
    assert.match(error.message, shown);
    return true;
  };
}

async function withEngine(
  act: (engine: Engine, simulation: EngineSimulation) => Promise<void>,
): Promise<void> {
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine();
  await act(engine, simulation);
  // Refused calls have left nothing behind.
  assert.deepEqual(await simulation.settle(Array.fromAsync(engine.range())), []);
  await simulation.settle(engine.close());
}

test('values that are no bytes are refused by every call that takes keys or values, and stored by none', () =>
  withEngine(async (engine) => {
    for (const [given, shown] of [...NOT_BYTES, [undefined as never, /not undefined/] as const]) {
      await assert.rejects(engine.put(given, VALUE), refusal('key must', shown));
      await assert.rejects(engine.put(KEY, given), refusal('value must', shown));
      await assert.rejects(engine.get(given), refusal('key must', shown));
      await assert.rejects(engine.delete(given), refusal('key must', shown));
      await assert.rejects(engine.getMany([KEY, given]), refusal('keys[1] must', shown));
      const put = { type: 'put', key: KEY, value: VALUE } as const;
      await assert.rejects(
        engine.write([put, { ...put, key: given }]),
        refusal('operations[1].key must', shown),
      );
      await assert.rejects(
        engine.write([{ ...put, value: given }, put]),
        refusal('operations[0].value must', shown),
      );
      await assert.rejects(
        engine.write([{ type: 'delete', key: given }]),
        refusal('operations[0].key must', shown),
      );
    }
    for (const [given, shown] of NOT_BYTES) {
      for (const bound of ['gt', 'gte', 'lt', 'lte'])
        assert.throws(() => engine.range({ [bound]: given }), refusal(`options.${bound} must`, shown));
      assert.throws(() => engine.range().seek(given), refusal('key must', shown));
    }
  }));

test('a string stands for its UTF-8 in every call of an engine that takes keys or values', async () => {
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine();
  const settle = <Result>(promise: Promise<Result>): Promise<Result> => simulation.settle(promise);
  const stored = async (): Promise<string[]> =>
    (await settle(Array.fromAsync(engine.range()))).map(({ key, value }) => `${key}=${value}`);
  await settle(engine.put('grün', '€'));
  assert.deepEqual(await settle(engine.get(Buffer.from('grün'))), Buffer.from('€'));
  assert.deepEqual(await settle(engine.get('grün')), Buffer.from('€'));
  assert.equal(String(engine.getSync('grün')), '€');
  assert.equal(String((await settle(engine.getVersioned('grün')))?.value), '€');
  await settle(engine.put('', ''));
  assert.deepEqual(
    (await settle(engine.getMany(['grün', Buffer.from('none'), '']))).map((value) => value && String(value)),
    ['€', undefined, ''],
  );
  const batch = [
    { type: 'put', key: 'a', value: Buffer.from('1'), ttlMs: 1000 },
    { type: 'put', key: Buffer.from('b'), value: '2' },
    { type: 'delete', key: 'grün' },
    { type: 'clear', lte: '' },
    { type: 'put', key: 'c', value: '3' },
  ] as const;
  const expiryMs = Math.ceil(simulation.clock.nowMs()) + 1000;
  await settle(engine.write(batch.filter(({ type }) => type !== 'clear')));
  assert.deepEqual(await stored(), ['=', 'a=1', 'b=2', 'c=3']);
  assert.equal((await settle(engine.getVersioned('a')))?.expiryMs, expiryMs);
  await settle(engine.write(batch));
  assert.deepEqual(await stored(), ['a=1', 'b=2', 'c=3']);
  assert.deepEqual(batch[0], { type: 'put', key: 'a', value: Buffer.from('1'), ttlMs: 1000 });
  const keysOf = async (options: RangeOptions): Promise<string> =>
    (await settle(Array.fromAsync(engine.range(options)))).map(({ key }) => String(key)).join('');
  assert.deepEqual(
    [
      await keysOf({ gte: 'b' }),
      await keysOf({ gt: 'b' }),
      await keysOf({ lt: 'b' }),
      await keysOf({ lte: 'b', reverse: true }),
    ],
    ['bc', 'c', 'a', 'ba'],
  );
  const scan = engine.range();
  scan.seek('b');
  assert.equal(String((await settle(scan.next())).value?.key), 'b');
  await settle(scan.return());
  const unmet = await settle(engine.putIf('a', 'x', null));
  assert.ok(!unmet.applied);
  assert.deepEqual(unmet.key, Buffer.from('a'));
  const put = await settle(engine.putIf('d', '4', null));
  assert.ok(put.applied);
  const moved = await settle(
    engine.writeIf(
      [{ key: 'd', version: put.version }],
      [
        { type: 'put', key: 'e', value: '5' },
        { type: 'put', key: Buffer.from('e'), value: '6' },
        { type: 'delete', key: 'd' },
      ],
    ),
  );
  assert.ok(moved.applied);
  assert.ok((await settle(engine.deleteIf('e', moved.version))).applied);
  await settle(engine.delete('a'));
  await settle(engine.clear({ gte: 'b', lt: 'c' }));
  assert.deepEqual(await stored(), ['c=3']);
  await settle(engine.close());
});

test('an operation with strings has the fields that its class or prototype gives it, as one with bytes has', async () => {
  class Put {
    readonly #text: string;
    constructor(text: string) {
      this.#text = text;
    }
    get type() {
      return 'put' as const;
    }
    get key(): string {
      return this.#text;
    }
    get value(): string {
      return this.#text;
    }
  }
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine();
  const short = Object.assign(Object.create({ ttlMs: 1000 }), { type: 'put', key: 'short', value: 'v' });
  const expiryMs = Math.ceil(simulation.clock.nowMs()) + 1000;
  await simulation.settle(engine.write([new Put('a'), short]));
  assert.equal(String(engine.getSync('a')), 'a');
  assert.equal((await simulation.settle(engine.getVersioned('short')))?.expiryMs, expiryMs);
  await simulation.settle(engine.close());
});

test('bytes are any Uint8Array: a Buffer, a view of shared memory or of a part, one of another realm', async () => {
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine();
  const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 3);
  shared.set(KEY);
  const foreign: Uint8Array = runInNewContext('Uint8Array.of(107, 101, 121)');
  for (const key of [KEY, Uint8Array.from(KEY), shared, foreign, Buffer.from('>key<').subarray(1, 4)]) {
    await simulation.settle(engine.put(key, key));
    assert.deepEqual(await simulation.settle(engine.get(key)), KEY);
  }
  assert.equal((await simulation.settle(Array.fromAsync(engine.range()))).length, 1);
  await simulation.settle(engine.close());
});

test('a view whose memory was transferred away is not taken for the empty value', () =>
  withEngine(async (engine) => {
    const value = new Uint8Array(10);
    structuredClone(value, { transfer: [value.buffer] });
    await assert.rejects(engine.put(KEY, value), refusal('value must', /transferred away/));
    await assert.rejects(engine.get(value), refusal('key must', /transferred away/));
  }));

test('a view that lies outside of its memory, which has become smaller, is not taken for the empty value', () =>
  withEngine(async (engine) => {
    const memory = new ArrayBuffer(10, { maxByteLength: 10 });
    const value = new Uint8Array(memory, 4, 6);
    memory.resize(5);
    await assert.rejects(engine.put(KEY, value), refusal('value must', /transferred away or made smaller/));
    await assert.rejects(engine.get(value), refusal('key must', /transferred away or made smaller/));
  }));

test('what has no fields of its own is not taken for bounds or options that leave everything out', () =>
  withEngine(async (engine, simulation) => {
    const given = [
      new Map([['gte', KEY]]),
      Buffer.alloc(0),
      new ArrayBuffer(2),
      Promise.resolve({ gte: KEY }),
    ];
    for (const wrong of given as never[]) {
      await assert.rejects(engine.clear(wrong), refusal('range must be an object', /class/));
      assert.throws(() => engine.range(wrong), refusal('options must be an object', /class/));
      await assert.rejects(engine.put(KEY, VALUE, wrong), refusal('options must be an object', /class/));
      // Where no directory can be, as an opening is not to come so far.
      await assert.rejects(Engine.open('/dev/null/db', wrong), refusal('options must be an object', /class/));
    }
    // Of another realm, as in a test runner.
    await simulation.settle(engine.clear(runInNewContext('({})')));
  }));

test('lengths are held to their bounds where something is stored', () =>
  withEngine(async (engine, simulation) => {
    const long = Buffer.alloc(65_536);
    await assert.rejects(engine.put(long, VALUE), refusal('key must', /at most 65535 bytes, not 65536/));
    assert.throws(() => engine.range({ gte: long }), refusal('options.gte must', /at most 65535/));
    const large = Buffer.alloc(17 << 10);
    await assert.rejects(
      simulation.settle(engine.put(KEY, large)),
      refusal('a write', /maxRecordBytes is 16384/),
    );
    // Such a key cannot be there.
    assert.deepEqual(await simulation.settle(engine.getMany([long])), [undefined]);
  }));

test('operations, lists of keys, options and snapshots are what they must be', () =>
  withEngine(async (engine, simulation) => {
    const operations = (given: unknown) => engine.write(given as never);
    await assert.rejects(
      operations({ type: 'put' }),
      refusal('operations must be an array', /not an object/),
    );
    await assert.rejects(operations([null]), refusal('operations[0] must', /not null/));
    // This one stored an empty value once.
    const misspelt = [{ type: 'del', key: KEY }];
    await assert.rejects(
      operations(misspelt),
      refusal("operations[0].type must be 'put', 'delete' or 'clear'", /"del"/),
    );
    const sparse = new Array(3);
    await assert.rejects(operations(sparse), refusal('operations[0] must', /not undefined/));
    await assert.rejects(
      engine.getMany('abc' as never),
      refusal('keys must be an array', /the string "abc"/),
    );
    const range = (given: unknown) => engine.range(given as never).next();
    const refusedRange = (given: unknown, begins: string, shown: RegExp) =>
      assert.throws(() => engine.range(given as never), refusal(begins, shown));
    refusedRange({ start: KEY }, 'options has no start', /gt, gte, lt, lte, reverse, limit/);
    refusedRange(null, 'options must be an object', /not null/);
    refusedRange({ gt: KEY, gte: KEY }, 'options.gt and options.gte are both given', /begins at one key/);
    refusedRange({ lt: KEY, lte: KEY }, 'options.lt and options.lte are both given', /ends at one key/);
    refusedRange({ reverse: 1 }, 'options.reverse must', /not 1/);
    refusedRange({ values: 'no' }, 'options.values must', /"no"/);
    refusedRange({ limit: -1 }, 'options.limit must', /at least 0, not -1/);
    refusedRange({ signal: new AbortController() }, 'options.signal must', /AbortController/);
    await assert.rejects(engine.range().nextMany(0), refusal('count must', /at least 1, not 0/));
    await assert.rejects(engine.get(KEY, NO_SNAPSHOT as never), refusal('snapshot must', /an object/));
    await assert.rejects(range({ snapshot: 5 }), refusal('snapshot must', /not 5/));
    const other = await new EngineSimulation().openEngine();
    using foreign = other.snapshot();
    await assert.rejects(engine.get(KEY, foreign), refusal('snapshot must', /of another/));
    await assert.rejects(engine.getMany([KEY], foreign), refusal('snapshot must', /of another/));
    await assert.rejects(range({ snapshot: foreign }), refusal('snapshot must', /of another/));
    const released = engine.snapshot();
    released.release();
    await assert.rejects(simulation.settle(engine.get(KEY, released)), {
      code: 'SNAPSHOT_EXPIRED',
      canRetry: false,
    });
  }));

test('a store checks what it is given as well, and that there is somebody to answer', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  const errors: unknown[] = [];
  const sink = {
    onRead: (_token: number, _record: Uint8Array | null, error: Error | null) => void errors.push(error),
    onWrite: (_t: number, _s: number, _ts: number, _w: number, error: Error | null) =>
      void errors.push(error),
  };
  const last = (name: string, shown: RegExp) => refusal(name, shown)(errors.pop());
  const value = record(1, 'v');
  for (const [given, shown] of [...NOT_BYTES, ['abc' as never, /"abc" \(encode it first/] as const]) {
    store.write(given, value, sink, 0);
    last('key must', shown);
    store.write(KEY, given, sink, 0);
    last('record must', shown);
    store.writeBatch(
      [
        { key: KEY, record: value },
        { key: given, record: value },
      ],
      sink,
      0,
    );
    last('puts[1].key must', shown);
    store.writeBatch([{ key: KEY, record: given }], sink, 0);
    last('puts[0].record must', shown);
    store.read(given, sink, 0);
    last('key must', shown);
  }
  store.write(KEY, VALUE, sink, 0);
  last('record: ', /shorter than its header/);
  store.write(KEY, value, sink, 0, '5' as never);
  last('timeoutMs must', /the string "5"/);
  store.writeBatch(null as never, sink, 0);
  last('puts must be an array', /not null/);
  store.writeBatch([undefined as never], sink, 0);
  last('puts[0] must', /not undefined/);
  store.readAt(NO_SNAPSHOT as never, KEY, sink, 0);
  last('snapshot must', /an object/);
  assert.deepEqual(errors, []);
  for (const nobody of [null, undefined, {}, { onRead: 1, onWrite: 1 }]) {
    assert.throws(() => store.read(KEY, nobody as never, 0), refusal('sink.onRead must', /not/));
    assert.throws(() => store.write(KEY, value, nobody as never, 0), refusal('sink.onWrite must', /not/));
    assert.throws(() => store.writeBatch([], nobody as never, 0), refusal('sink.onWrite must', /not/));
  }
  assert.throws(() => store.read(KEY, sink, 'a' as never), refusal('token must', /the string "a"/));
  const page = {
    start: KEY,
    end: null,
    maxBytes: 1,
    maxEntries: 1,
    includeTombstones: true,
    encoder: 0,
    nowMs: 0,
  };
  const asked = (more: object) => store.rangePage({ ...page, ...more });
  await assert.rejects(asked({ start: 'a' }), refusal('request.start must', /the string "a"/));
  await assert.rejects(asked({ end: undefined }), refusal('request.end must', /not undefined/));
  for (const field of ['maxBytes', 'maxEntries', 'encoder', 'nowMs']) {
    for (const given of [Number.NaN, -1, 1.5, '1'])
      await assert.rejects(asked({ [field]: given }), refusal(`request.${field} must`, /a whole number/));
  }
  await assert.rejects(asked({ encoder: 1 }), refusal('request.encoder must', /entryEncoders, which has 0/));
  await assert.rejects(asked({ includeTombstones: 1 }), refusal('request.includeTombstones must', /not 1/));
  await assert.rejects(asked({ more: 1 }), refusal('request has no more', /start/));
  await assert.rejects(store.rangePage(page, undefined, {} as never), refusal('signal must', /an object/));
  assert.equal(store.stats().readsInFlight + store.stats().writesInFlight, 0);
  await simulation.settle(store.close());
});

test('an opening refuses what is no directory, and options and surroundings that do not exist', async () => {
  for (const given of ['', 'a\0b', undefined, 5, Buffer.from('a')])
    await assert.rejects(Engine.open(given as never), refusal('directory must', /not/));
  const open = (options: unknown, environment: unknown = {}) =>
    RecordStore.open('/db', options as never, environment as never);
  assert.throws(() => open({ durabilty: 'none' }), refusal('options has no durabilty', /durability/));
  assert.throws(() => open([]), refusal('options must be an object', /an array/));
  assert.throws(() => open({ readers: '2' }), refusal('readers must', /the string "2"/));
  assert.throws(() => open({ createIfMissing: 'no' }), refusal('createIfMissing must', /the string/));
  assert.throws(() => open({ entryEncoders: 'file:///a.ts' }), refusal('entryEncoders must', /the string/));
  assert.throws(() => open({}, { fs: null }), refusal('environment.fs must', /not null/));
  assert.throws(() => open({}, { report: 'aloud' }), refusal('environment.report must', /the string/));
  assert.throws(() => open({}, { clocks: 1 }), refusal('environment has no clocks', /clock/));
  // What is there and undefined is left out.
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine({ readers: undefined, blockCacheBytes: undefined } as never);
  assert.equal(engine.store.options.readers, DEFAULT_OPTIONS.readers);
  await simulation.settle(engine.close());
});

test('the tools for stopped directories and the bulk load refuse by name too', async () => {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync('/db');
  const tools = await loadOfflineTools();
  const noFolder: readonly (readonly [unknown, unknown, string])[] = [
    [undefined, '/db', 'fs must'],
    ['/db', fs, 'fs must'],
    [fs, undefined, 'directory must'],
    [fs, '', 'directory must'],
  ];
  for (const [first, second, name] of noFolder) {
    const [system, directory] = [first as never, second as never];
    const calls = [
      () => tools.statFolder(system, directory),
      () => tools.listFolder(system, directory),
      () => tools.lockForReading(system, directory),
      () => tools.verifyFolder(system, directory).next(),
      () => tools.countLive(system, directory, 0).next(),
      () => tools.dumpEntries(system, directory, {}, 0).next(),
      () => tools.dumpFile(system, directory, 'CURRENT', {}).next(),
      () => BulkLoad.begin(system, directory),
      () => new BulkTable(system, [directory], 1, DEFAULT_OPTIONS, HASH_SEED),
    ];
    for (const call of calls) assert.throws(call, refusal(name, /not/), String(call));
  }
  const range = { start: 'a' as never };
  assert.throws(() => tools.dumpEntries(fs, '/db', range, 0).next(), refusal('range.start must', /"a"/));
  assert.throws(() => tools.dumpFile(fs, '/db', 'CURRENT', range).next(), refusal('range.start must', /"a"/));
  assert.throws(() => tools.dumpFile(fs, '/db', 7 as never, {}).next(), refusal('name must', /not 7/));
  assert.throws(() => tools.dumpEntries(fs, '/db', {}, Number.NaN).next(), refusal('nowMs must', /NaN/));
  assert.throws(() => tools.countLive(fs, '/db', '0' as never).next(), refusal('nowMs must', /"0"/));
  await assert.rejects(repair(5 as never, { fs }), refusal('directory must', /not 5/));
  await assert.rejects(repair('/db', { fs, aply: true } as never), refusal('options has no aply', /apply/));
  await assert.rejects(repair('/db', { fs, apply: 1 as never }), refusal('options.apply must', /not 1/));
  await assert.rejects(repair('/db', { fs, pause: 1 as never }), refusal('options.pause must', /not 1/));
  await assert.rejects(
    repair('/db', { fs, engine: { readrs: 1 } as never }),
    refusal('options has no readrs', /readers/),
  );
  assert.throws(
    () => new BulkTable(fs, [], 1, DEFAULT_OPTIONS, HASH_SEED),
    refusal('directory must be a path', /""/),
  );
  assert.throws(() => new BulkTable(fs, ['/db'], 0, DEFAULT_OPTIONS, HASH_SEED), refusal('id must', /not 0/));
  using table = new BulkTable(fs, ['/db'], 1, DEFAULT_OPTIONS, HASH_SEED);
  const value = record(1, 'v');
  assert.throws(
    () => table.add('key' as never, 0, 3, value, 0, value.length),
    refusal('keyBytes must', /"key"/),
  );
  assert.throws(
    () => table.add(KEY, 0, 4, value, 0, value.length),
    refusal('keyStart and keyEnd must', /0 and 4/),
  );
  assert.throws(
    () => table.add(KEY, 0, 3, value, 5, 4),
    refusal('recordStart and recordEnd must', /5 and 4/),
  );
  table.add(KEY, 0, 3, value, 0, value.length);
});
