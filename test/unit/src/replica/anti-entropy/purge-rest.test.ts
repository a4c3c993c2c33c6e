import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PurgeRest } from '../../../../../src/replica/anti-entropy/purge-rest.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';

test('the engine purges once, when no further slots are settled', () => {
  const clock = new FakeClock();
  let purges = 0;
  const rest = new PurgeRest(clock, () => purges++);
  for (let stretch = 0; stretch < 4; stretch++) {
    rest.settled();
    clock.advance(2_000);
  }
  assert.equal(purges, 0);
  clock.advance(1_000);
  assert.equal(purges, 1);
  clock.advance(60_000);
  assert.equal(purges, 1);
  rest.settled();
  clock.advance(3_000);
  assert.equal(purges, 2);
});

test('the engine purges every ten seconds while slots are settled without end', () => {
  const clock = new FakeClock();
  let purges = 0;
  const rest = new PurgeRest(clock, () => purges++);
  for (let round = 0; round < 20; round++) {
    rest.settled();
    clock.advance(1_500);
  }
  assert.equal(purges, 2);
});

test('a node that stops purges no more', () => {
  const clock = new FakeClock();
  let purges = 0;
  const rest = new PurgeRest(clock, () => purges++);
  rest.settled();
  rest.stop();
  clock.advance(10_000);
  assert.equal(purges, 0);
});
