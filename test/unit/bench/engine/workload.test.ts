/** The orders in which the benchmark of stores takes its keys. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orderSeed, Shuffle } from '../../../../bench/engine/stores/workload.ts';

const KEYS = 10_000;

function order(seed: number, name: string): number[] {
  const shuffle = new Shuffle(KEYS, orderSeed(seed, name));
  return Array.from({ length: KEYS }, (_, place) => shuffle.at(place));
}

/** How many keys stand close to where they stand in the other order; 200 are expected of two that know nothing of each other. */
function near(left: readonly number[], right: readonly number[]): number {
  const places = new Map(right.map((key, place) => [key, place]));
  return left.filter((key, place) => Math.abs((places.get(key) ?? 0) - place) <= KEYS / 100).length;
}

test('an order has every key once, and is the same each time', () => {
  const keys = order(1, 'readlarge');
  assert.equal(new Set(keys).size, KEYS);
  assert.deepEqual(order(1, 'readlarge'), keys);
});

test('orders of other names and of other seeds have nothing to do with it', () => {
  const keys = order(1, 'readlarge');
  assert.equal(near(keys, keys), KEYS);
  for (const other of [order(1, 'put'), order(1, 'written-meanwhile'), order(2, 'readlarge')])
    assert.ok(near(keys, other) < 300);
});
