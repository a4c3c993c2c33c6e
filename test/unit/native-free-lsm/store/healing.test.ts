/**
 * What is lost in a damaged table is healed by whoever brings it again: the slot versions of the table say in which
 * version each of its records is missing. Nothing older ever takes its place, and once everything is there the table is
 * removed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SLOT_COUNT } from '../../../../native-free-lsm/format/slot.ts';
import {
  type ExecutorFactory,
  encodeRecord,
  isTombstone,
  type LsmError,
  type RecordStore,
  recordTimestamp,
  recordWriter,
  slotOf,
  WriteStatus,
} from '../../../../native-free-lsm/index.ts';
import { surveyTable } from '../../../../native-free-lsm/offline/table-survey.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { blocksOfTable, flipBit } from '../../../support/damaged-tables.ts';
import { readResult, writeRecordTo } from '../../../support/engine-calls.ts';
import { backgroundAfter, EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';
import { pageEntries } from '../../../support/page-entries.ts';

const KEYS = 60;
const WRITER = 7;

/** An engine with one table that holds everything, and its twin, which is never damaged. */
class Twins {
  readonly simulation: EngineSimulation;
  readonly watermarks = new SharedArrayBuffer(8 * SLOT_COUNT);
  readonly records = new Map<string, Uint8Array>();
  store: RecordStore;

  private constructor(executor: ExecutorFactory | undefined) {
    const options = {
      ...TINY_OPTIONS,
      targetFileBytes: 1 << 20,
      maxCompactionBytes: 1 << 22,
      blockCacheBytes: 0,
    };
    this.simulation = new EngineSimulation(options, undefined, executor);
    this.store = this.#open();
  }

  /** @param from of the records; 0: private ones. @param flagsOf what is not a plain value */
  static async make(
    fieldsOf: (i: number) => { tombstone?: boolean; expiryMs?: number; from?: number } = () => ({}),
    executor?: ExecutorFactory,
  ): Promise<Twins> {
    const twins = new Twins(executor);
    for (let i = 0; i < KEYS; i++) {
      const fields = { timestamp: 1000 + i, writer: WRITER, tombstone: false, from: 3, expiryMs: 0 };
      const more = fieldsOf(i);
      const value = more.tombstone === true ? '' : `value of ${keyOf(i)}`.repeat(3);
      const record = encodeRecord({ ...fields, ...more }, Buffer.from(value));
      twins.records.set(keyOf(i), record);
      await twins.put(keyOf(i), record);
    }
    await twins.settle(twins.store.compact());
    return twins;
  }

  #open(): RecordStore {
    return this.simulation.openStore({ watermarks: this.watermarks });
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return this.simulation.settle(promise);
  }

  get paths(): string[] {
    const tables = this.simulation.fs.listSync('/db').filter((name) => name.endsWith('.sst'));
    return tables.sort().map((name) => `/db/${name}`);
  }

  get path(): string {
    return this.paths[0];
  }

  async put(key: string, record: Uint8Array): Promise<WriteStatus> {
    const { error, status } = await this.settle(writeRecordTo(this.store, Buffer.from(key), record));
    if (error !== null) throw error;
    return status;
  }

  async read(key: string): Promise<Uint8Array | null | string> {
    const { error, record } = await this.settle(readResult(this.store, Buffer.from(key)));
    return error === null ? record : (error as LsmError).code;
  }

  /** Breaks a block, and has the engine notice it. */
  async damage(number: number): Promise<readonly string[]> {
    const { path } = this;
    const block = blocksOfTable(this.simulation.fs, path)[number];
    flipBit(this.simulation.fs, path, block.offset + 3);
    assert.equal(await this.read(block.keys[0]), 'CORRUPTION');
    await this.rest();
    assert.equal(this.store.stats().damage.tables, 1);
    return block.keys;
  }

  async rest(): Promise<void> {
    await this.settle(this.store.maintenanceIdle());
    await this.simulation.pass(50);
  }

  async reopen(): Promise<void> {
    await this.settle(this.store.close());
    this.store = this.#open();
    await this.rest();
  }

  /** How often the log is written to while so much time passes. */
  async logWritesIn(ms: number, tables: 'tables can be made' | 'no tables can be made'): Promise<number> {
    const { fs } = this.simulation;
    let writes = 0;
    fs.onCall = ({ operation, path }) => {
      if (tables === 'no tables can be made' && operation === 'create' && !path.endsWith('.log'))
        throw fileSystemError('EIO', operation, path);
      if (operation === 'write' && path.endsWith('.log')) writes++;
      return undefined;
    };
    await this.simulation.pass(ms);
    fs.onCall = undefined;
    return writes;
  }

  get damageStats() {
    return this.store.stats().damage;
  }

  async scan(): Promise<string[]> {
    const limits = { maxBytes: 1 << 20, maxEntries: 4096, includeTombstones: true, encoder: 0, nowMs: 0 };
    const page = await this.settle(this.store.rangePage({ start: new Uint8Array(0), end: null, ...limits }));
    return [...pageEntries(page)].map(([key]) => Buffer.from(key).toString());
  }

  async digestOf(key: string): Promise<string> {
    const slots = Uint16Array.of(slotOf(Buffer.from(key)));
    return String(await this.settle(this.store.slotDigests(slots, Uint8Array.of(1))));
  }

  setWatermarks(timestamp: number): void {
    new Float64Array(this.watermarks).fill(timestamp);
    this.store.purge();
  }
}

