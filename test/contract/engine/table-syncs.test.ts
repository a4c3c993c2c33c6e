/** Syncs of tables, which an engine with one thread leaves to Node's pool: here they last as long as a test wants. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Engine, type EngineOptions, NodeFileSystem, open } from '../../../native-free-lsm/index.ts';
import { until } from '../../support/until.ts';

const OPTIONS: Partial<EngineOptions> = { durability: 'none', blockCacheBytes: 0, singleThread: true };

/** A disk that takes its time for the syncs of what main has not opened: tables. */
class HeldSyncs extends NodeFileSystem {
  /** Syncs of tables that wait. */
  waiting = 0;
  failure: Error | undefined;
  readonly #ofMain = new Set<number>();
  #held: PromiseWithResolvers<void> | undefined;

  hold(): void {
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
    if (this.#ofMain.has(fd)) return super.fdatasync(fd);
    this.waiting++;
    await this.#held?.promise;
    this.waiting--;
    if (this.failure !== undefined) throw this.failure;
    return super.fdatasync(fd);
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

describe('an engine with one thread, while a table is synced', { timeout: 60_000 }, () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'native-free-lsm-syncs-'));
  });
  after(() => rm(root, { recursive: true, force: true }));

  /** An engine with a table, and a flush whose sync waits. */
  async function flushing(path: string): Promise<{ engine: Engine; fs: HeldSyncs; flush: Promise<void> }> {
    const fs = new HeldSyncs();
    const engine = await open(path, OPTIONS, { fs });
    await engine.put(COLD, VALUE);
    await engine.flush();
    fs.hold();
    await engine.put(keyOf(0), VALUE);
    const flush = engine.flush();
    await until(
      () => fs.waiting === 1,
      30_000,
      () => 'no table is synced',
    );
    return { engine, fs, flush };
  }

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

  test('is closed when the sync has ended', async () => {
    const { engine, fs, flush } = await flushing(join(root, 'closes'));
    const flushed = flush.catch(() => undefined);
    const ends: string[] = [];
    const closed = engine.close().then(() => ends.push('closed'));
    await assert.rejects(engine.put(COLD, VALUE), { code: 'CLOSED' });
    // Whatever a close does without the sync has time for it.
    const other = await open(join(root, 'other'), OPTIONS);
    await other.put(COLD, VALUE);
    await other.flush();
    await other.close();
    ends.push('released');
    fs.release();
    await closed;
    await flushed;
    assert.deepEqual(ends, ['released', 'closed']);
    assert.equal(fs.waiting, 0);
  });
});
