import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  compareRecordVersions,
  encodeRecord,
  isLive,
  isOfLaterFormat,
  isTombstone,
  RECORD_HEADER_BYTES,
  recordExpiryMs,
  recordFault,
  recordFrom,
  recordSizeBytes,
  recordTimestamp,
  recordValueStart,
  recordWriter,
  writeRecord,
} from '../../../../native-free-lsm/format/record.ts';
import { MAX_TIMESTAMP } from '../../../../native-free-lsm/format/timestamp.ts';

const FIELDS = { timestamp: 1, writer: 2, tombstone: false, from: 3, expiryMs: 0 };
const arbitraryFields = fc.record({
  timestamp: fc.maxSafeNat(),
  writer: fc.nat(0xffff_ffff),
  tombstone: fc.boolean(),
  from: fc.nat(0xffff),
  expiryMs: fc.maxSafeNat(),
});

test('a record is drawn as its format says', () => {
  const record = encodeRecord(
    {
      timestamp: 0x1f_0203_0405_0607,
      writer: 0x08090a0b,
      tombstone: true,
      from: 0x0c0d,
      expiryMs: 0x0e_0f10_1112,
    },
    Uint8Array.from([0xaa, 0xbb]),
  );
  const drawn = '01 03 0d0c 07060504 03021f00 0b0a0908 1211100f 0e000000 aabb'.replaceAll(' ', '');
  assert.equal(Buffer.from(record).toString('hex'), drawn);
});

test('every field and the value come back', () => {
  fc.assert(
    fc.property(arbitraryFields, fc.uint8Array(), fc.nat(10), (fields, value, at) => {
      const target = new Uint8Array(at + recordSizeBytes(value.length, fields.expiryMs > 0));
      assert.equal(writeRecord(target, at, fields, value), target.length);
      assert.equal(recordFault(target, at, target.length), undefined);
      assert.equal(recordTimestamp(target, at), fields.timestamp);
      assert.equal(recordWriter(target, at), fields.writer);
      assert.equal(recordFrom(target, at), fields.from);
      assert.equal(isTombstone(target, at), fields.tombstone);
      assert.equal(recordExpiryMs(target, at), fields.expiryMs);
      assert.deepEqual(target.subarray(recordValueStart(target, at)), value);
    }),
  );
});

test('versions compare by timestamp, then by writer', () => {
  fc.assert(
    fc.property(arbitraryFields, arbitraryFields, fc.boolean(), (a, b, sameTime) => {
      const other = sameTime ? { ...b, timestamp: a.timestamp } : b;
      const left = encodeRecord(a, new Uint8Array(0));
      const right = encodeRecord(other, new Uint8Array(3));
      const expected = Math.sign(a.timestamp - other.timestamp) || Math.sign(a.writer - other.writer);
      assert.equal(Math.sign(compareRecordVersions(left, 0, right, 0)), expected);
    }),
  );
});

test('a header that is not one is named', () => {
  const whole = encodeRecord({ ...FIELDS, timestamp: MAX_TIMESTAMP, expiryMs: 5 }, new Uint8Array(0));
  assert.equal(recordFault(whole, 0, whole.length), undefined);
  const changed = (at: number, byte: number) => {
    const copy = Uint8Array.from(whole);
    copy[at] = byte;
    return recordFault(copy, 0, copy.length);
  };
  assert.match(recordFault(whole, 0, RECORD_HEADER_BYTES - 1) ?? '', /shorter than its header/);
  assert.match(recordFault(whole, 0, whole.length - 1) ?? '', /ends inside its header/);
  assert.match(changed(0, 2) ?? '', /format 2 is unknown/);
  assert.match(changed(1, 6) ?? '', /flags 6 are unknown/);
  assert.match(changed(10, 0x20) ?? '', /above 53 bits/);
  assert.match(changed(11, 1) ?? '', /timestamp is above 53 bits/);
  assert.match(changed(22, 0x20) ?? '', /expiry is above 53 bits/);
  assert.match(changed(23, 1) ?? '', /expiry is above 53 bits/);
});

test('in a record without an expiry the same bytes belong to its value', () => {
  const record = encodeRecord({ ...FIELDS, expiryMs: 0 }, new Uint8Array(8).fill(0xff));
  assert.equal(recordFault(record, 0, record.length), undefined);
});

test('a record of a later format is told from one that is damaged', () => {
  const whole = encodeRecord(FIELDS, new Uint8Array(0));
  const changed = (at: number, byte: number) => {
    const copy = Uint8Array.from(whole);
    copy[at] = byte;
    return isOfLaterFormat(copy, 0, copy.length);
  };
  assert.equal(isOfLaterFormat(whole, 0, whole.length), false);
  assert.equal(changed(0, 2), true);
  assert.equal(changed(1, 4), true);
  // 0 is no format, and never will be.
  assert.equal(changed(0, 0), false);
  assert.equal(changed(11, 1), false);
  assert.equal(isOfLaterFormat(Uint8Array.from([2]), 0, 1), false);
});

test('a reader sees what is neither deleted nor expired by then', () => {
  const record = (tombstone: boolean, expiryMs: number) =>
    encodeRecord({ ...FIELDS, tombstone, expiryMs }, Uint8Array.of(1));
  for (const nowMs of [0, 1_000, 1_001, 2 ** 40]) {
    assert.ok(isLive(record(false, 0), 0, nowMs));
    assert.equal(isLive(record(false, 1_001), 0, nowMs), nowMs <= 1_000);
    assert.equal(isLive(record(false, 2 ** 33 + 1), 0, nowMs), nowMs <= 2 ** 33);
    assert.ok(!isLive(record(true, 0), 0, nowMs) && !isLive(record(true, 2 ** 50), 0, nowMs));
  }
});
