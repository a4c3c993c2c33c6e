/** Syncs that an engine with one thread leaves to Node's pool: here they last as long as a test wants. */
import assert from 'node:assert/strict';
import { fstatSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { type Engine, type EngineOptions, NodeFileSystem, open } from '../../../native-free-lsm/index.ts';
import { until } from '../../support/until.ts';

const OPTIONS: Partial<EngineOptions> = { durability: 'none', blockCacheBytes: 0, singleThread: true };

type Kind = 'logs' | 'tables';

/** A disk that takes its time for the syncs of what main has not opened: logs and tables. */
class HeldSyncs extends NodeFileSystem {
  /** Syncs that wait. */
  waiting = 0;
  failure: Error | undefined;
  readonly #ofMain = new Set<number>();
  readonly #directory: string;
  #kind: Kind = 'tables';
  #held: PromiseWithResolvers<void> | undefined;

  constructor(directory: string) {
    super();
    this.#directory = directory;
  }

  hold(kind: Kind): void {
    this.#kind = kind;
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  override openWriteSync(path: string): number {
    return this.#opened(super.openWriteSync(path));
  }

  override createSync(path: string): number {
    return this.#opened(super.createSync(path));
  }

  override async create(path: string): Promise<number> {
    return this.#opened(await super.create(path));
  }

  override closeSync(fd: number): void {
    this.#ofMain.delete(fd);
    super.closeSync(fd);
  }

  override async fdatasync(fd: number): Promise<void> {
    if (this.#ofMain.has(fd) || this.#isLog(fd) !== (this.#kind === 'logs')) return super.fdatasync(fd);
    this.waiting++;
    await this.#held?.promise;
    this.waiting--;
    if (this.failure !== undefined) throw this.failure;
    return super.fdatasync(fd);
  }

  #isLog(fd: number): boolean {
    const { ino } = fstatSync(fd);
    const logs = readdirSync(this.#directory).filter((name) => name.endsWith('.log'));
    return logs.some((name) => statSync(join(this.#directory, name)).ino === ino);
  }

  #opened(fd: number): number {
    this.#ofMain.add(fd);
    return fd;
  }
}

const COLD = Buffer.from('cold');
const VALUE = Buffer.alloc(2000, 'value');
const keyOf = (i: number) => Buffer.from(`key ${i}`);

async function tablesIn(path: string): Promise<number> {
  return (await readdir(path)).filter((name) => name.includes('.sst')).length;
}

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'native-free-lsm-syncs-'));
});
after(() => rm(root, { recursive: true, force: true }));

/** An engine with a table, and a flush for which a sync waits. */
async function flushing(
  path: string,
  kind: Kind = 'tables',
): Promise<{ engine: Engine; fs: HeldSyncs; flush: Promise<void> }> {
  const fs = new HeldSyncs(path);
  const engine = await open(path, OPTIONS, { fs });
  await engine.put(COLD, VALUE);
  await engine.flush();
  fs.hold(kind);
  await engine.put(keyOf(0), VALUE);
  const flush = engine.flush();
  await until(
    () => fs.waiting === 1,
    30_000,
    () => `none of the ${kind} is synced`,
  );
  return { engine, fs, flush };
}

describe('an engine with one thread, while a table is synced', { timeout: 240_000 }, () => {
  test('answers puts, and gets from disk', async () => {
    const path = join(root, 'answers');
    const { engine, fs, flush } = await flushing(path);
    let isFlushed = false;
    flush.then(() => {
      isFlushed = true;
    });
    const before = engine.stats().tableReadsByThread['reader-1'];
    for (let i = 1; i <= 100; i++) {
      await engine.put(keyOf(i), VALUE);
      assert.deepEqual(await engine.get(COLD), VALUE);
    }
    assert.ok(engine.stats().tableReadsByThread['reader-1'] >= before + 100);
    assert.equal(isFlushed, false);
    fs.release();
    await flush;
    await engine.close();
    await using again = await open(path, OPTIONS);
    assert.equal((await Array.fromAsync(again.range())).length, 102);
  });

  test('tells that the sync failed, leaves no table of it, and flushes later', async () => {
    const path = join(root, 'fails');
    const { engine, fs, flush } = await flushing(path);
    assert.equal(await tablesIn(path), 2);
    fs.failure = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO', syscall: 'fdatasync' });
    fs.release();
    await assert.rejects(flush, { code: 'IO_ERROR', message: /EIO/ });
    assert.equal(await tablesIn(path), 1);
    fs.failure = undefined;
    await engine.flush();
    assert.equal(await tablesIn(path), 2);
    await engine.close();
    await using again = await open(path, OPTIONS);
    assert.deepEqual(await again.get(keyOf(0)), VALUE);
  });
});

describe('an engine with one thread, while a log that ends is synced', { timeout: 240_000 }, () => {
  test('answers gets from disk, and writes behind it', async () => {
    const path = join(root, 'log-answers');
    const { engine, fs, flush } = await flushing(path, 'logs');
    const ends: string[] = [];
    const put = engine.put(keyOf(1), VALUE).then(() => ends.push('put'));
    const flushed = flush.then(() => ends.push('flushed'));
    for (let i = 0; i < 100; i++) assert.deepEqual(await engine.get(COLD), VALUE);
    assert.deepEqual(ends, []);
    fs.release();
    await Promise.all([put, flushed]);
    await engine.close();
    await using again = await open(path, OPTIONS);
    assert.equal((await Array.fromAsync(again.range())).length, 3);
  });

  test('acknowledges nothing more when the sync fails', async () => {
    const path = join(root, 'log-fails');
    const { engine, fs, flush } = await flushing(path, 'logs');
    const flushed = assert.rejects(flush, { code: 'POISONED' });
    fs.failure = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO', syscall: 'fdatasync' });
    const put = assert.rejects(engine.put(keyOf(1), VALUE), { code: 'POISONED' });
    fs.release();
    await Promise.all([put, flushed]);
    fs.failure = undefined;
    await assert.rejects(engine.put(keyOf(2), VALUE), { code: 'POISONED', message: /EIO/ });
    assert.deepEqual(await engine.get(COLD), VALUE);
    await engine.close();
    await using again = await open(path, OPTIONS);
    assert.deepEqual(await again.get(keyOf(0)), VALUE);
  });

  test('leaves no call without an answer when the thread dies meanwhile', async () => {
    const path = join(root, 'log-dies');
    const { engine, fs, flush } = await flushing(path, 'logs');
    const refused = [flush, engine.put(keyOf(1), VALUE), engine.sync()].map((call) =>
      assert.rejects(call, { code: 'POISONED' }),
    );
    const [thread] = (engine.store.threads?.list() ?? []).filter(({ name }) => name === 'engine');
    await (thread.handle as Worker).terminate();
    await Promise.all(refused);
    assert.deepEqual(await engine.get(COLD), VALUE);
    fs.release();
    await engine.close();
    await using again = await open(path, OPTIONS);
    assert.deepEqual(await again.get(keyOf(0)), VALUE);
  });
});

describe('an engine with one thread, while a log that grows is synced', { timeout: 240_000 }, () => {
  async function growing(path: string): Promise<{ engine: Engine; fs: HeldSyncs; entries: number }> {
    const fs = new HeldSyncs(path);
    const engine = await open(path, { ...OPTIONS, memtableBytes: 1 << 20, maxRecordBytes: 4096 }, { fs });
    fs.hold('logs');
    let entries = 0;
    // A quarter of a memtable has it begin; the log ends long after.
    while (fs.waiting === 0) {
      assert.ok(entries < 300, 'no sync has begun');
      await engine.put(keyOf(entries++), VALUE);
    }
    return { engine, fs, entries };
  }

  test('acknowledges writes, and those that ask for a sync behind it', async () => {
    const path = join(root, 'ahead-answers');
    const { engine, fs, entries } = await growing(path);
    for (let i = 0; i < 50; i++) await engine.put(keyOf(entries + i), VALUE);
    assert.equal(fs.waiting, 1);
    const ends: string[] = [];
    const synced = engine.put(COLD, VALUE, { sync: true }).then(() => ends.push('synced'));
    for (let i = 0; i < 50; i++) assert.deepEqual(await engine.get(keyOf(i)), VALUE);
    assert.deepEqual(ends, []);
    fs.release();
    await synced;
    await engine.close();
    await using again = await open(path, OPTIONS);
    assert.equal((await Array.fromAsync(again.range())).length, entries + 51);
  });

  test('acknowledges nothing more when the sync fails', async () => {
    const path = join(root, 'ahead-fails');
    const { engine, fs } = await growing(path);
    fs.failure = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO', syscall: 'fdatasync' });
    const synced = assert.rejects(engine.put(COLD, VALUE, { sync: true }), { code: 'POISONED' });
    fs.release();
    await synced;
    fs.failure = undefined;
    await assert.rejects(engine.put(COLD, VALUE), { code: 'POISONED', message: /EIO/ });
    assert.deepEqual(await engine.get(keyOf(0)), VALUE);
    await engine.close();
    await using again = await open(path, OPTIONS);
    assert.deepEqual(await again.get(keyOf(0)), VALUE);
  });

  test('is closed when the sync has ended', async () => {
    const path = join(root, 'ahead-close');
    const { engine, fs, entries } = await growing(path);
    const ends: string[] = [];
    const closed = engine.close().then(() => ends.push('closed'));
    await assert.rejects(engine.put(COLD, VALUE), { code: 'CLOSED' });
    const other = await open(join(root, 'ahead-other'), OPTIONS);
    await other.put(COLD, VALUE);
    await other.close();
    ends.push('released');
    fs.release();
    await closed;
    assert.deepEqual(ends, ['released', 'closed']);
    await using again = await open(path, OPTIONS);
    assert.equal((await Array.fromAsync(again.range())).length, entries);
  });
});

for (const kind of ['tables', 'logs'] as const) {
  test(`an engine with one thread is closed when a sync of ${kind} has ended`, {
    timeout: 240_000,
  }, async () => {
    const path = join(root, `${kind}-close`);
    const { engine, fs, flush } = await flushing(path, kind);
    const flushed = flush.catch(() => undefined);
    const ends: string[] = [];
    const closed = engine.close().then(() => ends.push('closed'));
    await assert.rejects(engine.put(COLD, VALUE), { code: 'CLOSED' });
    // Whatever a close does without the sync has time for it.
    const other = await open(join(root, `${kind}-other`), OPTIONS);
    await other.put(COLD, VALUE);
    await other.flush();
    await other.close();
    ends.push('released');
    fs.release();
    await closed;
    await flushed;
    assert.deepEqual(ends, ['released', 'closed']);
    assert.equal(fs.waiting, 0);
    await using again = await open(path, OPTIONS);
    assert.deepEqual(await again.get(keyOf(0)), VALUE);
  });
}
