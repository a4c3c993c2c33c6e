/** An engine's folder that is read beside its writer: what is shown, what is refused, what becomes of what is held. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Engine,
  EngineReader,
  type Environment,
  type LsmError,
  type ReaderOptions,
  WriteStatus,
} from '../../../../native-free-lsm/index.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  encodeBatchHeader,
  encodeFileHeader,
  FileMagic,
} from '../../../../native-free-lsm/log/log-format.ts';
import type { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { Manifest } from '../../../../native-free-lsm/version/manifest.ts';
import type { RecoveredManifest } from '../../../../native-free-lsm/version/manifest-reader.ts';
import { blocksOfTable, flipBit } from '../../../support/damaged-tables.ts';
import { record, writeRecordTo } from '../../../support/engine-calls.ts';
import {
  backgroundAfter,
  EngineSimulation,
  NoBackground,
  TINY_OPTIONS,
} from '../../../support/engine-simulation.ts';
import { DiskReads } from '../../../support/file-journal.ts';

const DIRECTORY = '/db';
const LOG = '/db/000001.log';
const OPTIONS = { ...TINY_OPTIONS, durability: 'none' } as const;
const SMALL = { memtableBytes: 64 * 1024, maxRecordBytes: 16 * 1024, blockCacheBytes: 64 * 1024 };

/** A reader beside the engine of a simulation. */
function openReader(
  simulation: EngineSimulation,
  options: Partial<ReaderOptions> = SMALL,
  environment: Partial<Environment> = {},
): Promise<EngineReader> {
  const { clock, fs } = simulation;
  const surroundings = { fs, clock, executor: backgroundAfter(0), ...environment };
  return simulation.settle(EngineReader.open(DIRECTORY, options, surroundings));
}

function bytes(text: string): Buffer {
  return Buffer.from(text);
}

async function fill(simulation: EngineSimulation, engine: Engine, text: string, keys = 100): Promise<void> {
  for (let key = 0; key < keys; key++)
    await simulation.settle(
      engine.put(bytes(`key${String(key).padStart(3, '0')}`), Buffer.alloc(1000, text)),
    );
}

/** The first letters of all values, and that gets and scans say the same. */
async function shown(
  simulation: EngineSimulation,
  reader: EngineReader,
  snapshot?: ReturnType<EngineReader['snapshot']>,
): Promise<string> {
  const of = snapshot === undefined ? {} : { snapshot };
  const scanned = await simulation.settle(Array.fromAsync(reader.range(of)));
  const keys = scanned.map(({ key }) => key);
  const letters = (values: readonly (Uint8Array | undefined)[]): string =>
    values.map((value) => (value === undefined ? '-' : String.fromCharCode(value[0]))).join('');
  const got = letters(await simulation.settle(reader.getMany(keys, snapshot)));
  assert.equal(letters(scanned.map(({ value }) => value)), got);
  assert.equal(letters(keys.map((key) => reader.getSync(key, snapshot))), got);
  const reversed = await simulation.settle(Array.fromAsync(reader.range({ ...of, reverse: true })));
  assert.equal(letters(reversed.reverse().map(({ value }) => value)), got);
  return got;
}

test('a reader shows what was written before it looked, and what is new once it is asked to look again', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(bytes('a'), bytes('1')));
  const reader = await openReader(simulation);
  const other = await openReader(simulation);
  await simulation.settle(
    engine.write([
      { type: 'put', key: bytes('b'), value: bytes('2') },
      { type: 'delete', key: bytes('a') },
    ]),
  );
  assert.equal(await shown(simulation, reader), '1');
  assert.equal(await simulation.settle(reader.refresh()), true);
  assert.equal(await simulation.settle(reader.refresh()), false);
  assert.equal(await shown(simulation, reader), '2');
  assert.equal(await shown(simulation, other), '1');
  const versioned = await simulation.settle(reader.getVersioned(bytes('b')));
  assert.deepEqual(versioned, await simulation.settle(engine.getVersioned(bytes('b'))));
  await simulation.settle(engine.flush());
  await simulation.settle(engine.close());
  assert.equal(await simulation.settle(reader.refresh()), true);
  assert.equal(await simulation.settle(other.refresh()), true);
  assert.equal(await shown(simulation, reader), '2');
  assert.equal(await shown(simulation, other), '2');
  await simulation.settle(Promise.all([reader.close(), other.close()]));
});

