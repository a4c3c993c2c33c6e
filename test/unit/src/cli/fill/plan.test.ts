import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { liveBytes } from '../../../../../src/cli/fill/keys.ts';
import { planFill } from '../../../../../src/cli/fill/plan.ts';

const MIB = 2 ** 20;

describe('the plan of a fill', () => {
  it('gives each node the size asked for, and few bytes more', () => {
    const amounts = fc.record({
      sizeBytes: fc.integer({ min: 1, max: 2 ** 32 }),
      valueBytes: fc.integer({ min: 100, max: MIB }),
      nodes: fc.integer({ min: 1, max: 20 }),
      from: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(amounts, (drawn) => {
        const amount = { ...drawn, from: Math.min(drawn.from, drawn.nodes) };
        const { sizeBytes, valueBytes, nodes, from } = amount;
        const { keys, liveBytes: all } = planFill(amount, 32 * MIB, 3);
        const perNode = (count: number): number => (liveBytes(count, valueBytes) * from) / nodes;
        assert.equal(all, liveBytes(keys, valueBytes) * from);
        assert.ok(perNode(keys) >= sizeBytes * (1 - 1e-12));
        assert.ok(perNode(keys - 1) < sizeBytes);
      }),
    );
  });

  it('cuts all keys into ranges without gaps, a multiple of the threads', () => {
    const { keys, ranges } = planFill(
      { sizeBytes: 2 ** 30, valueBytes: 1024, nodes: 3, from: 2 },
      32 * MIB,
      3,
    );
    assert.equal(ranges.length % 3, 0);
    let rank = 0;
    for (const [index, { tableId, firstRank, endRank }] of ranges.entries()) {
      assert.deepEqual([tableId, firstRank], [index + 1, rank]);
      assert.ok(endRank > firstRank);
      rank = endRank;
    }
    assert.equal(rank, keys);
  });

  it('has no range without a key', () => {
    const { keys, ranges } = planFill({ sizeBytes: 1, valueBytes: 1, nodes: 1, from: 1 }, 32 * MIB, 8);
    assert.deepEqual([keys, ranges], [1, [{ tableId: 1, firstRank: 0, endRank: 1 }]]);
  });

  it('refuses more keys than it can count, and says what to change', () => {
    assert.throws(() => planFill({ sizeBytes: 2 ** 36, valueBytes: 1, nodes: 3, from: 3 }, 32 * MIB, 3), {
      code: 'INVALID_CONFIG',
      message: /choose a smaller --size or a larger --value-size$/,
    });
  });
});
