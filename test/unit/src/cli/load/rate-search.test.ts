import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RateSearch } from '../../../../../src/cli/load/rate-search.ts';

/** @returns the rates tried, and what was found */
function search(start: number, holds: (rate: number) => boolean): { tried: number[]; found: number } {
  const searched = new RateSearch(start);
  const tried: number[] = [];
  for (let next = searched.next(); next !== null; next = searched.next()) {
    tried.push(next.ratePerSecond);
    assert.ok(tried.length < 100, `it does not end: ${tried}`);
    searched.report(holds(next.ratePerSecond));
  }
  return { tried, found: searched.found };
}

test('the highest rate is found within 5 %, from below and from above', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.integer({ min: 1, max: 1_000_000 }),
      (limit, start) => {
        const { found } = search(start, (rate) => rate <= limit);
        assert.ok(found <= limit, `${found} above ${limit}`);
        assert.ok(found >= limit / 1.05 - 1, `${found} for ${limit}`);
      },
    ),
  );
});

test('it doubles, halves the gap, and confirms', () => {
  const { tried, found } = search(1_000, (rate) => rate <= 5_000);
  assert.deepEqual(tried, [1_000, 2_000, 4_000, 8_000, 6_000, 5_000, 5_500, 5_250, 5_000]);
  assert.equal(found, 5_000);
});

test('a best that does not hold again is lowered, and after four times nothing was found', () => {
  let isConfirming = false;
  const { tried, found } = search(100, (rate) => {
    if (isConfirming) return rate < 100;
    isConfirming = rate > 100;
    return rate <= 100 && !isConfirming;
  });
  assert.equal(found, 95, `${tried}`);
  let probes = 0;
  assert.equal(search(100, () => ++probes === 1).found, 0);
});

test('where nothing holds nothing is found', () => {
  assert.equal(search(1_000, () => false).found, 0);
});