function keyOf(i: number): string {
  return `key${String(i).padStart(4, '0')}`;
}

function older(record: Uint8Array): Uint8Array {
  const fields = {
    timestamp: recordTimestamp(record, 0) - 1,
    writer: WRITER,
    tombstone: false,
    from: 3,
    expiryMs: 0,
  };
  return encodeRecord(fields, Buffer.from('older'));
}

test('a record of the lost version, or a newer one, heals its key; an older one never does; then the table goes', async () => {
  const twins = await Twins.make();
  const digests = new Map<string, string>();
  for (const key of twins.records.keys()) digests.set(key, await twins.digestOf(key));
  const lost = await twins.damage(1);
  const { path } = twins;
  assert.equal(twins.damageStats.lostRecords, lost.length);
  for (const key of lost) {
    const record = twins.records.get(key)!;
    assert.notEqual(await twins.digestOf(key), digests.get(key), 'others see that it is missing');
    assert.ok(twins.store.lostTo(slotOf(Buffer.from(key))) >= recordTimestamp(record, 0));
    assert.equal(await twins.put(key, older(record)), WriteStatus.stale);
    assert.equal(await twins.read(key), 'CORRUPTION');
    await twins.reopen();
    assert.equal(await twins.read(key), 'CORRUPTION', 'nor after a start');
    assert.equal(await twins.put(key, record), WriteStatus.applied);
    assert.deepEqual(await twins.read(key), record);
    assert.equal(await twins.put(key, record), WriteStatus.stale, 'it is there now');
    assert.equal(await twins.digestOf(key), digests.get(key));
  }
  // All lost records are in the memtable; the table stays until they are in another one.
  twins.store.purge();
  await twins.rest();
  await twins.rest();
  assert.deepEqual(
    { ...twins.damageStats },
    { tables: 0, unknownTables: 0, lostRecords: 0, tablesHealed: 1 },
  );
  assert.ok(!twins.simulation.fs.existsSync(path));
  assert.deepEqual(twins.store.stats().conditions, []);
  assert.deepEqual(await twins.scan(), [...twins.records.keys()]);
  for (const [key, record] of twins.records) assert.deepEqual(await twins.read(key), record);
  for (const key of lost) assert.equal(twins.store.lostTo(slotOf(Buffer.from(key))), 0);
  await twins.settle(twins.store.close());
});

test('a lost record is in the list of versions just below its own, so that it is brought and never taken', async () => {
  const twins = await Twins.make();
  const [key] = await twins.damage(0);
  const slot = slotOf(Buffer.from(key));
  const versions = await twins.settle(twins.store.slotVersions(slot));
  const record = twins.records.get(key)!;
  const at = versions.timestamps.indexOf(recordTimestamp(record, 0));
  assert.ok(at >= 0);
  assert.equal(versions.writers[at], recordWriter(record, 0) - 1);
  assert.equal(versions.froms[at], 3);
  const words = Uint32Array.of(versions.fingerprintHighs[at], versions.fingerprintLows[at]);
  assert.deepEqual(await twins.settle(twins.store.slotRecords(slot, words, 1 << 20)), []);
  await twins.settle(twins.store.close());
});

