import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Backoff } from '../../../src/backoff.ts';
import { seededRandom } from '../../../src/clock.ts';

describe('backoff', () => {
  it('doubles up to its bound, jittered, and starts over', () => {
    const backoff = new Backoff(20, 1_000, seededRandom(1));
    for (const boundMs of [20, 40, 80, 160, 320, 640, 1_000, 1_000]) {
      const waitMs = backoff.nextMs();
      assert.ok(waitMs >= boundMs / 2 && waitMs < boundMs, `${waitMs} of ${boundMs}`);
    }
    backoff.reset();
    assert.ok(backoff.nextMs() < 20);
  });
});
