import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createArena } from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { ArrivalOrder } from '../../../../native-free-lsm/memtable/arrival-order.ts';
import { Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { UnlinkedIterator } from '../../../../native-free-lsm/memtable/unlinked-iterator.ts';
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

for (const [isReverse, expected] of [
  [false, { a: 'b', b: 'b', c: 'd', d: 'd', e: 'f', f: 'f', g: '' }],
  [true, { a: '', b: '', c: 'b', d: 'b', e: 'd', f: 'd', g: 'f' }],
] as const) {
  test(`a seek ${isReverse ? 'against the order' : 'in order'} finds the same key only where it is wanted`, () => {
    const { memtable, names, order, put, start } = newArena();
    const limit = put('dbf');
    const nodes = order.nodes(1, start, limit);
    assert.equal(names(nodes), 'bdf');
    const words = new Int32Array(memtable.bytes.buffer);
    const iterator = new UnlinkedIterator(words, memtable.bytes, nodes, limit, isReverse);
    for (const [key, found] of Object.entries(expected)) {
      iterator.seek(Buffer.from(key), 0, 1);
      const at = iterator.valid ? iterator.keyBytes[iterator.keyStart] : 0;
      assert.equal(at === 0 ? '' : String.fromCharCode(at), found, `from ${key}`);
    }
  });
}
