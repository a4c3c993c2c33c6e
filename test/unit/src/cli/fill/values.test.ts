import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { FillValues, fillValue } from '../../../../../src/cli/fill/values.ts';

describe('the values of a fill', () => {
  it('depend on seed, key and size alone, and on each', () => {
    const value = fillValue(1, 42, 1024);
    assert.equal(value.length, 1024);
    for (const [seed, number] of [
      [1, 43],
      [2, 42],
    ]) {
      assert.notDeepEqual(fillValue(seed, number, 1024), value);
    }
    assert.deepEqual(fillValue(1, 42, 1024), value);
  });

  it('are the same in every release, or what was filled before could not be checked', () => {
    const digest = createHash('sha256')
      .update(fillValue(7, 123_456, 1000))
      .digest('hex');
    assert.equal(digest, 'bacced8c5f2b4ecde79e2c580d276374e7264eeb32650f37878cf118e701f965');
  });

  it('say whose they are', () => {
    assert.match(Buffer.from(fillValue(1, 42, 64)).toString('latin1'), /^42 quorate quorate quorate/);
  });

  it('are halved by zstd, fifteen to a block', () => {
    const block = Buffer.concat(Array.from({ length: 15 }, (_, i) => fillValue(1, i + 1, 1024)));
    const share = zstdCompressSync(block).length / block.length;
    assert.ok(share > 0.49 && share < 0.54, `zstd left ${share}`);
  });

  it('are halved when they are large as well', () => {
    const value = fillValue(1, 1, 1024 * 1024);
    const share = zstdCompressSync(value).length / value.length;
    assert.ok(share > 0.49 && share < 0.51, `zstd left ${share}`);
  });

  it('may be of any size', () => {
    for (const size of [0, 1, 2, 3, 5, 9, 5 * 2 ** 20]) assert.equal(fillValue(1, 123, size).length, size);
  });

  it('are written where they belong and nowhere else', () => {
    const target = new Uint8Array(30).fill(0xee);
    new FillValues(1).write(5, 10, target, 10);
    assert.deepEqual(target.subarray(10, 20), fillValue(1, 5, 10));
    assert.ok(target.subarray(0, 10).every((byte) => byte === 0xee));
    assert.ok(target.subarray(20).every((byte) => byte === 0xee));
  });
});