for (const part of ['index', 'bloomFilter', 'properties'] as const) {
  test(`a table whose ${part} is damaged is healed as a whole, as its slot versions name everything in it`, async () => {
    const twins = await Twins.make();
    const { path } = twins;
    const found = surveyTable(twins.simulation.fs, path);
    const type = { index: 1, properties: 2, bloomFilter: 3 }[part];
    const place = found.layout!.metaBlocks.find((block) => block.type === type)!;
    flipBit(twins.simulation.fs, path, place.offset + 1);
    await twins.reopen();
    assert.equal(twins.damageStats.lostRecords, KEYS);
    assert.equal(twins.damageStats.unknownTables, 0);
    for (const [key, record] of twins.records) {
      assert.equal(await twins.read(key), 'CORRUPTION');
      assert.equal(await twins.put(key, older(record)), WriteStatus.stale);
      assert.equal(await twins.put(key, record), WriteStatus.applied);
    }
    assert.equal(await twins.read('nothing of this name'), null);
    twins.store.purge();
    await twins.rest();
    await twins.rest();
    assert.deepEqual([twins.damageStats.tables, twins.damageStats.tablesHealed], [0, 1]);
    assert.deepEqual(await twins.scan(), [...twins.records.keys()]);
    await twins.settle(twins.store.close());
  });
}

test('where the slot versions are damaged, too, nothing takes the place of what is lost, and the rest is told', async () => {
  const twins = await Twins.make();
  const { block } = surveyTable(twins.simulation.fs, twins.path).slotVersions!;
  flipBit(twins.simulation.fs, twins.path, block.offset + block.lengthBytes - 2);
  const [key] = await twins.damage(0);
  assert.equal(twins.damageStats.unknownTables, 1);
  await assert.rejects(twins.put(key, twins.records.get(key)!), { code: 'CORRUPTION' });
  assert.equal(await twins.read(key), 'CORRUPTION');
  assert.equal(twins.store.lostTo(0), 1000 + KEYS - 1, 'it may have been of any slot');
  // Slots of which nothing is lost are answered as ever.
  const versions = await twins.settle(twins.store.slotVersions(slotOf(Buffer.from(keyOf(KEYS - 1)))));
  assert.ok(versions.count > 0);
  const newest = encodeRecord(
    { timestamp: 5000, writer: WRITER, tombstone: false, from: 3, expiryMs: 0 },
    Buffer.from('newest'),
  );
  assert.equal(await twins.put(key, newest), WriteStatus.applied);
  assert.deepEqual(await twins.read(key), newest);
  await twins.settle(twins.store.close());
});

test('a damaged place in the slot versions alone heals by itself: the table is written anew', async () => {
  const twins = await Twins.make();
  const { path } = twins;
  const { block } = surveyTable(twins.simulation.fs, path).slotVersions!;
  flipBit(twins.simulation.fs, path, block.offset + block.lengthBytes - 2);
  for (const key of twins.records.keys()) await twins.digestOf(key);
  await twins.rest();
  assert.ok(!twins.simulation.fs.existsSync(path));
  assert.deepEqual(twins.store.stats().conditions, []);
  assert.deepEqual(await twins.scan(), [...twins.records.keys()]);
  await twins.settle(twins.store.close());
});

test('what is lost and may have been purged everywhere does not wait for anybody to bring it', async () => {
  const twins = await Twins.make((i) =>
    i % 2 === 0 ? { tombstone: true } : { expiryMs: 4_000_000_000_000 },
  );
  const lost = await twins.damage(0);
  const values = lost.filter((key) => Number(key.slice(3)) % 2 === 1);
  assert.equal(twins.damageStats.lostRecords, lost.length);
  twins.setWatermarks(10_000);
  await twins.rest();
  assert.equal(twins.damageStats.lostRecords, values.length, 'deletions that are settled hide nothing');
  // Values with an end may live on at others, until these were asked.
  twins.store.giveUpPurged(Uint16Array.from({ length: SLOT_COUNT }, (_, slot) => slot));
  twins.store.purge();
  await twins.rest();
  await twins.rest();
  assert.equal(twins.damageStats.tables, 0);
  for (const key of lost) assert.equal(await twins.read(key), null);
  await twins.settle(twins.store.close());
});