test('a range that is deleted is gone for a reader once it looks again, and not for what it has held', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  for (const key of ['a', 'b', 'c', 'd']) await simulation.settle(engine.put(bytes(key), bytes(key)));
  const reader = await openReader(simulation);
  await simulation.settle(engine.clear({ gte: bytes('b'), lt: bytes('d') }));
  assert.equal(await shown(simulation, reader), 'abcd');
  using held = reader.snapshot();
  await simulation.settle(reader.refresh());
  assert.equal(await shown(simulation, reader), 'ad');
  await simulation.settle(engine.put(bytes('c'), bytes('c')));
  await simulation.settle(engine.flush());
  await simulation.settle(reader.refresh());
  assert.equal(await shown(simulation, reader), 'acd');
  await simulation.settle(engine.clear());
  await simulation.settle(engine.compact());
  await simulation.settle(reader.refresh());
  assert.equal(await shown(simulation, reader), '');
  assert.equal(await shown(simulation, reader, held), 'abcd');
  await simulation.settle(Promise.all([reader.close(), engine.close()]));
});

test('it works on a disk that takes no writes, takes no lock and opens no file for writing', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  await fill(simulation, engine, 'x');
  await simulation.settle(engine.compact());
  await fill(simulation, engine, 'y', 10);
  // Any call that changes something, and any look at the lock, throws.
  const reads = new DiskReads(simulation.fs, () => undefined);
  const calls: string[] = [];
  simulation.fs.onCall = ({ operation, path }) => void calls.push(`${operation} ${path}`);
  const reader = await openReader(simulation, SMALL, { fs: reads.fs });
  assert.equal(await shown(simulation, reader), 'y'.repeat(10) + 'x'.repeat(90));
  simulation.fs.onCall = undefined;
  assert.ok(calls.length > 0 && !calls.some((call) => call.includes('LOCK')), String(calls));
  await fill(simulation, engine, 'z');
  await simulation.settle(engine.compact());
  await simulation.settle(reader.refresh());
  assert.equal(await shown(simulation, reader), 'z'.repeat(100));
  // Tables that are gone there are let go here.
  assert.equal(
    reads.openFiles,
    engine.stats().tablesByLevel.reduce((sum, tables) => sum + tables, 0),
  );
  await simulation.settle(reader.close());
  assert.equal(reads.openFiles, 0);
  await simulation.settle(engine.close());
});

test('what the writer has removed is shown until the reader looks again, and longer by a snapshot', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  await fill(simulation, engine, 'x');
  await simulation.settle(engine.compact());
  const reader = await openReader(simulation);
  using snapshot = reader.snapshot();
  const before = simulation.fs.listSync(DIRECTORY);
  await fill(simulation, engine, 'y');
  await simulation.settle(engine.compact());
  const after = simulation.fs.listSync(DIRECTORY);
  assert.ok(before.filter((name) => name.endsWith('.sst')).every((name) => !after.includes(name)));
  assert.equal(await shown(simulation, reader), 'x'.repeat(100));
  await simulation.settle(reader.refresh());
  assert.equal(await shown(simulation, reader), 'y'.repeat(100));
  assert.equal(await shown(simulation, reader, snapshot), 'x'.repeat(100));
  await simulation.settle(reader.close());
  await simulation.settle(engine.close());
});

test('a snapshot is given up when memtables of too many logs have come since, and others are not', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  await fill(simulation, engine, 'a', 3);
  const reader = await openReader(simulation);
  const snapshot = reader.snapshot();
  for (let round = 0; round < 12; round++) {
    await fill(simulation, engine, 'b', 3);
    await simulation.settle(engine.flush());
    await fill(simulation, engine, 'c', 3);
    await simulation.settle(reader.refresh());
  }
  assert.equal(await shown(simulation, reader, snapshot), 'aaa');
  const later = reader.snapshot();
  for (let round = 0; round < 8; round++) {
    await simulation.settle(engine.flush());
    await fill(simulation, engine, 'd', 3);
    await simulation.settle(reader.refresh());
  }
  await assert.rejects(simulation.settle(reader.get(bytes('key000'), snapshot)), {
    code: 'SNAPSHOT_EXPIRED',
  });
  assert.equal(await shown(simulation, reader, later), 'ccc');
  assert.equal(await shown(simulation, reader), 'ddd');
  await simulation.settle(reader.close());
  await simulation.settle(engine.close());
});

