/** The engine with its real threads, rings and files. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type Engine,
  type LsmError,
  open,
  openReadOnly,
  RecordStore,
  WriteStatus,
} from '../../../native-free-lsm/index.ts';
import { ControlWord } from '../../../native-free-lsm/shared/control.ts';
import type { ThreadWaits } from '../../../native-free-lsm/threads/engine-threads.ts';
import type { Executor, ExecutorContext, RoleHandle } from '../../../native-free-lsm/threads/executor.ts';
import { PoolExecutor } from '../../../native-free-lsm/threads/pool.ts';
import type { ReaderInit, WriterInit } from '../../../native-free-lsm/threads/protocol/posted-messages.ts';
import { seededRandom, systemClock } from '../../../src/clock.ts';
import { readRecord, record, writeRecordTo } from '../../support/engine-calls.ts';
import { collectGarbage } from '../../support/garbage.ts';
import { until } from '../../support/until.ts';

const MIB = 1024 * 1024;

function key(i: number): Buffer {
  return Buffer.from(`key${String(i).padStart(5, '0')}`);
}

/** Real threads, one of which can be made to throw: it is sent something that is no memtable. */
class MortalPool extends PoolExecutor {
  readonly #words: Int32Array;
  readonly readers: RoleHandle[] = [];
  writer: RoleHandle | undefined;

  constructor(context: ExecutorContext) {
    super(context);
    this.#words = new Int32Array(context.control);
  }

  override startWriter(init: WriterInit): RoleHandle {
    this.writer = super.startWriter(init);
    return this.writer;
  }

  override startReader(init: ReaderInit): RoleHandle {
    const handle = super.startReader(init);
    this.readers.push(handle);
    return handle;
  }

  kill(role: RoleHandle): void {
    role.post({ type: 'arena', index: 0, arena: new SharedArrayBuffer(8) });
    Atomics.add(this.#words, ControlWord.superVersionEpoch, 1);
  }
}

/** Real threads, but there is no memory to start a reader. */
class PoolWithoutReaders extends PoolExecutor {
  exited = false;

  override startWriter(init: WriterInit): RoleHandle {
    const handle = super.startWriter(init);
    handle.exited.then(() => {
      this.exited = true;
    });
    return handle;
  }

