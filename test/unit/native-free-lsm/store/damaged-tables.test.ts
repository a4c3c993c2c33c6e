/**
 * A table is damaged, or the disk cannot read it: writes, flushes and compactions go on, only keys in the damaged
 * place fail, and no read ever shows an older value for what it cannot read.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type EngineOptions,
  isTombstone,
  type LsmError,
  loadOfflineTools,
  type RecordStore,
  recordTimestamp,
  repair,
  WriteStatus,
} from '../../../../native-free-lsm/index.ts';
import { fileSystemError, type MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import {
  MetaBlockType,
  readTableLayout,
  type TableLayout,
} from '../../../../native-free-lsm/sstable/table-format.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { type BlockOfTable, blocksOfTable, flipBit } from '../../../support/damaged-tables.ts';
import { readResult, record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';
import { pageEntries } from '../../../support/page-entries.ts';

const KEYS = 400;
const OPTIONS: Partial<EngineOptions> = { ...TINY_OPTIONS, writeStallTimeoutMs: 2000, blockCacheBytes: 0 };
/** Far more memtables than level 0 may have tables. */
const MANY_WRITES = 3000;

/** A store and what it must show: of each key the record that was acknowledged last. */
class Checked {
  readonly expected = new Map<string, Uint8Array>();
  readonly random: () => number;
  /** This key is not written. */
  spared = '';
  simulation: EngineSimulation;
  store: RecordStore;
  #timestamp = 0;

  constructor(seed: number, more: Partial<EngineOptions> = {}) {
    this.random = seededRandom(seed);
    this.simulation = new EngineSimulation({ ...OPTIONS, ...more });
    this.store = this.simulation.openStore();
  }

  get fs(): MemoryFileSystem {
    return this.simulation.fs;
  }

