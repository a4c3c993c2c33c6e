import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_MISSING, Once } from '../../../../src/peer-http/once.ts';

describe('numbers that may be used once', () => {
  it('are taken in any order, and none twice', () => {
    const order = fc.shuffledSubarray(Array.from({ length: 200 }, (_, i) => i + 1));
    fc.assert(
      fc.property(order, (numbers) => {
        const once = new Once();
        for (const number of numbers) assert.equal(once.use(number), true);
        for (const number of numbers) assert.equal(once.use(number), false);
        assert.equal(once.use(0), false);
      }),
    );
  });

  it('count as used when they are far behind, so that few are kept', () => {
    const once = new Once();
    // All even numbers: each odd one is missing.
    for (let i = 1; i <= MAX_MISSING + 10; i++) assert.equal(once.use(2 * i), true);
    assert.equal(once.use(1), false);
    assert.equal(once.use(19), false);
    assert.equal(once.use(21), true);
    assert.equal(once.use(2 * MAX_MISSING + 19), true);
  });
});
