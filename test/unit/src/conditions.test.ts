import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Conditions } from '../../../src/conditions.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';

function conditions() {
  const clock = new FakeClock();
  const said: string[] = [];
  const log = {
    info: (line: string) => said.push(`info ${line}`),
    error: (line: string) => said.push(`error ${line}`),
  };
  return { clock, said, raised: new Conditions({ clock, log }) };
}

test('a condition is said once when it begins and once when it ends', () => {
  const { raised, said } = conditions();
  raised.raise('NO_SPACE', 'The disk is full', true);
  raised.raise('NO_SPACE', 'The disk is still full', true);
  raised.clear('NO_SPACE', 'There is room again');
  raised.clear('NO_SPACE', 'There is room again');
  assert.deepEqual(said, ['error The disk is full', 'info There is room again']);
  assert.deepEqual(raised.list(), []);
});

test('raised again it takes the new words and keeps its time', () => {
  const { clock, raised } = conditions();
  const sinceMs = clock.nowMs();
  raised.raise('NO_SPACE', 'The disk is full', true);
  clock.advance(5_000);
  raised.raise('NO_SPACE', 'The disk is still full', true);
  assert.deepEqual(raised.list(), [
    { code: 'NO_SPACE', message: 'The disk is still full', sinceMs, stopsWrites: true },
  ]);
});
