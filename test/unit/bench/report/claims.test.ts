import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { evaluate, judge, parseClaim, parseExpression } from '../../../../bench/report/claims.ts';

const FIGURES = new Map([
  ['put.parallel.rate', 10_500],
  ['put.sequential.rate', 8_000],
  ['fan-out.unicast.p99Ms', 4],
]);

function verdictOf(text: string) {
  return judge(parseClaim(text), FIGURES);
}

describe('a claim', () => {
  for (const [text, holds] of [
    ['put.parallel.rate > put.sequential.rate', true],
    ['put.parallel.rate < put.sequential.rate', false],
    ['put.parallel.rate >= 10500', true],
    ['put.parallel.rate <= 10500', true],
    ['put.parallel.rate > 10500', false],
    ['put.parallel.rate < 10500', false],
    ['put.parallel.rate > 1.3 * put.sequential.rate', true],
    ['put.parallel.rate > 1.4 * put.sequential.rate', false],
    ['put.parallel.rate / put.sequential.rate > 1.31', true],
    ['put.parallel.rate / put.sequential.rate / 2 < 1', true],
    ['put.parallel.rate ~ put.sequential.rate within 24 %', true],
    ['put.sequential.rate ~ put.parallel.rate within 24 %', true],
    ['put.parallel.rate ~ put.sequential.rate within 23%', false],
    ['fan-out.unicast.p99Ms>3.5', true],
  ] as const) {
    test(`${text}: ${holds ? 'holds' : 'does not hold'}`, () => {
      const verdict = verdictOf(text);
      assert.ok('holds' in verdict);
      assert.equal(verdict.holds, holds);
    });
  }

  test('tells the values of both sides', () => {
    assert.deepEqual(verdictOf('put.parallel.rate > 2 * put.sequential.rate'), {
      holds: false,
      left: 10_500,
      right: 16_000,
    });
  });

  test('about figures that were not measured is neither true nor false', () => {
    assert.deepEqual(verdictOf('put.hedged.rate > put.sequential.rate * get.hedged.rate'), {
      missing: ['put.hedged.rate', 'get.hedged.rate'],
    });
  });

  for (const [text, message] of [
    ['put.parallel.rate', /expected < or > or <= or >= or ~ instead of the end/],
    ['put.parallel.rate >', /expected a figure or a number instead of the end/],
    ['> put.parallel.rate', /expected a figure or a number instead of >/],
    ['a > b c', /expected nothing more instead of c/],
    ['a ~ b', /expected within instead of the end/],
    ['a ~ b within 5', /expected % instead of the end/],
    ['a = b', /"= b" is no part of a claim/],
    ['a..b > c', /"\.\.b > c" is no part of a claim/],
    ['', /expected a figure or a number instead of the end/],
  ] as const) {
    test(`"${text}" is none`, () => {
      assert.throws(() => parseClaim(text), { message });
    });
  }
});

test('an expression goes from left to right, and is not a number without its figures', () => {
  const of = (text: string): number => evaluate(parseExpression(text), FIGURES);
  assert.equal(of('8 / 2 * 4'), 16);
  assert.equal(of('put.sequential.rate / 1000'), 8);
  assert.equal(of('get.rate * 0'), Number.NaN);
});