  override startReader(): RoleHandle {
    throw new RangeError('no memory for a reader');
  }
}

describe('the engine in threads', { timeout: 600_000 }, () => {
  let root: string;
  let made = 0;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'native-free-lsm-'));
  });
  after(() => rm(root, { recursive: true, force: true }));
  const directory = (): string => join(root, String(made++));

  test('the engine has a clock of its own, and its threads the system clock: a write is in time by either', async () => {
    for (const monotonicMs of [() => 0, () => 1e15]) {
      const clock = { ...systemClock, monotonicMs };
      const store = RecordStore.open(directory(), {}, { clock });
      const { status } = await writeRecordTo(store, key(1), record(1, 'value'), 10_000);
      assert.equal(status, WriteStatus.applied);
      await store.close();
    }
  });

  test('64 callers at once write, read and scan through flushes and compactions', async () => {
    const path = directory();
    const engine = await open(path, {
      memtableBytes: MIB,
      maxRecordBytes: 64 * 1024,
      targetFileBytes: MIB / 2,
      baseLevelBytes: MIB,
      readers: 2,
    });
    const newest = new Map<number, number>();
    const caller = async (id: number): Promise<void> => {
      const random = seededRandom(id);
      for (let i = 0; i < 60; i++) {
        // Each caller has keys of its own, so it reads what it wrote last.
        const at = id * 20 + Math.floor(random() * 20);
        const kind = random();
        if (kind < 0.5) {
          await engine.put(key(at), Buffer.alloc(40 + Math.floor(random() * 3000), `${i}.`));
          newest.set(at, i);
        } else if (kind < 0.6) {
          await engine.delete(key(at));
          newest.delete(at);
        } else if (kind < 0.95) {
          const value = await engine.get(key(at));
          const expected = newest.get(at);
          assert.equal(
            value?.subarray(0, 3).toString(),
            expected === undefined ? undefined : `${expected}.${expected}`.slice(0, 3),
          );
        } else {
          const own: string[] = [];
          for await (const entry of engine.range({ gte: key(id * 20), lt: key(id * 20 + 20) }))
            own.push(entry.key.toString());
          const expected = Array.from({ length: 20 }, (_, k) => id * 20 + k).filter((k) => newest.has(k));
          assert.deepEqual(
            own,
            expected.map((k) => key(k).toString()),
          );
        }
      }
    };
    await Promise.all(Array.from({ length: 64 }, (_, id) => caller(id)));
    await engine.compact();
    const stats = engine.stats();
    assert.ok(stats.flushes >= 1 && stats.state === 'open');
    await engine.close();

    const again = await open(path, { blockCacheBytes: 0 });
    const readAll = async (): Promise<void> => {
      for (let at = 0; at < 64 * 20; at += 3) {
        const value = await again.get(key(at));
        assert.equal(value === undefined, !newest.has(at), `key ${at}`);
      }
    };
    await readAll();
    // A page that no cache has: it comes from a reader, and so does all from the disk from then on.
    assert.ok((await Array.fromAsync(again.range())).length > 0);
    const { main } = again.stats().tableReadsByThread;
    await readAll();
    const { tableReadsByThread } = again.stats();
    assert.equal(tableReadsByThread.main, main);
    assert.ok(tableReadsByThread['reader-1'] > 0);
    await again.close();
  });

  test('the memory of an engine that is closed is given back, as is that of a reader beside it', async () => {
    const opened = async (isKept: boolean): Promise<void> => {
      const path = directory();
      const engine = await open(path, { durability: 'none', singleThread: false });
      await engine.put(key(1), Buffer.from('value'));
      await engine.flush();
      const reader = await openReadOnly(path);
      assert.equal(String(await reader.get(key(1))), 'value');
      // What is shared with threads is never smaller than the two memtables and the cache of these defaults.
      if (isKept) assert.ok((await collectGarbage()) - before > 24 * MIB);
      await reader.close();
      await engine.close();
    };
    const before = await collectGarbage();
    for (let i = 0; i < 3; i++) await opened(i === 0);
    // Threads end, and with them what holds their memory, a moment after the engine is closed.
    let keptBytes = 0;
    await until(
      async () => {
        keptBytes = (await collectGarbage()) - before;
        return keptBytes < 8 * MIB;
      },
      20_000,
      () => `${(keptBytes / MIB).toFixed(1)} MiB of closed engines are kept`,
    );
  });

  test('a second opener is refused by name, and let in when the first is gone', async () => {
    const path = directory();
    const first = await open(path);
    await assert.rejects(open(path), { code: 'LOCKED' });
    await first.close();
    await (await open(path)).close();
  });

  test('an older version that arrives late never hides a newer one, across flush and restart', async () => {
    const path = directory();
    let engine = await open(path, { dropTombstonesBelow: 0 });
    await writeRecordTo(engine.store, key(1), record(100, 'new', 7));
    await writeRecordTo(engine.store, key(2), record(100, null, 7));
    for (const station of ['memtable', 'flush', 'compact', 'restart']) {
      if (station === 'flush') await engine.flush();
      if (station === 'compact') await engine.compact();
      if (station === 'restart') {
        await engine.close();
        engine = await open(path, { dropTombstonesBelow: 0 });
      }
      for (const at of [1, 2]) {
        const late = await writeRecordTo(engine.store, key(at), record(99, 'late'));
        assert.deepEqual(
          late,
          { status: WriteStatus.stale, metTimestamp: 100, metWriter: 7, error: null },
          station,
        );
        const same = await writeRecordTo(engine.store, key(at), record(100, 'same', 7));
        assert.equal(same.status, WriteStatus.stale);
      }
      assert.deepEqual(await readRecord(engine.store, key(1)), record(100, 'new', 7));
      assert.equal(await engine.get(key(2)), undefined);
    }
    await engine.close();
  });

  test('values up to 16 MiB', async () => {
    const path = directory();
    const options = {
      maxRecordBytes: 16 * MIB + 64 * 1024,
      memtableBytes: 64 * MIB,
      blockCacheBytes: 8 * MIB,
    };
    let engine = await open(path, options);
    const values = [0, 1].map((i) => Buffer.alloc(16 * MIB, `value${i}`));
    await Promise.all(values.map((value, i) => engine.put(key(i), value)));
    await assert.rejects(engine.put(key(9), Buffer.alloc(17 * MIB)), { code: 'INVALID_ARGUMENT' });
    const check = async (): Promise<void> => {
      for (const [i, value] of values.entries())
        assert.ok(value.equals((await engine.get(key(i))) as Uint8Array));
      let count = 0;
      for await (const entry of engine.range()) assert.ok(values[count++].equals(entry.value));
      assert.equal(count, 2);
    };
    await check();
    await engine.flush();
    await check();
    await engine.close();
    engine = await open(path, options);
    await check();
    await engine.close();
  });

  test('closing while writes are in flight: each is either stored or told that the engine is closed', async () => {
    const path = directory();
    const engine = await open(path);
    const outcomes: Promise<string>[] = [];
    const put = (i: number): void => {
      const outcome = engine.put(key(i), Buffer.from(String(i))).then(
        () => 'stored',
        (error: LsmError) => error.code,
      );
      outcomes.push(outcome);
    };
    for (let i = 0; i < 500; i++) put(i);
    const closed = engine.close();
    for (let i = 500; i < 600; i++) put(i);
    await closed;
    const results = await Promise.all(outcomes);
    assert.ok(results.slice(0, 500).every((result) => result === 'stored'));
    assert.ok(results.slice(500).every((result) => result === 'CLOSED'));
    const again = await open(path);
    for (let i = 0; i < 600; i++) assert.equal((await again.get(key(i))) !== undefined, i < 500);
    await again.close();
  });

  // The writer has not begun its log by then, and the manifest never names it.
  test('closing at once after opening waits for nothing', { timeout: 120_000 }, async () => {
    const path = directory();
    for (let round = 0; round < 3; round++) {
      const engine = await open(path, { writeStallTimeoutMs: 3_600_000 });
      await engine.close();
    }
    await using engine = await open(path);
    await engine.put(key(1), Buffer.from('value'));
  });

  test('more writes than fit anywhere are refused at once, and taken again when there is room', async () => {
    const engine = await open(directory(), { maxQueuedWriteBytes: 2 * MIB, whenFull: 'refuse' });
    const value = Buffer.alloc(100_000);
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, (_, i) => engine.put(key(i), value)),
    );
    const refused = results.filter((result) => result.status === 'rejected');
    assert.ok(refused.length > 0 && refused.length < 200);
    for (const { reason } of refused) assert.equal(reason.code, 'OVERLOADED');
    for (const [i, { status }] of results.entries()) {
      assert.equal((await engine.get(key(i))) !== undefined, status === 'fulfilled');
    }
    await engine.put(key(0), value);
    await engine.close();
  });

  test('more writes than fit anywhere wait, unless they should not, and are all there', async () => {
    const engine = await open(directory(), { maxQueuedWriteBytes: 2 * MIB });
    const value = Buffer.alloc(100_000);
    await Promise.all(Array.from({ length: 200 }, (_, i) => engine.put(key(i), value)));
    assert.equal(
      (await engine.getMany(Array.from({ length: 200 }, (_, i) => key(i)))).includes(undefined),
      false,
    );
    await engine.close();
  });

  test('a damaged byte in a table is reported with its place, and the rest is served', async () => {
    const path = directory();
    let engine = await open(path);
    for (let i = 0; i < 200; i++) await engine.put(key(i), Buffer.alloc(200, i));
    await engine.flush();
    await engine.close();
    const name = (await readdir(path)).find((file) => file.endsWith('.sst')) as string;
    const bytes = await readFile(join(path, name));
    bytes[50] ^= 1;
    await writeFile(join(path, name), bytes);
    engine = await open(path);
    await assert.rejects(engine.get(key(0)), (error: LsmError) => {
      assert.equal(error.code, 'CORRUPTION');
      assert.equal(error.file, join(path, name));
      return (error.offset as number) <= 50;
    });
    assert.deepEqual(await engine.get(key(199)), Buffer.alloc(200, 199));
    await engine.put(key(0), Buffer.from('again'));
    assert.deepEqual(await engine.get(key(0)), Buffer.from('again'));
    // A background thread has set the table aside, with code and place, and compactions go on without it.
    await engine.compact();
    const damage = engine.stats().conditions.filter(({ code }) => code === 'DAMAGED_TABLE');
    assert.equal(damage.length, 1);
    assert.match(damage[0].message, /is damaged at byte/);
    await engine.close();
  });

  test('a reader thread that dies is replaced, a writer thread is not', async () => {
    let pool: MortalPool | undefined;
    const reports: string[] = [];
    const environment = {
      executor: (context: ExecutorContext): Executor => {
        pool = new MortalPool(context);
        return pool;
      },
      report: (message: string) => void reports.push(message),
    };
    const engine: Engine = await open(directory(), { blockCacheBytes: 0 }, environment);
    const threads = pool as MortalPool;
    for (let i = 0; i < 100; i++) await engine.put(key(i), Buffer.from(String(i)));
    await engine.flush();
    for (let round = 0; round < 2; round++) {
      threads.kill(threads.readers.at(-1) as RoleHandle);
      const found = await Promise.all(Array.from({ length: 100 }, (_, i) => engine.get(key(i))));
      assert.deepEqual(
        found.map(String),
        Array.from({ length: 100 }, (_, i) => String(i)),
      );
    }
    assert.equal(threads.readers.length, 3);
    assert.equal(reports.filter((report) => report.includes('reader thread died')).length, 2);

    threads.kill(threads.writer as RoleHandle);
    await assert.rejects(engine.put(key(1), Buffer.from('x')), {
      code: 'POISONED',
      message: /writer thread died/,
    });
    assert.equal(String(await engine.get(key(1))), '1');
    await engine.close();
  });

  test('waking the threads gives them no work: nothing is appended to the log', async () => {
    const path = directory();
    await using engine = await open(path);
    const { store } = engine;
    await engine.put(key(1), Buffer.from('value'));
    const logBytes = async (): Promise<number[]> => {
      const logs = (await readdir(path)).filter((file) => file.endsWith('.log'));
      return Promise.all(logs.map(async (file) => (await stat(join(path, file))).size));
    };
    const before = await logBytes();
    assert.equal(before.length, 1);
    const { threads } = store;
    assert.ok(threads !== undefined);
    const wake = (): void => {
      threads.recordWaits();
      store.wakeThreads();
    };
    let waits: ThreadWaits[] = [];
    // What a thread waits for is recorded once it has looked up and waits again.
    const haveLookedUp = (): boolean => {
      waits = threads.takeWaits();
      const all = waits.length > 0 && waits.every(({ sites }) => sites.length > 0);
      if (!all) wake();
      return all;
    };
    for (let round = 0; round < 20; round++) {
      wake();
      await until(haveLookedUp, 30_000, () => JSON.stringify(waits));
      for (const { sites, thread } of waits) {
        const places = sites.map(({ path: names }) => names.join(', '));
        assert.deepEqual(places, ['ring, empty: no requests'], thread);
      }
    }
    assert.deepEqual(await logBytes(), before);
  });

  test('an opening that fails once its threads run ends them and frees the directory', async () => {
    const path = directory();
    await (await open(path)).close();
    const pools: PoolWithoutReaders[] = [];
    const executor = (context: ExecutorContext): Executor => {
      pools.push(new PoolWithoutReaders(context));
      return pools[0];
    };
    await assert.rejects(open(path, {}, { executor }), /no memory for a reader/);
    const [pool] = pools;
    await until(
      () => pool.exited,
      30_000,
      () => 'the writer thread runs on',
    );
    let engine: Engine | undefined;
    const isFree = async (): Promise<boolean> => {
      engine = await open(path).catch((error: LsmError) => {
        assert.equal(error.code, 'LOCKED');
        return undefined;
      });
      return engine !== undefined;
    };
    await until(isFree, 30_000, () => 'the directory is locked still');
    assert.equal(pool.roleThreads.length, 0, 'the lock outlives the threads');
    await engine?.close();
  });

  test('a snapshot is one moment, and its reads do not see what comes later', async () => {
    const engine = await open(directory());
    for (let i = 0; i < 50; i++) await engine.put(key(i), Buffer.from('before'));
    using snapshot = engine.snapshot();
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 100; i++) writes.push(engine.put(key(i), Buffer.from('after')));
    const seen: string[] = [];
    for await (const entry of engine.range({ snapshot })) seen.push(String(entry.value));
    await Promise.all(writes);
    await engine.compact();
    for await (const entry of engine.range({ snapshot })) seen.push(String(entry.value));
    assert.deepEqual(seen, new Array(100).fill('before'));
    assert.equal(String(await engine.get(key(3), snapshot)), 'before');
    assert.equal(await engine.get(key(60), snapshot), undefined);
    assert.equal(String(await engine.get(key(60))), 'after');
    await engine.close();
  });

  test('a directory named from where the process is stays the same one when the process goes elsewhere', async () => {
    const [path, elsewhere] = [directory(), directory()];
    await mkdir(elsewhere);
    const before = process.cwd();
    const name = relative(before, path);
    const engine = await open(name);
    try {
      await engine.put(key(1), Buffer.from('1'));
      const reader = await openReadOnly(name);
      const checkpoint = engine.checkpoint(`${name}-copy`);
      process.chdir(elsewhere);
      await checkpoint;
      await engine.put(key(2), Buffer.from('2'));
      await engine.compact();
      assert.equal(await reader.refresh(), true);
      assert.equal(String(await reader.get(key(2))), '2');
      await reader.close();
      await engine.put(key(3), Buffer.from('3'));
    } finally {
      process.chdir(before);
      await engine.close();
    }
    assert.deepEqual(await readdir(elsewhere), []);
    for (const [folder, entries] of [
      [path, 3],
      [`${path}-copy`, 1],
    ] as const) {
      await using again = await open(folder, { createIfMissing: false });
      assert.equal((await again.range().nextMany(10)).length, entries);
    }
  });

  test('40,000 cold gets at once are all answered, and more than may wait are refused at once', async () => {
    const path = directory();
    await using engine = await open(path, { blockCacheBytes: 0 });
    const keys = Array.from({ length: 40_000 }, (_, i) => key(i));
    for (let i = 0; i < keys.length; i += 500) {
      await engine.write(keys.slice(i, i + 500).map((name) => ({ type: 'put', key: name, value: name })));
    }
    await engine.flush();
    const many = await engine.getMany(keys);
    assert.ok(many.every((value, i) => value !== undefined && keys[i].equals(value)));
    const single = await Promise.all(keys.map((name) => engine.get(name)));
    assert.ok(single.every((value, i) => value !== undefined && keys[i].equals(value)));
    await engine.close();
    await using narrow = await open(path, { blockCacheBytes: 0, maxQueuedReadBytes: 100_000 });
    const results = await Promise.allSettled(keys.map((name) => narrow.get(name)));
    const refused = results.filter((result) => result.status === 'rejected');
    assert.ok(refused.length > 0 && refused.length < keys.length - 16_000, `${refused.length} were refused`);
    for (const { reason } of refused) assert.equal(reason.code, 'OVERLOADED');
    assert.ok((await narrow.get(keys[0])) !== undefined);
  });
});
