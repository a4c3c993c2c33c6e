import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { restartDelayMs } from '../../../../../src/cli/serve/backoff.ts';

describe('the delay before a node is started again', () => {
  it('doubles up to a bound', () => {
    const middle = (failures: number): number => restartDelayMs(failures, () => 0.5);
    assert.deepEqual(
      [0, 1, 2, 3, 6, 7, 50, 2000].map(middle),
      [100, 200, 400, 800, 6400, 10_000, 10_000, 10_000],
    );
  });

  it('is spread by half either way', () => {
    assert.equal(
      restartDelayMs(1, () => 0),
      100,
    );
    assert.equal(
      restartDelayMs(1, () => 0.999),
      300,
    );
  });
});
