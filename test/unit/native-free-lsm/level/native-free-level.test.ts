/** What the suite of abstract-level does not ask: see test/contract/abstract-level. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Environment } from '../../../../native-free-lsm/index.ts';
import { NativeFreeLevel } from '../../../../native-free-lsm/level/index.ts';
import { InlineExecutor, MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import type { ExecutorContext } from '../../../../native-free-lsm/threads/executor.ts';
import { seededRandom } from '../../../../src/clock.ts';

const SMALL = { maxRecordBytes: 16 * 1024, maxBatchBytes: 16 * 1024, memtableBytes: 64 * 1024 } as const;

function inMemory(fs = new MemoryFileSystem(), more: Partial<Environment> = {}): NativeFreeLevel {
  const executor = (context: ExecutorContext) => new InlineExecutor(context);
  return new NativeFreeLevel('/db', { engine: SMALL, environment: { fs, executor, ...more } });
}

const keyOf = (i: number) => `key${String(i).padStart(4, '0')}`;

test('a database on the disk, with threads, is there when it is opened again, and locked meanwhile', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'level-'));
  try {
    await using level = new NativeFreeLevel<string, { n: number }>(join(directory, 'db'), {
      valueEncoding: 'json',
    });
    await level.put('a', { n: 1 });
    await level.batch().put('b', { n: 2 }).del('a').write();
    const second = new NativeFreeLevel(join(directory, 'db'));
    await assert.rejects(second.open(), (error: Error & { code: string; cause: { code: string } }) => {
      return error.code === 'LEVEL_DATABASE_NOT_OPEN' && error.cause.code === 'LEVEL_LOCKED';
    });
    await level.close();
    await level.open();
    assert.deepEqual(await level.iterator().all(), [['b', { n: 2 }]]);
    assert.deepEqual(level.getSync('b'), { n: 2 });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('sizes are those of the tables, and compacting gives room back', async () => {
  await using level = inMemory();
  await level.open();
  // What can be compressed takes less.
  const random = seededRandom(1);
  const noise = (): string => String.fromCharCode(...Array.from({ length: 500 }, () => random() * 128));
  for (let i = 0; i < 300; i++) await level.put(keyOf(i), noise());
  await level.engine.flush();
  const whole = await level.approximateSize(keyOf(0), keyOf(300));
  const half = await level.approximateSize(keyOf(0), keyOf(150));
  assert.ok(whole > 150_000, `${whole}`);
  assert.ok(half > whole * 0.4 && half < whole * 0.6, `${half} of ${whole}`);
  assert.equal(await level.approximateSize('a', 'b'), 0);
  await level.clear({ gte: keyOf(0), lt: keyOf(150) });
  await level.compactRange(keyOf(0), keyOf(300));
  const left = await level.approximateSize(keyOf(0), keyOf(300));
  assert.ok(left < whole * 0.6, `${left} of ${whole}`);
  assert.equal((await level.keys().all()).length, 150);
  const lacking = null as unknown as string;
  await assert.rejects(level.approximateSize(lacking, 'b'), { code: 'LEVEL_INVALID_KEY' });
  await assert.rejects(level.compactRange('a', lacking), { code: 'LEVEL_INVALID_KEY' });
});

test('calls before it is open wait for that, and after a close they are refused', async () => {
  const level = inMemory();
  const [size] = await Promise.all([level.approximateSize('a', 'b'), level.compactRange('a', 'b')]);
  assert.equal(size, 0);
  await level.close();
  await assert.rejects(level.approximateSize('a', 'b'), { code: 'LEVEL_DATABASE_NOT_OPEN' });
});

test('errors of the engine keep their reason behind the codes of abstract-level', async () => {
  const fs = new MemoryFileSystem();
  await using level = inMemory(fs);
  await level.open();
  await assert.rejects(
    level.put('k', 'x'.repeat(20_000)),
    (error: Error & { code: string; cause: { code: string } }) => {
      return error.code === 'LEVEL_INVALID_ARGUMENT' && error.cause.code === 'INVALID_ARGUMENT';
    },
  );
  for (let i = 0; i < 100; i++) await level.put(keyOf(i), 'x'.repeat(500));
  await level.engine.flush();
  const table = fs.listSync('/db').find((name) => name.endsWith('.sst')) as string;
  const bytes = fs.contents(`/db/${table}`);
  bytes[20] ^= 1;
  fs.place(`/db/${table}`, bytes);
  assert.throws(() => level.getSync(keyOf(0)), { code: 'LEVEL_CORRUPTION' });
  await assert.rejects(level.get(keyOf(0)), { code: 'LEVEL_CORRUPTION' });
  await assert.rejects(level.iterator().all(), { code: 'LEVEL_CORRUPTION' });
});

test('an iterator with a bound or a target that is too long fails when it is read, and is closed as any other', async () => {
  const level = inMemory();
  const refused = { code: 'LEVEL_INVALID_ARGUMENT', message: /must have at most 65535 bytes, not 70000/ };
  const bounds = { gt: 'x'.repeat(70_000) };
  // Before it is open, and afterwards.
  for (const _ of [1, 2]) {
    const [wrong, right] = [level.iterator(bounds), level.iterator()];
    right.seek(bounds.gt);
    await assert.rejects(wrong.next(), refused);
    await assert.rejects(right.next(), refused);
    wrong.seek('a');
    right.seek('a');
    await assert.rejects(wrong.all(), refused);
    await level.put('a', 'b');
    assert.deepEqual((await level.iterator().all()).length, 1);
    await assert.rejects(level.keys(bounds).all(), refused);
  }
  await level.close();
});

test('a clear that is large goes on over what was there when it was called', async () => {
  await using level = inMemory();
  await level.open();
  for (let i = 0; i < 2500; i++) await level.put(keyOf(i), '');
  const cleared = level.clear({ gt: keyOf(9), limit: 2400, reverse: true });
  await cleared;
  const keys = await level.keys().all();
  assert.equal(keys.length, 100);
  assert.equal(keys[10], keyOf(10));
  assert.equal(keys.at(-1), keyOf(99));
});

test('a value ends after its ttl, given to a put, a batch, one of its operations, or a sublevel', async () => {
  const now = { ms: Date.UTC(2026, 0, 1) };
  await using level = inMemory(undefined, { expiryNowMs: () => now.ms });
  await level.open();
  const part = level.sublevel<string, { n: number }>('part', { valueEncoding: 'json' });
  await level.put('for ever', 'v', { ttl: 0 });
  await level.put('put', 'v', { ttl: 1000 });
  await level.batch([{ type: 'put', key: 'own', value: 'v', ttl: 1000 }], { ttl: 9000 });
  await level.batch([{ type: 'put', key: 'common', value: 'v' }], { ttl: 1000 });
  await level.batch().put('chained', 'v', { ttl: 1000 }).put('later', 'v').write({ ttl: 9000, sync: true });
  await part.open();
  await part.put('put', { n: 1 }, { ttl: 1000 });
  await part.batch([{ type: 'put', key: 'own', value: { n: 2 }, ttl: 1000 }]);
  await part.batch().put('chained', { n: 3 }, { ttl: 1000 }).write();
  const other = level.sublevel('other');
  await level.batch([{ type: 'put', key: 'above', value: 'v', sublevel: other, ttl: 1000 }]);
  assert.equal((await level.keys().all()).length, 10);
  now.ms += 1000;
  assert.deepEqual(await level.keys().all(), ['for ever', 'later']);
  assert.deepEqual(await level.keys({ reverse: true, limit: 1 }).all(), ['later']);
  assert.deepEqual(await level.getMany(['put', 'own', 'later']), [undefined, undefined, 'v']);
  assert.deepEqual(
    [await level.has('put'), await level.hasMany(['common', 'later'])],
    [false, [false, true]],
  );
  assert.equal(await part.get('chained'), undefined);
  assert.equal(level.getSync('put'), undefined);
  await assert.rejects(level.put('k', 'v', { ttl: -1 }), { code: 'LEVEL_INVALID_ARGUMENT' });
});

test('a location must be a path', () => {
  assert.throws(() => new NativeFreeLevel(''), TypeError);
  assert.throws(() => new NativeFreeLevel(5 as unknown as string), TypeError);
});

test('a database that is read beside its writer, in the same words', async () => {
  const fs = new MemoryFileSystem();
  const missing = new NativeFreeLevel('/db', { readOnly: true, environment: { fs } });
  await assert.rejects(missing.open(), (error: Error & { cause: { code: string; message: string } }) => {
    assert.deepEqual(
      [error.cause.code, error.cause.message],
      ['LEVEL_DATABASE_MISSING', '/db does not exist, and readOnly makes none'],
    );
    return true;
  });
  await using writer = inMemory(fs);
  await writer.batch([
    { type: 'put', key: 'a', value: '1' },
    { type: 'put', key: 'b', value: '2' },
  ]);
  assert.equal(await writer.refresh(), false);
  const executor = (context: ExecutorContext) => new InlineExecutor(context);
  const reader: { maxMemtableBytes: number } = { maxMemtableBytes: 64 * 1024 * 1024 };
  await using level = new NativeFreeLevel('/db', { readOnly: true, reader, environment: { fs, executor } });
  // Deferred until it is open.
  assert.equal(await level.refresh(), false);
  assert.deepEqual(await level.iterator({ reverse: true }).all(), [
    ['b', '2'],
    ['a', '1'],
  ]);
  const snapshot = level.snapshot();
  await writer.put('c', '3');
  await writer.del('a');
  assert.equal(await level.get('c'), undefined);
  assert.equal(await level.refresh(), true);
  assert.deepEqual(
    [level.getSync('c'), await level.getMany(['a', 'b']), await level.has('a')],
    ['3', [undefined, '2'], false],
  );
  assert.deepEqual(await level.keys({ snapshot }).all(), ['a', 'b']);
  await snapshot.close();
  assert.equal(await level.approximateSize('a', 'z'), 0);
  const refused = { code: 'LEVEL_NOT_WRITABLE', message: /\/db was opened with readOnly/ };
  await assert.rejects(level.put('d', '4'), refused);
  await assert.rejects(level.del('a'), refused);
  await assert.rejects(level.batch([{ type: 'del', key: 'a' }]), refused);
  await assert.rejects(level.batch().put('d', '4').write(), refused);
  await assert.rejects(level.clear(), refused);
  await assert.rejects(level.compactRange('a', 'z'), refused);
  assert.throws(() => level.engine, refused);
  await level.close();
  await assert.rejects(level.refresh(), { code: 'LEVEL_DATABASE_NOT_OPEN' });
  // The same database may be opened to be written once nobody writes it.
  await writer.close();
  const both = inMemory(fs);
  await both.open({ readOnly: true });
  await assert.rejects(both.put('d', '4'), refused);
  await both.close();
  await both.open({ readOnly: false });
  await both.put('d', '4');
  await both.close();
});

test('a time to live that is none is refused by the name that callers know it by', async () => {
  await using level = inMemory(new MemoryFileSystem());
  const refused = {
    code: 'LEVEL_INVALID_ARGUMENT',
    message: /^ttl must be a whole number from 1 to 31557600000000, which is a thousand years, not /,
  };
  await assert.rejects(level.put('a', '1', { ttl: -5 }), refused);
  await assert.rejects(level.batch([{ type: 'put', key: 'a', value: '1', ttl: 0.5 }]), refused);
  await assert.rejects(level.batch().put('a', '1', { ttl: -1 }).write(), refused);
  assert.equal(await level.get('a'), undefined);
});