test('logs that many stops have left, and more than one memtable holds', async () => {
  let simulation = new EngineSimulation(OPTIONS, undefined, (context) => new NoBackground(context));
  for (let stop = 0; stop < 11; stop++) {
    const engine = await simulation.openEngine();
    await fill(simulation, engine, String.fromCharCode(97 + stop), 20 - stop);
    simulation = simulation.restartWith(simulation.fs.kill());
  }
  const reader = await openReader(simulation, { ...SMALL, maxMemtableBytes: 1024 * 1024 });
  assert.equal(await shown(simulation, reader), 'kkkkkkkkkkjihgfedcba');
  await simulation.settle(reader.close());
});

test('values end by the clock of the reader', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(bytes('a'), bytes('1'), { ttlMs: 5000 }));
  let nowMs = simulation.clock.nowMs();
  const reader = await openReader(simulation, SMALL, { expiryNowMs: () => nowMs });
  assert.equal(await shown(simulation, reader), '1');
  nowMs += 6000;
  assert.equal(await shown(simulation, reader), '');
  await simulation.settle(engine.compact());
  await simulation.settle(reader.refresh());
  assert.equal(await shown(simulation, reader), '');
  nowMs -= 6000;
  assert.equal(await shown(simulation, reader), '1');
  await simulation.settle(reader.close());
  await simulation.settle(engine.close());
});

test('the largest values, from a log and from a table', async () => {
  const large = { maxRecordBytes: 200_000, memtableBytes: 1024 * 1024 };
  const simulation = new EngineSimulation({ ...OPTIONS, ...large });
  const engine = await simulation.openEngine();
  const reader = await openReader(simulation, large).catch((error) => error);
  assert.equal((reader as LsmError).code, undefined, String(reader));
  for (const look of ['log', 'table']) {
    await simulation.settle(engine.put(bytes('large'), Buffer.alloc(199_000, look)));
    if (look === 'table') await simulation.settle(engine.flush());
    await simulation.settle(reader.refresh());
    const value = (await simulation.settle(reader.get(bytes('large')))) as Uint8Array;
    assert.ok(Buffer.alloc(199_000, look).equals(value));
    assert.equal((await shown(simulation, reader)).length, 1);
  }
  await simulation.settle(reader.close());
  await simulation.settle(engine.close());
});

test('what a refresh reads is shown all at once, however long it takes', async () => {
  const simulation = new EngineSimulation({ ...OPTIONS, memtableBytes: 4 * 1024 * 1024 });
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(bytes('a'), bytes('1')));
  let elapsedMs = 0;
  const { clock } = simulation;
  // As if every piece that is read took long.
  const slow = {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => {
      elapsedMs += 10;
      return clock.monotonicMs() + elapsedMs;
    },
    after: clock.after.bind(clock),
    endOfTurn: clock.endOfTurn.bind(clock),
  };
  const reader = await openReader(simulation, SMALL, { clock: slow });
  for (let key = 0; key < 100; key++)
    await simulation.settle(engine.put(bytes(`b${key}`), Buffer.alloc(15_000, 'x')));
  const refreshing = reader.refresh();
  let isDone = false;
  refreshing.finally(() => {
    isDone = true;
  });
  let turns = 0;
  for (; !isDone; turns++) {
    assert.deepEqual([reader.getSync(bytes('a')), reader.getSync(bytes('b0'))], [bytes('1'), undefined]);
    clock.advance(1);
    for (let i = 0; i < 10 && !isDone; i++) await undefined;
  }
  assert.ok(turns > 4, `${turns} turns`);
  assert.equal(reader.getSync(bytes('b99'))?.length, 15_000);
  await simulation.settle(reader.close());
  await simulation.settle(engine.close());
});

