import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import { encodeRecord, recordTimestamp } from '../../../../native-free-lsm/format/record.ts';
import {
  batchOperationBytes,
  conditionRecord,
  encodeBatch,
  encodePut,
  encodeRange,
  OperationCursor,
  type Put,
  putOperationBytes,
  rangeRecord,
} from '../../../../native-free-lsm/log/write-operation.ts';
import { put, shown } from './log-support.ts';

const arbitraryPut = fc
  .record({
    key: fc.uint8Array({ maxLength: 300 }),
    value: fc.uint8Array({ maxLength: 50 }),
    timestamp: fc.maxSafeNat(),
    expiryMs: fc.maxSafeNat(),
    tombstone: fc.boolean(),
  })
  .map(
    ({ key, value, ...fields }): Put => ({
      key,
      record: encodeRecord({ ...fields, writer: 1, from: 2 }, value),
    }),
  );

function read(bytes: Uint8Array, start: number, end: number): string[] {
  const cursor = new OperationCursor();
  cursor.reset(bytes, start, end);
  const puts: string[] = [];
  while (cursor.next()) {
    const key = bytes.subarray(cursor.keyStart, cursor.keyEnd);
    puts.push(shown({ key, record: bytes.subarray(cursor.recordStart, cursor.recordEnd) }));
  }
  return puts;
}

test('puts and batches come back as they were encoded, over memory that was not zero', () => {
  fc.assert(
    fc.property(arbitraryPut, fc.array(arbitraryPut, { maxLength: 5 }), fc.nat(16), (one, many, at) => {
      const single = new Uint8Array(at + putOperationBytes(one.key.length, one.record.length)).fill(0xff);
      encodePut(single, at, one.key, one.record);
      assert.deepEqual(read(single, at, single.length), [shown(one)]);
      const batch = new Uint8Array(at + batchOperationBytes(many)).fill(0xff);
      encodeBatch(batch, at, many);
      assert.deepEqual(read(batch, at, batch.length), many.map(shown));
    }),
  );
});

test('range tombstones come back as they were encoded, and stay what they are when they are dropped', () => {
  for (const end of [null, 'b', 'a\0', 'k'.repeat(0xffff)]) {
    const start = Buffer.from('a');
    const record = rangeRecord(7, end === null ? null : Buffer.from(end));
    const bytes = new Uint8Array(putOperationBytes(start.length, record.length));
    encodeRange(bytes, 0, start, record);
    const cursor = new OperationCursor();
    cursor.reset(bytes, 0, bytes.length);
    assert.ok(cursor.next() && cursor.isRange);
    assert.equal(recordTimestamp(bytes, cursor.recordStart), 7);
    const at = cursor.rangeEndStart;
    const found = at < 0 ? null : Buffer.from(bytes.subarray(at, cursor.recordEnd)).toString();
    assert.equal(found, end);
    cursor.drop();
    cursor.reset(bytes, 0, bytes.length);
    assert.ok(!cursor.next());
  }
});

test('what is no range tombstone is refused, and one is no put', () => {
  const start = Buffer.from('b');
  const encoded = (record: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(putOperationBytes(start.length, record.length));
    encodeRange(bytes, 0, start, record);
    return bytes;
  };
  const faults: [Uint8Array, RegExp][] = [
    [rangeRecord(7, Buffer.from('b')), /does not end behind its start/],
    [rangeRecord(7, Buffer.from('a')), /does not end behind its start/],
    [rangeRecord(7, null).subarray(0, 16), /does not say whether it has an end/],
    [Buffer.concat([rangeRecord(7, null), Buffer.of(1)]), /without an end has one/],
    [Buffer.concat([rangeRecord(7, null).subarray(0, 16), Buffer.of(2)]), /does not say whether/],
    [rangeRecord(7, Buffer.alloc(0x10000, 'c')), /too long for a key/],
  ];
  for (const [record, message] of faults) {
    const bytes = encoded(record);
    assert.throws(() => read(bytes, 0, bytes.length), { code: 'INVALID_ARGUMENT', message });
  }
});

test('the longest key', () => {
  const long = put('k'.repeat(0xffff), 'v');
  const bytes = new Uint8Array(putOperationBytes(long.key.length, long.record.length));
  encodePut(bytes, 0, long.key, long.record);
  assert.deepEqual(read(bytes, 0, bytes.length), [shown(long)]);
});

test('every truncation and every surplus byte is refused', () => {
  const puts = [put('a', '1'), put('bb', '22')];
  const batch = new Uint8Array(batchOperationBytes(puts));
  encodeBatch(batch, 0, puts);
  const single = new Uint8Array(putOperationBytes(1, puts[0].record.length));
  encodePut(single, 0, puts[0].key, puts[0].record);
  for (const whole of [batch, single]) {
    const longer = Buffer.concat([whole, Buffer.alloc(1)]);
    for (let length = 0; length <= longer.length; length++) {
      if (length === whole.length) continue;
      assert.throws(() => read(longer, 0, length), { code: 'INVALID_ARGUMENT' }, `length ${length}`);
    }
  }
});

