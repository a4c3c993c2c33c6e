/**
 * Keys that a client has made to have the same hash: they must not collide in any hash table. The test counts the steps
 * of a search that passes the most of them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockIndex } from '../../../../native-free-lsm/cache/block-index.ts';
import { blockHash, createBlockCacheMemory } from '../../../../native-free-lsm/cache/cache-layout.ts';
import { drawHashSeed } from '../../../../native-free-lsm/clock.ts';
import { hashBytes } from '../../../../native-free-lsm/format/hash.ts';
import { BulkLoad, BulkTable, DEFAULT_OPTIONS } from '../../../../native-free-lsm/index.ts';
import { allocationsStart, INDEX_START } from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { memtableOf } from '../../../../native-free-lsm/offline/layers.ts';
import { InlineExecutor, MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { loadTable, readTableMetadata } from '../../../../native-free-lsm/sstable/load-table.ts';
import { TableReader } from '../../../../native-free-lsm/sstable/table-reader.ts';
import type { RecordStore } from '../../../../native-free-lsm/store/store.ts';
import type { WriterInit } from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';
import { HASH_SEED, murmurCollisions } from '../../../support/hash-flood.ts';
import { recordOf, tableOf } from '../sstable/table-support.ts';

/** A row of taken slots twice as long as any of 300,000 random keys has in an index of 12 MiB. */
const MAX_STEPS = 100;
const FLOOD = murmurCollisions(15);

/** The longest row of taken slots: a search goes past so many at most. */
function longestRow(arena: SharedArrayBuffer): number {
  const slots = new Int32Array(arena, INDEX_START, (allocationsStart(arena.byteLength) - INDEX_START) / 4);
  let longest = 0;
  let row = 0;
  // Twice round, for the row that goes on at the start.
  for (let i = 0; i < 2 * slots.length && row <= slots.length; i++) {
    row = slots[i % slots.length] === 0 ? 0 : row + 1;
    longest = Math.max(longest, row);
  }
  return longest;
}

/** An engine on one thread; `arenas` are those its writer began with. */
function simulation(fs = new MemoryFileSystem()) {
  const started: { arenas: readonly SharedArrayBuffer[] } = { arenas: [] };
  class Watched extends InlineExecutor {
    override startWriter(init: WriterInit) {
      started.arenas = [...init.arenas];
      return super.startWriter(init);
    }
  }
  const options = { durability: 'none', memtableBytes: 12 << 20, maxRecordBytes: 1 << 16 } as const;
  return { started, engine: new EngineSimulation(options, fs, (context) => new Watched(context)) };
}

function putAll(store: RecordStore, keys: readonly Buffer[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = keys.length;
    const onWrite = (
      _token: number,
      _status: number,
      _time: number,
      _writer: number,
      error: Error | null,
    ) => {
      if (error !== null) reject(error);
      else if (--left === 0) resolve();
    };
    keys.forEach((key, i) => {
      store.write(key, recordOf('v', i + 1), { onWrite }, 0);
    });
  });
}

test('keys made to have one hash are spread like others in a memtable, when put, replayed and inspected', async () => {
  const first = simulation();
  const store = first.engine.openStore();
  await first.engine.settle(putAll(store, FLOOD));
  const [written] = first.started.arenas;
  assert.ok(longestRow(written) <= MAX_STEPS, `${longestRow(written)} slots in a row`);
  const fs = first.engine.fs;
  const killed = fs.kill();

  const again = simulation(killed);
  const recovered = again.engine.openStore();
  const [replayed] = again.started.arenas;
  assert.ok(longestRow(replayed) > 1);
  assert.ok(longestRow(replayed) <= MAX_STEPS, `${longestRow(replayed)} slots in a row`);
  await again.engine.settle(recovered.close());

  const inspected = memtableOf(fs, '/db', 1).memory as SharedArrayBuffer;
  assert.ok(longestRow(inspected) > 1);
  assert.ok(longestRow(inspected) <= MAX_STEPS, `${longestRow(inspected)} slots in a row`);
});

test('keys made to have the hash of a key that is there do not pass a filter more often than others', () => {
  const there = FLOOD.slice(0, 1000).sort(Buffer.compare);
  const { reader } = tableOf(there.map((key) => ({ key, record: recordOf('v') })));
  const absent = FLOOD.slice(1000, 21_000);
  const passed = absent.filter((key) => reader.mayContain(hashBytes(key, 0, key.length, reader.hashSeed)));
  assert.ok(passed.length < absent.length * 0.02, `${passed.length} of ${absent.length} passed`);
});

test('which blocks meet in the index of the cache depends on the seed', () => {
  const mask = 0xff;
  const meeting = (seed: number, ordinals: readonly number[]) =>
    ordinals.filter((ordinal) => (blockHash(7, ordinal, seed) & mask) === 0);
  const chosen = meeting(
    1,
    Array.from({ length: 100_000 }, (_, ordinal) => ordinal),
  );
  assert.ok(chosen.length > 300);
  for (const seed of [2, 0x1234_5678, -1]) assert.ok(meeting(seed, chosen).length < chosen.length / 20);
  // And the index asks with the seed it was made with.
  const memory = createBlockCacheMemory(1 << 20, HASH_SEED);
  const index = new BlockIndex(memory);
  assert.equal(index.find(7, chosen[0]), 0);
});

test('a directory draws its seed once, and keeps it in its tables', async () => {
  let drawn = 0;
  const fs = new MemoryFileSystem();
  const seedsOf = () =>
    fs
      .listSync('/db')
      .filter((name) => name.endsWith('.sst'))
      .map((name) => readTableMetadata(fs, '/db', Number.parseInt(name, 10), 0))
      .map((metadata) => new TableReader(loadTable(fs, '/db', metadata)).hashSeed);
  for (let start = 0; start < 3; start++) {
    const { engine } = simulation(fs);
    engine.drawHashSeed = () => ({ low: 100 + drawn++, high: 7 });
    const store = engine.openStore();
    await engine.settle(putAll(store, FLOOD.slice(start * 100, start * 100 + 100)));
    await engine.settle(store.flush());
    await engine.settle(store.close());
  }
  assert.deepEqual(seedsOf(), Array(3).fill({ low: 100, high: 7 }));
  assert.equal(drawn, 1);
});

test('seeds drawn are not the same twice', () => {
  assert.notDeepEqual(drawHashSeed(), drawHashSeed());
  const bytes = Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0xff);
  assert.deepEqual(
    drawHashSeed(() => bytes),
    { low: 1, high: 0xff000002 },
  );
});

test('a table that came with another seed is read all the same', async () => {
  const fs = new MemoryFileSystem();
  const keys = Array.from({ length: 200 }, (_, i) => Buffer.from(`key${1000 + i}`));
  {
    using load = BulkLoad.begin(fs, '/db');
    const tables = [0, 1].map((half) => {
      using table = new BulkTable(fs, ['/db'], 1 + half, DEFAULT_OPTIONS, { low: half, high: 9 });
      const record = recordOf('v');
      for (const key of keys.slice(100 * half, 100 * half + 100))
        table.add(key, 0, key.length, record, 0, record.length);
      return table.finish();
    });
    await load.commit(tables);
  }
  const { engine } = simulation(fs);
  const store = engine.openStore();
  for (const key of keys) {
    const found = new Promise((resolve) => {
      store.read(key, { onRead: (_token, record) => resolve(record) }, 0);
    });
    assert.notEqual(await engine.settle(found), null, key.toString());
  }
  await engine.settle(store.close());
});