test('folders in which there is nothing to read', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const { fs } = simulation;
  const refused = async (code: string, message: RegExp): Promise<void> => {
    await assert.rejects(
      openReader(simulation),
      (error: LsmError) => error.code === code && message.test(error.message),
    );
  };
  await refused('NOT_FOUND', /there is no directory \/db/);
  fs.makeDirectorySync(DIRECTORY);
  await refused('NOT_FOUND', /no engine has stored anything in \/db/);
  fs.place('/db/photo.jpg', bytes('x'));
  await refused('FOREIGN_DIRECTORY', /photo\.jpg/);
  fs.removeSync('/db/photo.jpg');
  fs.place('/db/CURRENT', bytes('MANIFEST-000004\n'));
  await refused('FOREIGN_DIRECTORY', /LevelDB/);
  fs.removeSync('/db/CURRENT');
  fs.place('/db/CHECKPOINTING', bytes(''));
  await refused('CORRUPTION', /being made or was cut short/);
  fs.removeSync('/db/CHECKPOINTING');
  const engine = await simulation.openEngine();
  await simulation.settle(engine.close());
  const current = fs.contents('/db/CURRENT');
  fs.removeSync('/db/CURRENT');
  await refused('CORRUPTION', /CURRENT/);
  fs.place('/db/CURRENT', current);
  fs.place('/db/REPAIRING', bytes(''));
  await refused('CORRUPTION', /repair of the folder did not finish/);
  fs.removeSync('/db/REPAIRING');
  fs.removeSync(LOG);
  await refused('CORRUPTION', /000001\.log is damaged at byte 0: the file is missing/);
});

test('a torn tail is not there yet; damage before a later write is damage, and what was shown stays', async () => {
  const simulation = new EngineSimulation({ ...OPTIONS, durability: 'sync' });
  const { fs } = simulation;
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(bytes('a'), bytes('1')));
  const end = fs.sizeSync(LOG);
  await simulation.settle(engine.put(bytes('b'), bytes('2')));
  const whole = fs.contents(LOG);
  fs.place(LOG, whole.subarray(0, whole.length - 3));
  const reader = await openReader(simulation);
  assert.equal(await shown(simulation, reader), '1');
  fs.place(LOG, whole);
  await simulation.settle(reader.refresh());
  assert.equal(await shown(simulation, reader), '12');
  flipBit(fs, LOG, end + 50);
  // Nothing says that it was ever whole.
  const other = await openReader(simulation);
  assert.equal(await shown(simulation, other), '1');
  await simulation.settle(other.close());
  fs.place(LOG, whole);
  await simulation.settle(engine.close());
  const again = await simulation.openEngine();
  await simulation.settle(again.put(bytes('c'), bytes('3')));
  await simulation.settle(reader.refresh());
  const log = '/db/000002.log';
  const second = fs.sizeSync(log);
  await simulation.settle(again.put(bytes('d'), bytes('4')));
  await simulation.settle(again.put(bytes('e'), bytes('5')));
  flipBit(fs, log, second + 50);
  await assert.rejects(simulation.settle(reader.refresh()), {
    code: 'CORRUPTION',
    file: log,
    offset: second,
  });
  assert.equal(await shown(simulation, reader), '123');
  await assert.rejects(openReader(simulation), { code: 'CORRUPTION', file: log, offset: second });
  await simulation.settle(reader.close());
  await simulation.settle(again.close());
});

test('a table that cannot be read costs what is in it, and no more', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  await fill(simulation, engine, 'x', 4);
  await simulation.settle(engine.compact());
  await simulation.settle(engine.put(bytes('other'), bytes('y')));
  const name = simulation.fs.listSync(DIRECTORY).find((one) => one.endsWith('.sst'));
  flipBit(simulation.fs, `${DIRECTORY}/${name}`, simulation.fs.sizeSync(`${DIRECTORY}/${name}`) - 3);
  const reports: string[] = [];
  const reader = await openReader(simulation, SMALL, { report: (message) => reports.push(message) });
  assert.equal(String(await simulation.settle(reader.get(bytes('other')))), 'y');
  await assert.rejects(simulation.settle(reader.get(bytes('key000'))), { code: 'CORRUPTION' });
  assert.match(String(reports), /Nothing of this table can be read; all else is served/);
  await simulation.settle(reader.close());
  await simulation.settle(engine.close());
});