  async write(count: number, keys = KEYS): Promise<void> {
    for (let i = 0; i < count; i++) {
      const key = keyOf(Math.floor(this.random() * keys));
      if (key === this.spared) continue;
      const value = this.random() < 0.1 ? null : Buffer.alloc(60 + Math.floor(this.random() * 100), key);
      const written = record(++this.#timestamp, value);
      const { error } = await this.simulation.settle(writeRecordTo(this.store, Buffer.from(key), written));
      assert.equal(error, null, `write ${i}: ${error?.message}`);
      this.expected.set(key, written);
    }
  }

  /** @returns the keys that cannot be read; all others show what they must */
  async failing(codes = /^CORRUPTION$/): Promise<string[]> {
    const failing: string[] = [];
    for (let i = 0; i < KEYS; i++) {
      const key = keyOf(i);
      const { error, record: found } = await this.simulation.settle(readResult(this.store, Buffer.from(key)));
      if (error === null)
        assert.deepEqual(found, this.expected.get(key) ?? null, `${key} shows what it must`);
      else {
        assert.match((error as LsmError).code, codes, error.message);
        failing.push(key);
      }
    }
    return failing;
  }

  async scan(start: string, end: string | null, reverse = false): Promise<string[]> {
    const limits = { maxBytes: 1 << 20, maxEntries: 4096, includeTombstones: true, encoder: 0, nowMs: 0 };
    const bounds = { start: Buffer.from(start), end: end === null ? null : Buffer.from(end) };
    const page = await this.simulation.settle(this.store.rangePage({ ...bounds, ...limits, reverse }));
    return [...pageEntries(page)].map(([key, found]) => {
      const name = Buffer.from(key).toString();
      assert.deepEqual(Buffer.from(found), Buffer.from(this.expected.get(name) as Uint8Array));
      return name;
    });
  }

  async reopen(): Promise<void> {
    await this.simulation.settle(this.store.close());
    this.simulation = this.simulation.restartWith(this.fs.kill());
    this.store = this.simulation.openStore();
  }

  condition() {
    return this.store.stats().conditions.find(({ code }) => code === 'DAMAGED_TABLE');
  }

  /** The first attempt may fail with the damage it meets. */
  async compact(): Promise<void> {
    await this.simulation.settle(this.store.compact().catch(() => undefined));
    await this.simulation.settle(this.store.compact());
  }

  async rest(): Promise<void> {
    await this.simulation.settle(this.store.flush());
    await this.simulation.pass(20_000);
    await this.simulation.settle(this.store.maintenanceIdle());
  }
}

function keyOf(i: number): string {
  return `key${String(i).padStart(4, '0')}`;
}

function tableOf(checked: Checked, level: number): string {
  const { tablesByLevel } = checked.store.stats();
  assert.ok(tablesByLevel[level] > 0, `a table in level ${level}: ${tablesByLevel}`);
  const tables = checked.simulation.fs.listSync('/db').filter((name) => name.endsWith('.sst'));
  // A full compaction has left all in the last level, a flush after it the newest number in level 0.
  if (level === 0) return `/db/${tables.sort().at(-1)}`;
  const sizeOf = (name: string): number => checked.fs.sizeSync(`/db/${name}`);
  return `/db/${tables.sort((a, b) => sizeOf(b) - sizeOf(a))[0]}`;
}

for (const level of [0, 6]) {
  test(`a flipped bit in a table of level ${level} costs the keys of its block, and stops nothing`, async () => {
    for (const seed of [1, 2, 3]) {
      const checked = new Checked(seed, { l0CompactionTables: 4 });
      await checked.write(1500);
      await checked.simulation.settle(checked.store.compact());
      if (level === 0) {
        await checked.write(100);
        await checked.simulation.settle(checked.store.flush());
      }
      const blocks = blocksOfTable(checked.fs, tableOf(checked, level));
      const block = blocks[Math.floor(checked.random() * blocks.length)];
      flipBit(checked.fs, block.path, block.offset + (block.diskBytes >> 1));
      const failing = await checked.failing();
      // A deletion that hides something is made again.
      const isRemade = (key: string): boolean => level === 0 && isTombstone(checked.expected.get(key)!, 0);
      for (const key of block.keys) assert.ok(failing.includes(key) || isRemade(key), key);
      for (const key of failing) assert.ok(block.keys.includes(key), key);
      // Were all keys of the block written anew, the table would not be needed any more.
      checked.spared = failing[0];
      assert.match(
        checked.condition()?.message ?? '',
        new RegExp(`${block.path} is damaged at byte ${block.offset}`),
      );

      await checked.write(MANY_WRITES);
      await checked.rest();
      const { stats } = checked.store;
      assert.ok(checked.store.stats().tablesByLevel[0] < 8, `${checked.store.stats().tablesByLevel}`);
      assert.equal(stats.call(checked.store).state, 'open');
      await checkPlace(checked, block);
      await checked.compact();
      await checkPlace(checked, block);
      await checked.reopen();
      await checkPlace(checked, block);
      await checked.write(MANY_WRITES);
      await checked.rest();
      await checked.compact();
      await checkPlace(checked, block);
      await checked.simulation.settle(checked.store.close());
      await checkRepair(checked, block);
    }
  });
}

/** Only keys in the block's place fail, scans around it succeed, and the state names file and offset. */
async function checkPlace(checked: Checked, block: BlockOfTable): Promise<void> {
  const failing = await checked.failing();
  for (const key of failing) assert.ok(block.covers(key), `${key} lies in the block`);
  const condition = checked.condition();
  assert.ok(failing.length > 0);
  assert.ok(condition !== undefined && !condition.stopsWrites);
  assert.match(condition.message, new RegExp(`${block.path} is damaged at byte ${block.offset}`));
  for (const reverse of [false, true])
    await assert.rejects(checked.scan('', null, reverse), { code: 'CORRUPTION' });
  const first = [...block.keys].sort()[0];
  const before = [...checked.expected.keys()].filter((key) => key < first && !block.covers(key)).sort();
  if (before.length > 4)
    assert.deepEqual(await checked.scan('', before[before.length - 4]), before.slice(0, -4));
  const last = [...block.keys].sort().at(-1) as string;
  const behind = [...checked.expected.keys()].filter((key) => key > last && !block.covers(key)).sort();
  if (behind.length > 4)
    assert.deepEqual(await checked.scan(behind[4], null, true), behind.slice(4).toReversed());
}

/** The damage is found, a repair drops it and nothing else, and then all is well. */
async function checkRepair(checked: Checked, block: BlockOfTable): Promise<void> {
  const { fs } = checked;
  const { statFolder, verifyFolder } = await loadOfflineTools();
  assert.equal(statFolder(fs, '/db').levels.at(-1)?.level, 'quarantine');
  const report = drained(verifyFolder(fs, '/db'));
  assert.ok(report.damages.some(({ file, offset }) => file === block.path && offset === block.offset));
  const plan = await repair('/db', { fs, apply: true, engine: OPTIONS });
  assert.ok(plan.steps.length > 0);
  assert.deepEqual(drained(verifyFolder(fs, '/db')).damages, []);
  const left = checked.simulation.restartWith(fs);
  const store = left.openStore();
  assert.deepEqual(store.stats().conditions, []);
  for (const [key, expected] of checked.expected) {
    const { error, record: found } = await left.settle(readResult(store, Buffer.from(key)));
    assert.equal(error, null);
    if (!block.covers(key)) assert.deepEqual(found, expected, key);
  }
  await left.settle(store.close());
}

function drained<T>(steps: Generator<unknown, T, void>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value as T;
  }
}

