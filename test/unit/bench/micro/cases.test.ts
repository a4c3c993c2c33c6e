import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadCases } from '../../../../bench/micro/load-cases.ts';
import { measure } from '../../../../bench/micro/measure.ts';
import { requireExpected } from '../../../../bench/micro/micro-case.ts';

const found = await loadCases();

describe('every case does its work', () => {
  for (const { microCase } of found) {
    test(microCase.name, () => {
      const { operations, prepare } = microCase;
      assert.ok(Number.isSafeInteger(operations) && operations > 0);
      const first = prepare();
      const second = prepare();
      assert.ok(Number.isFinite(first.expected));
      assert.equal(second.expected, first.expected, 'the inputs differ from one preparation to the next');
      // Twice: a run leaves everything as it found it.
      assert.equal(first.run(), first.expected);
      assert.equal(first.run(), first.expected);
      assert.equal(second.run(), first.expected);
    });
  }
});

test('the cases cover what a request goes through', () => {
  const subjects = new Set(found.map(({ microCase }) => microCase.name.split(':')[0]));
  assert.deepEqual([...subjects].sort(), [
    'Bloom filter',
    'RPC',
    'accumulator',
    'block',
    'block cache',
    'calls',
    'checksum',
    'hash',
    'memtable',
    'merge',
    'page of entries',
    'placement',
    'record',
    'response accumulator',
    'ring',
    'scan',
    'table index',
    'table writer',
    'varint',
    'write operation',
  ]);
});

test('a case that returns another result is not measured', () => {
  assert.throws(() => requireExpected('a: b', 1, 2), /a: b: came to 1 instead of 2/);
  let runs = 0;
  const wrong = { name: 'a: b', operations: 1, prepare: () => ({ run: () => ++runs, expected: 1 }) };
  assert.throws(() => measure(wrong, 1), /came to 2 instead of 1/);
});

test('a measurement is of operations, not of runs', () => {
  const ofSize = (operations: number) => ({
    name: 'sum: an operation',
    operations,
    prepare: () => ({
      run: () => {
        let sum = 0;
        for (let i = 0; i < 10_000; i++) sum += i;
        return sum;
      },
      expected: (10_000 * 9_999) / 2,
    }),
  });
  const { nsPerOperation, samples } = measure(ofSize(10_000), 5);
  assert.ok(nsPerOperation > 0 && samples >= 5);
  // The same run said to be of a ten thousandth as many operations.
  assert.ok(measure(ofSize(1), 5).nsPerOperation > 100 * nsPerOperation);
});
