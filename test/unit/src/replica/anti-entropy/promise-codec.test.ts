import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodePromises, encodePromises } from '../../../../../src/replica/anti-entropy/promise-codec.ts';

const basis = Uint8Array.from({ length: 16 }, (_, index) => index);

test('promises of 256 slots come back, and few different ones take little room', () => {
  const settled = Float64Array.from({ length: 256 }, (_, slot) => (slot % 3) * 4096);
  const barred = settled.map((timestamp) => timestamp + 1);
  const bytes = encodePromises({ basis, barred, settled });
  assert.equal(bytes.length, 1 + 16 + 1 + 3 * 16 + 256);
  const back = decodePromises(bytes);
  assert.deepEqual(back && [[...back.basis], back.barred, back.settled], [[...basis], barred, settled]);
});

test('256 different pairs fit', () => {
  const barred = Float64Array.from({ length: 256 }, (_, slot) => slot + 1);
  const settled = new Float64Array(256);
  assert.deepEqual(decodePromises(encodePromises({ basis, barred, settled }))?.barred, barred);
});

test('what is no such record is told from one', () => {
  const barred = new Float64Array(256).fill(7);
  const good = encodePromises({ basis, barred, settled: barred });
  assert.equal(decodePromises(good.subarray(0, good.length - 1)), null);
  assert.equal(decodePromises(new Uint8Array(0)), null);
  const ofLaterFormat = Uint8Array.from(good);
  ofLaterFormat[0] = 2;
  assert.equal(decodePromises(ofLaterFormat), null);
  const withoutPair = Uint8Array.from(good);
  withoutPair[good.length - 1] = 9;
  assert.equal(decodePromises(withoutPair), null);
  const settledAboveBarrier = encodePromises({ basis, barred: new Float64Array(256), settled: barred });
  assert.equal(decodePromises(settledAboveBarrier), null);
});