for (const failing of ['read', 'openRead'] as const) {
  test(`a table that fails with EIO at ${failing} stops nothing, and is back when the disk reads it again`, async () => {
    for (const seed of [1, 2]) {
      const checked = new Checked(seed);
      await checked.write(1500);
      await checked.simulation.settle(checked.store.compact());
      const path = tableOf(checked, 6);
      const inTable = blocksOfTable(checked.fs, path).flatMap(({ keys }) => keys);
      if (failing === 'openRead') await checked.reopen();
      const fails = ({ operation, path: called }: { operation: string; path: string }) => {
        if (operation === failing && called === path) throw fileSystemError('EIO', operation, called);
        return undefined;
      };
      checked.fs.onCall = fails;
      await checked.write(MANY_WRITES);
      await checked.rest();
      assert.ok(checked.store.stats().tablesByLevel[0] < 8);
      assert.match(checked.condition()?.message ?? '', /000\d+\.sst/);
      for (const key of await checked.failing(/^IO_ERROR$/)) {
        assert.ok(key >= inTable[0] && key <= (inTable.at(-1) as string), `${key} lies in the table`);
      }
      checked.fs.onCall = undefined;
      assert.deepEqual(await checked.failing(), [], 'nothing was lost');
      await checked.reopen();
      assert.deepEqual(await checked.failing(), []);
      await checked.simulation.settle(checked.store.close());
      const plan = await repair('/db', { fs: checked.fs, apply: true, engine: OPTIONS });
      assert.equal(plan.mayLackRecords, false);
      checked.simulation = checked.simulation.restartWith(checked.fs);
      checked.store = checked.simulation.openStore();
      assert.deepEqual(await checked.failing(), []);
      assert.deepEqual(checked.store.stats().conditions, []);
      await checked.simulation.settle(checked.store.close());
    }
  });
}

test('too many open files are no damage of a table, however often one cannot be opened for them', async () => {
  const checked = new Checked(4);
  await checked.write(1500);
  await checked.simulation.settle(checked.store.compact());
  const path = tableOf(checked, 6);
  await checked.reopen();
  let failures = 0;
  checked.fs.onCall = ({ operation, path: called }) => {
    if (operation !== 'openRead' || called !== path) return undefined;
    failures++;
    throw fileSystemError('EMFILE', operation, called);
  };
  await checked.write(300);
  while (failures < 6) {
    await checked.simulation.settle(checked.store.compact().catch(() => undefined));
    await checked.simulation.pass(20_000);
  }
  assert.equal(checked.condition(), undefined);
  checked.fs.onCall = undefined;
  await checked.simulation.pass(60_000);
  await checked.compact();
  assert.deepEqual(await checked.failing(), []);
  assert.deepEqual(checked.store.stats().conditions, []);
  await checked.simulation.settle(checked.store.close());
});

test('a block that reads well the second time costs no record, and its table is back at the next opening', async () => {
  const checked = new Checked(5);
  await checked.write(1500);
  await checked.simulation.settle(checked.store.compact());
  const blocks = blocksOfTable(checked.fs, tableOf(checked, 6));
  const block = blocks[blocks.length >> 1];
  flipBit(checked.fs, block.path, block.offset);
  assert.ok((await checked.failing()).length > 0);
  assert.ok(checked.condition() !== undefined);
  flipBit(checked.fs, block.path, block.offset);
  await checked.write(MANY_WRITES);
  await checked.simulation.settle(checked.store.compact());
  await checked.rest();
  assert.deepEqual(await checked.failing(), []);
  await checked.reopen();
  assert.deepEqual(await checked.failing(), []);
  assert.equal(checked.condition(), undefined, 'the table is no more');
  await checked.simulation.settle(checked.store.close());
});

