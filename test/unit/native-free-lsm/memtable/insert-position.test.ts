import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRecord } from '../../../../native-free-lsm/format/record.ts';
import {
  createArena,
  HEAD_NODE,
  linkIndex,
  MAX_HEIGHT,
  NODE_HEADER_BYTES,
} from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { InsertStatus, Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const ARENA_BYTES = 256 << 10;

interface Table {
  readonly memtable: Memtable;
  readonly words: Int32Array;
}

function newTable(): Table {
  const arena = createArena(ARENA_BYTES, HASH_SEED);
  const memtable = new Memtable(arena);
  memtable.reset(1);
  return { memtable, words: new Int32Array(arena) };
}

/** The keys at each level, in the order of the links. */
function levels({ memtable, words }: Table): string[][] {
  const all: string[][] = [];
  for (let level = 0; level < MAX_HEIGHT; level++) {
    const keys: string[] = [];
    for (let node = words[linkIndex(HEAD_NODE, level)]; node !== 0; node = words[linkIndex(node, level)]) {
      const start = node + NODE_HEADER_BYTES;
      keys.push(Buffer.from(memtable.bytes.subarray(start, start + words[node / 4 + 1])).toString());
    }
    all.push(keys);
  }
  return all;
}

function checkOrder(table: Table, inserted: ReadonlySet<string>): void {
  const all = levels(table);
  assert.deepEqual(all[0], [...inserted].sort());
  for (const [level, keys] of all.entries()) {
    assert.deepEqual(keys, keys.toSorted(), `level ${level}`);
    if (level > 0) assert.ok(keys.every((key) => all[level - 1].includes(key)));
  }
}

let timestamp = 0;

function insert(memtable: Memtable, key: string, isLinked = true): void {
  const bytes = Buffer.from(key);
  const fields = { timestamp: ++timestamp, writer: 1, tombstone: false, from: 1, expiryMs: 0 };
  const record = encodeRecord(fields, bytes);
  const status = isLinked
    ? memtable.insert(bytes, 0, bytes.length, record, 0, record.length)
    : memtable.insertUnlinked(bytes, 0, bytes.length, record, 0, record.length);
  assert.equal(status, InsertStatus.applied);
}

const keyOf = (number: number): string => String(number).padStart(5, '0');

test('keys that ascend, descend, jump and come again stand in order at each level', () => {
  const random = seededRandom(7);
  const steps = [1, 1, 1, -1, 3, 0];
  for (let round = 0; round < 20; round++) {
    const table = newTable();
    const inserted = new Set<string>();
    let number = 0;
    for (let i = 0; i < 400; i++) {
      const isJump = random() < 0.1;
      number = isJump ? Math.floor(random() * 900) : number + steps[Math.floor(random() * steps.length)];
      const key = keyOf(Math.max(0, number));
      insert(table.memtable, key);
      inserted.add(key);
    }
    checkOrder(table, inserted);
  }
});

test('a key that begins others, and the empty key, have their places', () => {
  const table = newTable();
  const keys = ['', 'a', 'aa', 'ab', 'a\0', 'b', 'aaa', 'c'];
  for (const key of keys) insert(table.memtable, key);
  checkOrder(table, new Set(keys));
});

test('the place of the last key is forgotten with its memtable', () => {
  const table = newTable();
  for (let i = 0; i < 200; i++) insert(table.memtable, keyOf(i));
  table.memtable.reset(2);
  const inserted = new Set<string>();
  for (let i = 300; i < 400; i++) {
    insert(table.memtable, keyOf(i));
    inserted.add(keyOf(i));
  }
  checkOrder(table, inserted);
});

test('keys that are linked together come in between those that are there, in any order', () => {
  const random = seededRandom(11);
  for (let round = 0; round < 20; round++) {
    const table = newTable();
    const inserted = new Set<string>();
    for (let group = 0; group < 12; group++) {
      const size = Math.floor(random() * 60);
      const first = Math.floor(random() * 900);
      const isAscending = random() < 0.3;
      for (let i = 0; i < size; i++) {
        const key = keyOf(isAscending ? first + i : Math.floor(random() * 900));
        insert(table.memtable, key, group % 3 === 0);
        inserted.add(key);
      }
      table.memtable.linkNew();
      checkOrder(table, inserted);
    }
  }
});

test('a key that is put behind one without links is linked with it', () => {
  const table = newTable();
  for (const number of [10, 30]) insert(table.memtable, keyOf(number));
  insert(table.memtable, keyOf(20), false);
  for (const number of [15, 25]) insert(table.memtable, keyOf(number));
  table.memtable.linkNew();
  insert(table.memtable, keyOf(26));
  checkOrder(table, new Set([10, 15, 20, 25, 26, 30].map(keyOf)));
});

test('keys that ascend to the end are linked at once, also where they may be linked later', () => {
  const table = newTable();
  const inserted = new Set<string>();
  const put = (number: number): void => {
    insert(table.memtable, keyOf(number), false);
    inserted.add(keyOf(number));
  };
  for (let i = 100; i < 200; i++) put(i);
  assert.equal(table.memtable.unlinkedEntries, 0);
  checkOrder(table, inserted);
  put(50);
  put(300);
  assert.equal(table.memtable.unlinkedEntries, 2);
  table.memtable.linkNew();
  // The last that was linked is the last of all.
  put(301);
  assert.equal(table.memtable.unlinkedEntries, 0);
  checkOrder(table, inserted);
});
