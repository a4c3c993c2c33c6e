import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Candidate, logOfFraction } from '../../../../src/cluster/rendezvous.ts';

const LARGEST = 0xffff_ffff;
const drawn = fc.integer({ min: 0, max: LARGEST });

test('the logarithm is that of Math.log, but for the last bits', () => {
  fc.assert(
    fc.property(drawn, (value) => {
      const expected = Math.log((value + 0.5) / 2 ** 32);
      assert.ok(
        Math.abs(logOfFraction(value) - expected) < 1e-14,
        `${logOfFraction(value)}, not ${expected}`,
      );
    }),
    { numRuns: 2000 },
  );
});

test('the logarithm rises with every step and stays below 0', () => {
  const rises = (value: number): void =>
    assert.ok(logOfFraction(value) < logOfFraction(value + 1), `at ${value}`);
  fc.assert(fc.property(fc.integer({ min: 0, max: LARGEST - 1 }), rises), { numRuns: 2000 });
  for (let power = 0; power < 32; power++) {
    for (const around of [-2, -1, 0, 1]) {
      const value = 2 ** power + around;
      if (value >= 0) rises(value);
    }
  }
  rises(LARGEST - 1);
  assert.ok(logOfFraction(LARGEST) < 0);
});

test('equal weights give the same order whether or not they count', () => {
  const names = Array.from({ length: 12 }, (_, i) => `node-${i}`);
  const order = (weighted: boolean, slot: number): string[] => {
    const scores = new Map(names.map((name) => [name, new Candidate(name, 3, weighted).score(slot)]));
    return names.toSorted((a, b) => scores.get(b)! - scores.get(a)!);
  };
  for (let slot = 0; slot < 500; slot++) assert.deepEqual(order(true, slot), order(false, slot));
});