test('a late write to a key in the damaged place gives way to what is lost there; a newer one does not', async () => {
  const checked = new Checked(6);
  await checked.write(1500);
  await checked.simulation.settle(checked.store.compact());
  const [block, ...others] = blocksOfTable(checked.fs, tableOf(checked, 6));
  flipBit(checked.fs, block.path, block.offset);
  const write = async (key: string, timestamp: number, value: string) => {
    const written = writeRecordTo(checked.store, Buffer.from(key), record(timestamp, value));
    const { error, metTimestamp, status } = await checked.simulation.settle(written);
    assert.equal(error, null);
    return { metTimestamp, isStale: status === WriteStatus.stale };
  };
  // Another key of the table: a compaction meets the damage and goes round it.
  await write(others.at(-1)?.keys[0] as string, 1_000_000, 'newer');
  await checked.compact();
  const [key] = block.keys;
  const lost = recordTimestamp(checked.expected.get(key) as Uint8Array, 0);
  assert.deepEqual(await write(key, lost - 1, 'late'), { metTimestamp: lost, isStale: true });
  const still = await checked.simulation.settle(readResult(checked.store, Buffer.from(key)));
  assert.equal((still.error as LsmError).code, 'CORRUPTION');
  await write(key, 1_000_001, 'newer');
  await checked.simulation.settle(checked.store.compact());
  const { record: found } = await checked.simulation.settle(readResult(checked.store, Buffer.from(key)));
  assert.deepEqual(found, record(1_000_001, 'newer'));
  const late = await write(key, 1_000_000, 'late');
  assert.deepEqual(late, { metTimestamp: 1_000_001, isStale: true }, 'what is newer than the table decides');
  await checked.simulation.settle(checked.store.close());
});

/** Where a table can be damaged so that nothing of it can be read, or not be read at all. */
const PLACES = {
  footer: (layout: TableLayout) => layout.fileSizeBytes - 4,
  index: (layout: TableLayout) => placeOf(layout, MetaBlockType.index),
  filter: (layout: TableLayout) => placeOf(layout, MetaBlockType.bloomFilter),
  properties: (layout: TableLayout) => placeOf(layout, MetaBlockType.properties),
} as const;

function placeOf(layout: TableLayout, type: number): number {
  const block = layout.metaBlocks.find((found) => found.type === type);
  return (block as { offset: number }).offset + 1;
}

for (const place of ['footer', 'index', 'filter', 'properties'] as const) {
  test(`a table whose ${place} is damaged costs its own keys at an opening, and stops nothing`, async () => {
    const checked = new Checked(7);
    await checked.write(1500);
    await checked.simulation.settle(checked.store.compact());
    await checked.write(40);
    const path = tableOf(checked, 6);
    const keys = blocksOfTable(checked.fs, path).flatMap(({ keys: some }) => some);
    const fd = checked.fs.openReadSync(path);
    flipBit(checked.fs, path, PLACES[place](readTableLayout(checked.fs, fd, path)));
    checked.fs.closeSync(fd);
    await checked.reopen();
    await checkTable(checked, path, keys);
    assert.ok(checked.simulation.reports.some((line) => line.includes(path)));

    // Compactions go round it, and so does the next opening.
    await checked.write(MANY_WRITES);
    await checked.rest();
    assert.ok(checked.store.stats().tablesByLevel[0] < 8);
    await checkTable(checked, path, keys, false);
    await checked.compact();
    await checkTable(checked, path, keys, false);
    await checked.reopen();
    await checkTable(checked, path, keys, false);
    await checked.simulation.settle(checked.store.close());

    const { verifyFolder } = await loadOfflineTools();
    assert.ok(drained(verifyFolder(checked.fs, '/db')).damages.some(({ file }) => file === path));
    const plan = await repair('/db', { fs: checked.fs, apply: true, engine: OPTIONS });
    assert.ok(plan.steps.length > 0);
    assert.deepEqual(drained(verifyFolder(checked.fs, '/db')).damages, []);
    checked.store = checked.simulation.openStore();
    assert.deepEqual(checked.store.stats().conditions, []);
    await checked.simulation.settle(checked.store.close());
  });
}

