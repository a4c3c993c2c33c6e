import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CommandError } from '../../../../../src/cli/exit-codes.ts';
import {
  columns,
  describeTimestamp,
  jsonBytes,
  parseKeyRange,
  parseLimit,
  shortKey,
  toJson,
} from '../../../../../src/cli/lsm/format.ts';
import { escapeBytes } from '../../../../../src/cli/range-format.ts';

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString();

describe('lsm formats', () => {
  test('a key range is read as it is written, either end left out', () => {
    const { start, end } = parseKeyRange('user:..user;');
    assert.deepEqual([text(start), text(end)], ['user:', 'user;']);
    assert.deepEqual(parseKeyRange('..'), { start: undefined, end: undefined });
    assert.deepEqual(Object.values(parseKeyRange('a..')).map(text), ['a', undefined]);
    assert.deepEqual(Object.values(parseKeyRange('..b')).map(text), [undefined, 'b']);
  });

  test('any key can be said in a range, as the dump shows it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (key) => {
        const said = escapeBytes(key).replaceAll('.', '\\x2e');
        assert.deepEqual(Buffer.from(parseKeyRange(`${said}..`).start ?? []), Buffer.from(key));
      }),
    );
  });

  test('what is no range or limit is refused with a sentence', () => {
    for (const wrong of ['', 'abc', 'a..b..c', 'a\\..', '\\q..', '\\x1..']) {
      assert.throws(
        () => parseKeyRange(wrong),
        (error) => error instanceof CommandError && /--keys/.test(error.message),
        wrong,
      );
    }
    for (const wrong of ['', '0', '-1', '1.5', 'ten', '1e3', '99999999999999999999']) {
      assert.throws(() => parseLimit(wrong), CommandError, wrong);
    }
    assert.equal(parseLimit('12'), 12);
  });

  test('JSON keeps every byte of keys and values', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const shown = JSON.parse(toJson({ key: Buffer.from(bytes) })).key;
        assert.deepEqual(shown, jsonBytes(bytes));
        const back = 'text' in shown ? Buffer.from(shown.text) : Buffer.from(shown.base64, 'base64');
        assert.deepEqual(back, Buffer.from(bytes));
      }),
    );
    assert.equal(toJson({ a: Uint8Array.of(0xff), b: [1] }), '{"a":{"base64":"/w=="},"b":[1]}');
  });

  test('times, keys and columns are for people', () => {
    assert.equal(describeTimestamp(undefined), '-');
    assert.equal(describeTimestamp(4096), '2024-01-01T00:00:00.001Z');
    assert.equal(describeTimestamp(4099), '2024-01-01T00:00:00.001Z+3');
    assert.match(describeTimestamp(Number.MAX_SAFE_INTEGER), /^\d{4}-/);
    assert.equal(shortKey(new Uint8Array(0)), "''");
    assert.equal(shortKey(Buffer.from('a'.repeat(50)), 8), 'aaaaaaa…');
    assert.equal(shortKey(Buffer.from('a\n')), 'a\\n');
    assert.equal(
      columns([
        ['name', 'size'],
        ['x', '7'],
        ['long', '1234'],
      ]),
      'name  size\nx        7\nlong  1234',
    );
  });
});
