import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { countForBytes, KeyWalk, liveBytes, numberAtRank } from '../../../../../src/cli/fill/keys.ts';

function walked(count: number, rank: number): string[] {
  const walk = new KeyWalk(count, rank);
  const keys: string[] = [];
  for (; ; walk.next()) {
    keys.push(Buffer.from(walk.bytes.subarray(0, walk.end)).toString());
    assert.equal(keys.at(-1), `key${walk.number}`);
    if (rank + keys.length === count) return keys;
  }
}

function sorted(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `key${i + 1}`).sort();
}

const counts = fc.oneof(
  fc.integer({ min: 1, max: 1_500 }),
  fc.constantFrom(1, 9, 10, 11, 99, 100, 101, 999, 1_000, 1_001, 1_999),
);

describe('the keys of a fill', () => {
  it('come in the order of their bytes, each once, from any rank on', () => {
    fc.assert(
      fc.property(counts, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (count, share) => {
        const rank = Math.floor(share * count);
        assert.deepEqual(walked(count, rank), sorted(count).slice(rank));
      }),
    );
  });

  it('are found by rank among more than could be listed', () => {
    assert.equal(numberAtRank(1_039_510, 0), 1);
    assert.equal(numberAtRank(2_147_483_647, 2_147_483_646), 999_999_999);
  });

  it('are as many as it takes for the bytes asked for', () => {
    fc.assert(
      fc.property(counts, fc.integer({ min: 0, max: 100 }), (count, valueBytes) => {
        const bytes = liveBytes(count, valueBytes);
        const listed = sorted(count).reduce((sum, key) => sum + key.length + valueBytes, 0);
        assert.equal(bytes, listed);
        assert.equal(countForBytes(bytes, valueBytes), count);
        assert.equal(countForBytes(bytes + 1, valueBytes), count + 1);
        assert.equal(countForBytes(bytes - 1, valueBytes), count);
      }),
    );
  });
});
