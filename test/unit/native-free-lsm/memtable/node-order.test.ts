import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createArena } from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { NodeOrder } from '../../../../native-free-lsm/memtable/node-order.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { record } from '../../../support/engine-calls.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const RECORD = record(1, '');
const random = seededRandom(5);
const below = (limit: number): number => Math.floor(random() * limit);
const bytesOf = (length: number, alphabet: number): Buffer =>
  Buffer.from(Array.from({ length }, () => below(alphabet) * (alphabet < 3 ? 255 : 1)));

/** So many that groups of all sizes come about, each of which is sorted in its own way. */
const KINDS: Readonly<Record<string, (index: number) => Buffer>> = {
  'digits behind a long common beginning': () => Buffer.from(String(below(1e6)).padStart(24, '0')),
  'any bytes': () => bytesOf(12, 256),
  'any bytes, and any length': () => bytesOf(below(8), 256),
  'the smallest and the largest byte alone': () => bytesOf(below(30), 2),
  'numbers of different lengths around common bytes': () =>
    Buffer.from(`user:${below(70)}:order:${below(1e5)}`),
  'one large group and many small ones': (index) =>
    Buffer.from(index % 3 === 0 ? `all/${below(1e6)}` : `${below(2000)}/${below(100)}`),
  'a difference at the last byte of long keys': () => Buffer.concat([Buffer.alloc(37, 'k'), bytesOf(3, 40)]),
};

for (const [kind, keyOf] of Object.entries(KINDS)) {
  test(`nodes are brought into the order of their keys: ${kind}`, () => {
    for (const count of [2, 30, 100, 700, 6000]) {
      const keys = [...new Set(Array.from({ length: count }, (_, index) => keyOf(index).toString('latin1')))];
      const arena = createArena(4 << 20, HASH_SEED);
      const memtable = new Memtable(arena);
      memtable.reset(1);
      for (const key of keys) {
        const bytes = Buffer.from(key, 'latin1');
        memtable.insertUnlinked(bytes, 0, bytes.length, RECORD, 0, RECORD.length);
      }
      memtable.publish();
      const order = new NodeOrder(new Int32Array(arena), memtable.bytes);
      const arrivals = memtable.arrivals();
      while (arrivals.advance(memtable.publishedOffset)) order.add(arrivals.node);
      const found = [...order.sorted()].map((node) =>
        Buffer.from(memtable.bytes.slice(arrivals.keyStartOf(node), arrivals.keyEndOf(node))).toString(
          'latin1',
        ),
      );
      assert.deepEqual(
        found,
        keys.toSorted((a, b) => (a < b ? -1 : 1)),
      );
    }
  });
}
