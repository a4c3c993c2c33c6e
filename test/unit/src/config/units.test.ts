import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  describeSize,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
} from '../../../../src/config/units.ts';

describe('sizes', () => {
  it('reads every unit, in either case, with or without a space', () => {
    const cases: [string, number][] = [
      ['0', 0],
      ['4096', 4096],
      ['1B', 1],
      ['64KiB', 65_536],
      ['64 kib', 65_536],
      [' 1MiB ', 1_048_576],
      ['1.5GiB', 1_610_612_736],
      ['2TiB', 2_199_023_255_552],
    ];
    for (const [text, bytes] of cases) {
      assert.equal(parseSize(text), bytes, text);
    }
  });

  it('refuses text that is no whole number of bytes, or no size, and says what is expected', () => {
    for (const text of ['', 'x', '-1', '1.5', '1.0001KiB', '1KB', '1e3', '1 Mi B', '.5KiB', '99999999TiB']) {
      assert.throws(() => parseSize(text), { code: 'INVALID_CONFIG', message: /64KiB/ }, text);
    }
  });

  it('writes what it reads', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.constantFrom(1, 2 ** 10, 2 ** 20), (count, scale) => {
        const bytes = Math.floor(count / scale) * scale;
        assert.equal(parseSize(formatSize(bytes)), bytes);
      }),
    );
    assert.equal(formatSize(2 ** 20), '1MiB');
    assert.equal(formatSize(0), '0B');
  });

  it('is described in three digits at most', () => {
    const cases: [number, string][] = [
      [0, '0B'],
      [999, '999B'],
      [1000, '0.977KiB'],
      [1024, '1KiB'],
      [1300, '1.27KiB'],
      [1_023_900, '0.976MiB'],
      [5 * 2 ** 30, '5GiB'],
      [123_456_789, '118MiB'],
    ];
    for (const [bytes, text] of cases) {
      assert.equal(describeSize(bytes), text);
    }
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 49 }), (bytes) => {
        assert.match(describeSize(bytes), /^(\d{1,3}|0\.\d{1,3}|\d\.\d{1,2}|\d\d\.\d)(B|[KMGT]iB)$/);
      }),
    );
  });
});

describe('durations', () => {
  it('reads every unit', () => {
    const cases: [string, number][] = [
      ['500ms', 500],
      ['1s', 1_000],
      ['1.5s', 1_500],
      ['2m', 120_000],
      ['1 h', 3_600_000],
      ['0ms', 0],
    ];
    for (const [text, durationMs] of cases) {
      assert.equal(parseDuration(text), durationMs, text);
    }
  });

  it('reads 0 without a unit, as many a help says `0: off`', () => {
    for (const text of ['0', ' 0 ', '0.0', '0s', '0 h']) assert.equal(parseDuration(text), 0, text);
  });

  it('refuses a number without its unit, and fractions of a millisecond', () => {
    for (const text of ['', '1', '1.5ms', '-1s', '1d', 's']) {
      assert.throws(() => parseDuration(text), { code: 'INVALID_CONFIG', message: /500ms/ }, text);
    }
  });

  it('writes what it reads', () => {
    fc.assert(
      fc.property(fc.nat(), (durationMs) => {
        assert.equal(parseDuration(formatDuration(durationMs)), durationMs);
      }),
    );
    assert.equal(formatDuration(120_000), '2m');
  });
});