test('a table that the writer has set aside is read as it reads it', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const { fs } = simulation;
  const engine = await simulation.openEngine();
  await fill(simulation, engine, 'x', 10);
  await simulation.settle(engine.compact());
  const reader = await openReader(simulation);
  const [table] = fs.listSync(DIRECTORY).filter((name) => name.endsWith('.sst'));
  const [, second] = blocksOfTable(fs, `${DIRECTORY}/${table}`);
  flipBit(fs, second.path, second.offset + 20);
  const read = (from: Engine | EngineReader, key: string): Promise<string> =>
    simulation.settle(
      from.get(bytes(key)).then(
        (value) => String(value?.[0]),
        (error: LsmError) => error.code,
      ),
    );
  const [lost] = second.keys;
  assert.equal(await read(engine, lost), 'CORRUPTION');
  await simulation.pass(100);
  await simulation.settle(engine.store.maintenanceIdle());
  assert.equal(engine.stats().damage.tables, 1);
  await simulation.settle(reader.refresh());
  await simulation.settle(engine.put(bytes('key005'), Buffer.from('y')));
  for (const from of [engine, reader]) {
    assert.equal(await read(from, lost), 'CORRUPTION');
    assert.equal(await read(from, 'key000'), '120');
  }
  await simulation.settle(engine.put(bytes(lost), bytes('z')));
  await simulation.settle(reader.refresh());
  assert.equal(await read(reader, lost), '122');
  await simulation.settle(reader.close());
  await simulation.settle(engine.close());
});

test('a folder that was emptied, begun anew or put back from a copy is not the one that was opened', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  let engine = await simulation.openEngine();
  await fill(simulation, engine, 'x', 5);
  await simulation.settle(engine.flush());
  const copy = simulation.fs.kill();
  const files = (fs: MemoryFileSystem): string[] =>
    fs.listSync(DIRECTORY).map((name) => `${DIRECTORY}/${name}`);
  const putBack = (): void => {
    for (const path of files(simulation.fs)) if (!path.endsWith('LOCK')) simulation.fs.removeSync(path);
    for (const path of files(copy))
      if (!path.endsWith('LOCK')) simulation.fs.place(path, copy.contents(path));
  };
  await fill(simulation, engine, 'y', 5);
  const ahead = await openReader(simulation);
  await simulation.settle(engine.close());
  putBack();
  // The log is shorter than it was.
  await assert.rejects(simulation.settle(ahead.refresh()), { code: 'REPLACED' });
  assert.equal(await shown(simulation, ahead), 'yyyyy');
  engine = await simulation.openEngine();
  await simulation.settle(engine.close());
  const later = await openReader(simulation);
  putBack();
  await assert.rejects(simulation.settle(later.refresh()), { code: 'REPLACED', canRetry: false });
  for (const path of files(simulation.fs)) simulation.fs.removeSync(path);
  await assert.rejects(simulation.settle(later.refresh()), { code: 'REPLACED', message: /no CURRENT/ });
  engine = await simulation.openEngine();
  await simulation.settle(engine.put(bytes('new'), bytes('z')));
  await assert.rejects(simulation.settle(later.refresh()), { code: 'REPLACED' });
  const anew = await openReader(simulation);
  assert.equal(await shown(simulation, anew), 'z');
  await simulation.settle(Promise.all([ahead.close(), later.close(), anew.close(), engine.close()]));
});

test('another folder is known by what it has less of, whatever else it has', async () => {
  const simulation = new EngineSimulation({ ...OPTIONS, maxManifestBytes: 1024 * 1024 });
  const emptied = async (): Promise<Engine> => {
    for (const name of simulation.fs.listSync(DIRECTORY))
      if (name !== 'LOCK') simulation.fs.removeSync(`${DIRECTORY}/${name}`);
    return simulation.openEngine();
  };
  /** Writes into as many logs, and leaves nothing that is still in one or in a table. */
  const writeLogs = async (engine: Engine, logs: number): Promise<void> => {
    for (let log = 0; log < logs; log++) {
      await simulation.settle(engine.put(bytes('a'), bytes('1')));
      await simulation.settle(engine.delete(bytes('a')));
      await simulation.settle(engine.compact());
    }
  };
  const refused = async (reader: EngineReader, message: RegExp): Promise<void> => {
    await assert.rejects(simulation.settle(reader.refresh()), { code: 'REPLACED', message });
    await simulation.settle(reader.close());
  };
  let engine = await simulation.openEngine();
  const open = async (times: number): Promise<void> => {
    for (let time = 0; time < times; time++) {
      await simulation.settle(engine.close());
      engine = await simulation.openEngine();
    }
  };
  await open(3);
  const openedOften = await openReader(simulation);
  await simulation.settle(engine.close());
  engine = await emptied();
  await writeLogs(engine, 6);
  await refused(openedOften, /its manifest is number 1, and was 4/);

  const hadLogs = await openReader(simulation);
  await simulation.settle(engine.close());
  engine = await emptied();
  await open(2);
  // The manifest names the log of an opening a moment after it.
  await simulation.pass(1);
  await refused(hadLogs, /its last log is number 3, and was 7/);

  // In the same place of the same log is another write.
  await simulation.settle(engine.close());
  engine = await emptied();
  await simulation.settle(engine.put(bytes('a'), bytes('1')));
  const hadWrites = await openReader(simulation);
  await simulation.settle(engine.close());
  engine = await emptied();
  await simulation.settle(engine.put(bytes('a'), bytes('2')));
  await simulation.settle(engine.put(bytes('b'), bytes('2')));
  await refused(hadWrites, /000001\.log is another log than before/);
  await simulation.settle(engine.close());
});

