import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { viewOf } from '../../../../native-free-lsm/format/view.ts';

describe('the view of bytes', () => {
  test('has their offsets and their end', () => {
    for (const memory of [new ArrayBuffer(16), new SharedArrayBuffer(16)]) {
      const bytes = new Uint8Array(memory, 3, 8);
      const view = viewOf(bytes);
      view.setInt32(1, 0x04030201, true);
      assert.deepEqual([...bytes], [0, 1, 2, 3, 4, 0, 0, 0]);
      assert.equal(view.byteLength, 8);
      assert.throws(() => view.getInt32(5, true), RangeError);
    }
  });

  test('is one for the same bytes, and another for others in the same memory', () => {
    const memory = new ArrayBuffer(16);
    const bytes = new Uint8Array(memory);
    const others = new Uint8Array(memory, 8);
    assert.equal(viewOf(bytes), viewOf(bytes));
    assert.notEqual(viewOf(bytes), viewOf(others));
    others[0] = 7;
    assert.equal(viewOf(others).getUint8(0), 7);
  });
});