test('unknown operations and records are refused', () => {
  const bytes = new Uint8Array(putOperationBytes(1, 17));
  const one = put('a', '1');
  const changed = (at: number, byte: number): void => {
    encodePut(bytes, 0, one.key, one.record);
    bytes[at] = byte;
    read(bytes, 0, bytes.length);
  };
  const later = { code: 'UNSUPPORTED_FORMAT' };
  assert.throws(() => changed(0, 3), { ...later, message: /operation 3/ });
  assert.throws(() => changed(0, 255), later);
  assert.throws(() => changed(9, 99), { ...later, message: /record format 99 is unknown/ });
  assert.throws(() => changed(10, 4), { ...later, message: /record flags 4/ });
  assert.throws(() => changed(1, 2), { ...later, message: /flags 2 of a put/ });
  // What no version writes.
  for (const at of [0, 9]) assert.throws(() => changed(at, 0), { code: 'INVALID_ARGUMENT' });
});

test('conditions are come to before the puts, or passed over, and nothing of them is ever taken for a put', () => {
  const puts = [put('a', '1'), put('bb', '22')];
  const conditions = [
    { key: Buffer.from('a'), record: conditionRecord(0, 5) },
    { key: Buffer.from(''), record: conditionRecord(Number.MAX_SAFE_INTEGER, 2 ** 40) },
  ];
  const batch = new Uint8Array(batchOperationBytes(puts, conditions));
  encodeBatch(batch, 0, puts, conditions);
  assert.deepEqual(read(batch, 0, batch.length), puts.map(shown));
  const cursor = new OperationCursor();
  cursor.reset(batch, 0, batch.length);
  assert.equal(cursor.conditions, 2);
  const found: [string, number, number][] = [];
  while (cursor.nextCondition()) {
    const key = Buffer.from(batch.subarray(cursor.keyStart, cursor.keyEnd)).toString();
    found.push([key, cursor.conditionTimestamp, cursor.conditionNowMs]);
  }
  assert.deepEqual(found, [
    ['a', 0, 5],
    ['', Number.MAX_SAFE_INTEGER, 2 ** 40],
  ]);
  assert.ok(cursor.next());
  cursor.drop();
  assert.deepEqual(read(batch, 0, batch.length), [shown(puts[1])]);
  for (let length = 0; length < batch.length; length++)
    assert.throws(() => read(batch, 0, length), { code: 'INVALID_ARGUMENT' }, `length ${length}`);
  const changed = (at: number, byte: number): void => {
    const bytes = batch.slice();
    bytes[at] = byte;
    read(bytes, 0, bytes.length);
  };
  // One condition less, one more, more than entries; a put in place of a condition; other lengths and times.
  for (const [at, byte] of [
    [2, 1],
    [2, 3],
    [3, 1],
    [10, 0],
    [12, 15],
    [24, 1],
    [23, 0x20],
    [32, 1],
  ])
    assert.throws(() => changed(at, byte), { code: 'INVALID_ARGUMENT' }, `byte ${at}`);
});

test('a dropped put is passed over from then on', () => {
  const puts = [put('a', '1'), put('bb', '22'), put('c', '3')];
  const batch = new Uint8Array(batchOperationBytes(puts));
  const single = new Uint8Array(putOperationBytes(1, puts[0].record.length));
  for (const dropped of [[0], [1], [2], [0, 1], [0, 1, 2]]) {
    encodeBatch(batch, 0, puts);
    const cursor = new OperationCursor();
    cursor.reset(batch, 0, batch.length);
    for (let i = 0; cursor.next(); i++) if (dropped.includes(i)) cursor.drop();
    const left = puts.filter((_, i) => !dropped.includes(i));
    assert.deepEqual(read(batch, 0, batch.length), left.map(shown));
  }
  encodePut(single, 0, puts[0].key, puts[0].record);
  const cursor = new OperationCursor();
  cursor.reset(single, 0, single.length);
  assert.ok(cursor.next());
  cursor.drop();
  assert.deepEqual(read(single, 0, single.length), []);
});

const REFUSALS = ['INVALID_ARGUMENT', 'UNSUPPORTED_FORMAT'];

test('random bytes give an error of the engine or puts inside the range, and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(1, 2), (bytes, operation) => {
      if (bytes.length > 0) bytes[0] = operation;
      try {
        read(bytes, 0, bytes.length);
      } catch (error) {
        assert.ok(error instanceof LsmError && REFUSALS.includes(error.code));
      }
    }),
    { numRuns: 1000 },
  );
});