/** Only keys from the table's first to its last fail, by its name, in gets and scans; and the state says so. */
async function checkTable(
  checked: Checked,
  path: string,
  keys: readonly string[],
  mustFail = true,
): Promise<void> {
  const [first, last] = [keys[0], keys.at(-1) as string];
  const failing = await checked.failing();
  if (mustFail) assert.ok(failing.length > 0);
  for (const key of failing) assert.ok(key >= first && key <= last, `${key} lies in the table`);
  const condition = checked.condition();
  assert.ok(condition !== undefined && !condition.stopsWrites);
  assert.match(condition.message, new RegExp(`${path} is damaged at byte \\d+`));
  const before = [...checked.expected.keys()].filter((key) => key < first).sort();
  assert.deepEqual(await checked.scan('', first), before);
  const behind = [...checked.expected.keys()].filter((key) => key > last).sort();
  assert.deepEqual(await checked.scan(`${last}\0`, null, true), behind.toReversed());
  if (failing.length === 0) return;
  for (const reverse of [false, true])
    await assert.rejects(checked.scan(first, null, reverse), { code: 'CORRUPTION', file: path });
  const [key] = failing;
  const { error } = await checked.simulation.settle(readResult(checked.store, Buffer.from(key)));
  assert.equal((error as LsmError).file, path);
  assert.notEqual((error as LsmError).offset, undefined);
}

for (const failing of ['read', 'openRead'] as const) {
  test(`a table that fails with EIO at ${failing} while opening costs its own keys, and is back at the next opening`, async () => {
    const checked = new Checked(8);
    await checked.write(1500);
    await checked.simulation.settle(checked.store.compact());
    const path = tableOf(checked, 6);
    const keys = blocksOfTable(checked.fs, path).flatMap(({ keys: some }) => some);
    for (const isCompacted of [false, true]) {
      await checked.simulation.settle(checked.store.close());
      checked.fs.onCall = ({ operation, path: called }) => {
        if (operation === failing && called === path) throw fileSystemError('EIO', operation, called);
        return undefined;
      };
      checked.store = checked.simulation.openStore();
      await checkTable(checked, path, keys);
      if (isCompacted) {
        await checked.write(300);
        await checked.compact();
        await checkTable(checked, path, keys);
      }
      checked.fs.onCall = undefined;
      await checked.reopen();
      assert.deepEqual(await checked.failing(), [], 'nothing was lost');
      assert.deepEqual(checked.store.stats().conditions, []);
    }
    await checked.simulation.settle(checked.store.close());
  });
}

test('a table that cannot be read for a moment while opening costs nothing, and one that is missing refuses it', async () => {
  const checked = new Checked(9);
  await checked.write(1500);
  await checked.simulation.settle(checked.store.compact());
  const path = tableOf(checked, 6);
  await checked.simulation.settle(checked.store.close());
  let failures = 0;
  checked.fs.onCall = ({ operation, path: called }) => {
    if (operation !== 'read' || called !== path || failures === 2) return undefined;
    failures++;
    throw fileSystemError('EIO', operation, called);
  };
  checked.store = checked.simulation.openStore();
  assert.equal(failures, 2);
  assert.deepEqual(await checked.failing(), []);
  assert.deepEqual(checked.store.stats().conditions, []);
  await checked.simulation.settle(checked.store.close());
  checked.fs.onCall = ({ operation, path: called }) => {
    if (operation === 'openRead' && called === path) throw fileSystemError('EMFILE', operation, called);
    return undefined;
  };
  assert.throws(() => checked.simulation.openStore(), { code: 'IO_ERROR' }, 'says nothing of the table');
  checked.fs.onCall = undefined;
  checked.fs.removeSync(path);
  assert.throws(() => checked.simulation.openStore(), { code: 'CORRUPTION', message: `${path} is missing` });
});