test('private records in a damaged place are lost until they are written anew, and are in no list', async () => {
  const twins = await Twins.make(() => ({ from: 0 }));
  const lost = await twins.damage(0);
  assert.equal(twins.damageStats.lostRecords, lost.length);
  for (const key of lost) {
    const slot = slotOf(Buffer.from(key));
    assert.equal(twins.store.lostTo(slot), 0, 'no replica has to know of it');
    assert.equal((await twins.settle(twins.store.slotVersions(slot))).count, 0);
    const record = twins.records.get(key)!;
    const fields = { timestamp: 9000, writer: WRITER, tombstone: false, from: 0, expiryMs: 0 };
    assert.equal(await twins.put(key, encodeRecord({ ...fields, timestamp: 1 }, record)), WriteStatus.stale);
    assert.equal(await twins.put(key, encodeRecord(fields, record)), WriteStatus.applied);
  }
  twins.store.purge();
  await twins.rest();
  await twins.rest();
  assert.deepEqual([twins.damageStats.tables, twins.damageStats.tablesHealed], [0, 1]);
  await twins.settle(twins.store.close());
});

/** A table above the twins' one, with these records, and one damaged block; the engine has noticed it. */
async function damagedAbove(twins: Twins, records: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const before = twins.paths;
  for (const [key, record] of records) await twins.put(key, record);
  await twins.settle(twins.store.flush());
  const above = twins.paths.find((one) => !before.includes(one))!;
  const [block] = blocksOfTable(twins.simulation.fs, above);
  assert.deepEqual(block.keys, [...records.keys()]);
  flipBit(twins.simulation.fs, above, block.offset + 3);
  assert.equal(await twins.read(block.keys[0]), 'CORRUPTION');
  return above;
}

function recordOf(fields: { timestamp: number; from?: number; tombstone?: boolean }, value = ''): Uint8Array {
  const whole = { writer: WRITER, tombstone: false, from: 3, expiryMs: 0, ...fields };
  return encodeRecord(whole, Buffer.from(value));
}

for (const from of [3, 0]) {
  test(`a deletion that is lost is made again where it hides an older record, with from ${from}`, async () => {
    const twins = await Twins.make(() => ({ from }));
    const [first] = [...twins.records.keys()];
    const deletion = recordOf({ timestamp: 5000, from, tombstone: true });
    const above = await damagedAbove(twins, new Map([[first, deletion]]));
    await twins.rest();
    await twins.rest();
    assert.deepEqual(await twins.read(first), deletion);
    assert.equal(twins.damageStats.tables, 0, 'nobody else was asked, and nothing is lost');
    assert.ok(!twins.simulation.fs.existsSync(above));
    await twins.reopen();
    assert.deepEqual(await twins.read(first), deletion);
    await twins.settle(twins.store.close());
  });
}

test('a deletion that can be read again after all is not made again for ever', async () => {
  const twins = await Twins.make(undefined, backgroundAfter(1000));
  const [first] = [...twins.records.keys()];
  const deletion = recordOf({ timestamp: 5000, tombstone: true });
  const above = await damagedAbove(twins, new Map([[first, deletion]]));
  await twins.simulation.pass(1500);
  assert.equal(twins.damageStats.tables, 1);
  // The disk reads it again, but what was missing is missing in the other tables.
  flipBit(twins.simulation.fs, above, 3);
  await twins.simulation.pass(5000);
  assert.deepEqual(await twins.read(first), deletion);
  assert.equal(await twins.logWritesIn(60_000, 'tables can be made'), 0);
  await twins.settle(twins.store.close());
});

