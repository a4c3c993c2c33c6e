import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createArena } from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { ArrivalOrder } from '../../../../native-free-lsm/memtable/arrival-order.ts';
import { Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { record } from '../../../support/engine-calls.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const RECORD = record(1, '');

function newArena() {
  const arena = createArena(64 << 10, HASH_SEED);
  const memtable = new Memtable(arena);
  memtable.reset(1);
  const order = new ArrivalOrder(new Int32Array(arena), memtable.bytes);
  const put = (names: string): number => {
    for (const name of names) {
      const key = Buffer.from(name);
      memtable.insertUnlinked(key, 0, 1, RECORD, 0, RECORD.length);
    }
    memtable.publish();
    return memtable.publishedOffset;
  };
  const names = (nodes: Uint32Array): string =>
    [...nodes].map((node) => String.fromCharCode(memtable.bytes[node + 8])).join('');
  return { memtable, names, order, put, start: memtable.publishedOffset };
}

test('an order that was found is kept for as long as the same is wanted, and serves what is within', () => {
  const { names, order, put, start } = newArena();
  const first = put('dbf');
  const second = put('aec');
  const all = order.nodes(1, start, second);
  assert.equal(names(all), 'abcdef');
  assert.equal(order.nodes(1, start, second), all);
  assert.equal(names(order.nodes(1, start, first)), 'bdf');
  assert.equal(names(order.nodes(1, first, second)), 'ace');
  assert.equal(order.nodes(1, start, second), all);
  order.forget();
  assert.notEqual(order.nodes(1, start, second), all);
});

test('what came later, or lies before, is sorted with it', () => {
  const { names, order, put, start } = newArena();
  const first = put('dbf');
  const second = put('aec');
  assert.equal(names(order.nodes(1, first, second)), 'ace');
  assert.equal(names(order.nodes(1, start, second)), 'abcdef');
  const third = put('0Z');
  assert.equal(names(order.nodes(1, start, third)), '0Zabcdef');
});

test('of the memtable that was in the arena before nothing is left', () => {
  const { memtable, names, order, put, start } = newArena();
  const limit = put('dbf');
  assert.equal(names(order.nodes(1, start, limit)), 'bdf');
  memtable.reset(2);
  // It ends within what was sorted before.
  const shorter = put('za');
  assert.ok(shorter <= limit);
  assert.equal(names(order.nodes(2, start, shorter)), 'az');
});