for (const seed of [11, 12, 13]) {
  test(`tables in quarantine that can be read again are taken back at an opening, and hide nothing newer (seed ${seed})`, async () => {
    const checked = new Checked(seed);
    await checked.write(1500);
    await checked.simulation.settle(checked.store.compact());
    const sizes = checked.simulation.fs
      .listSync('/db')
      .filter((name) => name.endsWith('.sst'))
      .sort();
    const unreadable = new Set(sizes.slice(0, 3).map((name) => `/db/${name}`));
    const other = `/db/${sizes[3]}`;
    const [block] = blocksOfTable(checked.fs, other);
    flipBit(checked.fs, other, block.offset + 1);
    checked.spared = block.keys[0];
    await checked.reopen();
    checked.fs.onCall = ({ operation, path }) => {
      if (operation === 'read' && unreadable.has(path)) throw fileSystemError('EIO', operation, path);
      return undefined;
    };
    // All go into quarantine; some of what they hold is written anew, in tables and in logs.
    await checked.write(300);
    // The disk is asked three times for each.
    for (let i = 0; i < 20; i++)
      await checked.simulation.settle(checked.store.compact().catch(() => undefined));
    await checked.write(200);
    await checked.simulation.settle(checked.store.compact());
    await checked.write(60);
    assert.ok((await checked.failing(/^(?:CORRUPTION|IO_ERROR)$/)).length > 0);
    const { statFolder, verifyFolder } = await loadOfflineTools();
    const quarantined = () => {
      const last = statFolder(checked.fs, '/db').levels.at(-1);
      return last?.level === 'quarantine' ? last.tables : 0;
    };
    checked.fs.onCall = undefined;
    await checked.simulation.settle(checked.store.close());
    assert.equal(quarantined(), 4);

    checked.store = checked.simulation.openStore();
    const back = checked.simulation.reports.filter((line) => line.includes('can be read again'));
    assert.equal(back.length, 3, checked.simulation.reports.join('\n'));
    for (const key of await checked.failing()) assert.ok(block.covers(key), `${key} lies in the block`);
    assert.match(checked.condition()?.message ?? '', new RegExp(other));
    await checked.simulation.settle(checked.store.close());
    assert.equal(quarantined(), 1);
    const { damages } = drained(verifyFolder(checked.fs, '/db'));
    assert.deepEqual([...new Set(damages.map(({ file }) => file))], [other]);

    flipBit(checked.fs, other, block.offset + 1);
    checked.store = checked.simulation.openStore();
    assert.deepEqual(await checked.failing(), []);
    assert.deepEqual(checked.store.stats().conditions, []);
    await checked.write(500);
    await checked.simulation.settle(checked.store.compact());
    assert.deepEqual(await checked.failing(), []);
    await checked.simulation.settle(checked.store.close());
    assert.equal(quarantined(), 0);
    assert.deepEqual(drained(verifyFolder(checked.fs, '/db')).damages, []);
  });
}

test('a table that cannot be taken back for want of room stays in quarantine, and is at the next opening', async () => {
  const checked = new Checked(14);
  await checked.write(1500);
  await checked.simulation.settle(checked.store.compact());
  const path = tableOf(checked, 6);
  const keys = blocksOfTable(checked.fs, path).flatMap(({ keys: some }) => some);
  await checked.simulation.settle(checked.store.close());
  const unreadable = ({ operation, path: called }: { operation: string; path: string }) => {
    if (operation === 'read' && called === path) throw fileSystemError('EIO', operation, called);
    return undefined;
  };
  checked.fs.onCall = unreadable;
  checked.store = checked.simulation.openStore();
  await checked.write(300);
  await checked.compact();
  await checkTable(checked, path, keys);
  await checked.simulation.settle(checked.store.close());
  checked.fs.onCall = ({ operation, path: called }) => {
    if (operation === 'create' && called.includes('.sst')) throw fileSystemError('ENOSPC', operation, called);
    return undefined;
  };
  checked.store = checked.simulation.openStore();
  assert.deepEqual(await checked.failing(), []);
  assert.match(checked.condition()?.message ?? '', new RegExp(path));
  await checked.simulation.settle(checked.store.close());
  checked.fs.onCall = undefined;
  checked.store = checked.simulation.openStore();
  assert.deepEqual(await checked.failing(), []);
  assert.deepEqual(checked.store.stats().conditions, []);
  await checked.simulation.settle(checked.store.close());
});