test('a private deletion is made again once, though its memtable cannot be flushed', async () => {
  const twins = await Twins.make(() => ({ from: 0 }), backgroundAfter(1000));
  const [first] = [...twins.records.keys()];
  const deletion = recordOf({ timestamp: 5000, from: 0, tombstone: true });
  await damagedAbove(twins, new Map([[first, deletion]]));
  await twins.simulation.pass(1500);
  assert.equal(twins.damageStats.tables, 1);
  const writes = await twins.logWritesIn(60_000, 'no tables can be made');
  // It, and what seals the memtable.
  assert.ok(writes < 10, `${writes}`);
  assert.deepEqual(await twins.read(first), deletion);
  await twins.settle(twins.store.close());
});

test('a settled value that is lost, and that nobody else has, was deleted: what is below it does not come back', async () => {
  const twins = await Twins.make();
  const [first, second] = [...twins.records.keys()];
  const value = recordOf({ timestamp: 5000 }, 'newer');
  await damagedAbove(twins, new Map([[first, value]]));
  await twins.rest();
  assert.equal(await twins.read(first), 'CORRUPTION', 'somebody may have it');
  const slots = Uint16Array.of(slotOf(Buffer.from(first)), slotOf(Buffer.from(second)));
  twins.store.giveUpPurged(slots);
  twins.store.purge();
  await twins.rest();
  assert.equal(await twins.read(first), 'CORRUPTION', 'it is not settled');
  twins.setWatermarks(10_000);
  await twins.rest();
  await twins.rest();
  const made = await twins.read(first);
  assert.ok(made instanceof Uint8Array && isTombstone(made, 0));
  assert.deepEqual([recordTimestamp(made, 0), recordWriter(made, 0)], [5000, 0xffff_ffff]);
  assert.equal(twins.damageStats.tables, 0);
  await twins.settle(twins.store.close());
});

test('two damaged tables at once, of which one hides what is in the other, both go when all owners were asked', async () => {
  const twins = await Twins.make();
  const [first] = await twins.damage(0);
  const deletion = recordOf({ timestamp: 5000, tombstone: true });
  await damagedAbove(twins, new Map([[first, deletion]]));
  await twins.rest();
  assert.equal(twins.damageStats.tables, 2);
  for (const [key, record] of twins.records)
    if (key !== first && (await twins.read(key)) === 'CORRUPTION') await twins.put(key, record);
  twins.setWatermarks(10_000);
  await twins.rest();
  assert.notEqual(twins.damageStats.tables, 0);
  twins.store.giveUpPurged(Uint16Array.of(slotOf(Buffer.from(first))));
  twins.store.purge();
  await twins.rest();
  await twins.rest();
  assert.deepEqual([twins.damageStats.tables, twins.damageStats.lostRecords], [0, 0]);
  assert.equal(await twins.read(first), null);
  await twins.settle(twins.store.close());
});

test('a settled value with an end that is lost makes a difference, so that others bring it, until they were asked', async () => {
  const twins = await Twins.make(() => ({ expiryMs: 4_000_000_000_000 }));
  twins.setWatermarks(10_000);
  const key = keyOf(0);
  const whole = await twins.digestOf(key);
  await twins.damage(0);
  assert.notEqual(await twins.digestOf(key), whole);
  const versions = await twins.settle(twins.store.slotVersions(slotOf(Buffer.from(key))));
  const at = versions.timestamps.indexOf(1000);
  assert.equal(versions.flags[at], 0, 'nobody takes it for one that may have been purged');
  twins.store.giveUpPurged(Uint16Array.of(slotOf(Buffer.from(key))));
  assert.equal(await twins.digestOf(key), '0,0', 'as where it was purged');
  await twins.settle(twins.store.close());
});

test('a place of the slot versions that the disk cannot read heals by itself, too', async () => {
  const twins = await Twins.make();
  const { path } = twins;
  let failures = 1;
  twins.simulation.fs.onCall = ({ operation, path: of }) => {
    if (operation === 'read' && of === path && failures-- > 0) throw fileSystemError('EIO', operation, of);
    return undefined;
  };
  await assert.rejects(twins.digestOf(keyOf(0)), { code: 'IO_ERROR' });
  await twins.rest();
  await twins.digestOf(keyOf(0));
  assert.ok(!twins.simulation.fs.existsSync(path));
  await twins.settle(twins.store.close());
});
