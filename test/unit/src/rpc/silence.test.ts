import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Silence } from '../../../../src/rpc/silence.ts';

describe('silence', () => {
  it('counts ticks without a sound', () => {
    const silence = new Silence();
    assert.equal(silence.tick(), 1);
    assert.equal(silence.tick(), 2);
    silence.hear();
    assert.equal(silence.tick(), 0);
    assert.equal(silence.tick(), 1);
  });
});