test('logs that hold more than a reader may take', async () => {
  const simulation = new EngineSimulation({ ...OPTIONS, memtableBytes: 1024 * 1024 });
  const engine = await simulation.openEngine();
  const limited = { ...SMALL, maxMemtableBytes: 256 * 1024 };
  const reader = await openReader(simulation, limited);
  await fill(simulation, engine, 'x', 300);
  const refused = { code: 'OVERLOADED', canRetry: true, message: /raise maxMemtableBytes/ };
  await assert.rejects(simulation.settle(reader.refresh()), refused);
  await assert.rejects(openReader(simulation, limited), refused);
  assert.equal(await shown(simulation, reader), '');
  await simulation.settle(engine.flush());
  await simulation.settle(reader.refresh());
  assert.equal((await shown(simulation, reader)).length, 300);
  await fill(simulation, engine, 'y', 5);
  await simulation.settle(reader.refresh());
  assert.match(await shown(simulation, reader), /y/);
  await simulation.settle(reader.close());
  await simulation.settle(engine.close());
});

test('what a later version has written is refused by name, and what was shown stays', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const { fs } = simulation;
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(bytes('a'), bytes('1')));
  const reader = await openReader(simulation);
  const offset = fs.sizeSync(LOG);
  const header = new Uint8Array(BATCH_HEADER_BYTES);
  encodeBatchHeader(header, new Uint8Array(0), 1, 9 as BatchKind, offset, offset);
  fs.place(LOG, Buffer.concat([fs.contents(LOG), header]));
  await assert.rejects(simulation.settle(reader.refresh()), {
    code: 'UNSUPPORTED_FORMAT',
    file: LOG,
    offset,
  });
  assert.equal(await shown(simulation, reader), '1');
  await simulation.settle(reader.close());
});

test('a log whose end was marked in vain goes on', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const { fs } = simulation;
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(bytes('a'), bytes('1')));
  const before = fs.contents(LOG);
  await simulation.settle(engine.put(bytes('b'), bytes('2')));
  const after = fs.contents(LOG);
  // The mark could not be synced, so the writer cuts it off and goes on as before.
  const mark = new Uint8Array(BATCH_HEADER_BYTES);
  encodeBatchHeader(mark, new Uint8Array(0), 1, BatchKind.continued, before.length, before.length);
  fs.place(LOG, Buffer.concat([before, mark]));
  fs.place('/db/000002.log', encodeFileHeader(FileMagic.log, 2));
  const reader = await openReader(simulation);
  assert.equal(await shown(simulation, reader), '1');
  fs.place(LOG, after);
  await simulation.settle(reader.refresh());
  assert.equal(await shown(simulation, reader), '12');
  await simulation.settle(reader.close());
});

test('a flush that the manifest has taken back: its log counts again, below those that came later', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const { fs } = simulation;
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(bytes('a'), bytes('1')));
  const before = Manifest.recover(fs, DIRECTORY) as RecoveredManifest;
  let log = bytes('');
  fs.onCall = ({ operation, path }) => {
    if (operation === 'remove' && path === LOG) log = Buffer.from(fs.contents(LOG));
    return undefined;
  };
  await simulation.settle(engine.flush());
  fs.onCall = undefined;
  await simulation.settle(engine.put(bytes('a'), bytes('2')));
  const reader = await openReader(simulation);
  assert.equal(await shown(simulation, reader), '2');
  // The edit was on the disk when it could not be synced, and is not in the manifest that came instead.
  fs.place(LOG, log);
  Manifest.create(fs, DIRECTORY, { ...before, begunGeneration: 2, nextFileId: 20 }).abandon();
  await simulation.settle(reader.refresh());
  assert.equal(await shown(simulation, reader), '2');
  await simulation.settle(engine.put(bytes('b'), bytes('3')));
  await simulation.settle(reader.refresh());
  assert.equal(await shown(simulation, reader), '23');
  await simulation.settle(reader.close());
});

test('refreshes at the same time, and a close', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const engine = await simulation.openEngine();
  const reader = await openReader(simulation);
  const first = reader.refresh();
  await simulation.settle(engine.put(bytes('a'), bytes('1')));
  const second = reader.refresh();
  const third = reader.refresh();
  await simulation.settle(Promise.all([first, second, third]));
  assert.equal(await shown(simulation, reader), '1');
  const snapshot = reader.snapshot();
  const late = reader.refresh();
  const closing = reader.close();
  await simulation.settle(closing);
  assert.equal(
    await simulation.settle(
      late.then(
        () => 'done',
        (error: LsmError) => error.code,
      ),
    ),
    'done',
  );
  const closed = { code: 'CLOSED' };
  await assert.rejects(reader.refresh(), closed);
  await assert.rejects(reader.get(bytes('a')), closed);
  assert.throws(() => reader.getSync(bytes('a')), closed);
  assert.throws(() => reader.snapshot(), closed);
  await assert.rejects(reader.get(bytes('a'), snapshot), { code: 'SNAPSHOT_EXPIRED' });
  await simulation.settle(reader.close());
  await simulation.settle(engine.close());
});

test('options that make no sense', async () => {
  const simulation = new EngineSimulation(OPTIONS);
  const bad = { code: 'INVALID_ARGUMENT' };
  await assert.rejects(openReader(simulation, { durability: 'sync' } as Partial<ReaderOptions>), {
    ...bad,
    message: /durability/,
  });
  await assert.rejects(openReader(simulation, { maxMemtableBytes: 1 }), {
    ...bad,
    message: /maxMemtableBytes/,
  });
  await assert.rejects(openReader(simulation, { readers: 0 }), { ...bad, message: /readers/ });
  await assert.rejects(EngineReader.open(''), bad);
});

for (const [others, memtables] of [
  [60, 'two memtables'],
  [150, 'three'],
] as const) {
  for (const isSeen of [false, true]) {
    const seen = isSeen ? 'seen' : 'not seen yet';
    test(`what was stale when it came is not shown by a reader that has its log in ${memtables}, what hides it being ${seen}`, async () => {
      const simulation = new EngineSimulation({ ...OPTIONS, memtableBytes: 1024 * 1024 });
      const store = simulation.openStore();
      const reader = await openReader(simulation);
      const write = (key: string, timestamp: number, value: Uint8Array): Promise<unknown> =>
        simulation.settle(writeRecordTo(store, bytes(key), record(timestamp, value)));
      await write('held', 1000, bytes('new'));
      const range = { start: bytes('deleted'), end: bytes('e') };
      const clearing = new Promise((resolve) =>
        store.clear(range, 1001, { onWrite: (_token, status) => resolve(status) }, 0),
      );
      assert.equal(await simulation.settle(clearing), WriteStatus.applied);
      if (isSeen) await simulation.settle(reader.refresh());
      // More than the memtables of the reader take.
      for (let i = 0; i < others; i++) await write(`other${i}`, 2000 + i, Buffer.alloc(3000));
      for (const key of ['held', 'deleted', 'deleted too']) await write(key, 500, bytes('old'));
      for (let look = 0; look < 2; look++) {
        await simulation.settle(reader.refresh());
        const [held, ...deleted] = await simulation.settle(
          reader.getMany([bytes('held'), bytes('deleted'), bytes('deleted too')]),
        );
        assert.equal(held?.toString(), 'new');
        assert.deepEqual(deleted, [undefined, undefined]);
      }
      await simulation.settle(reader.close());
      await simulation.settle(store.close());
    });
  }
}
