import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StrangerLog } from '../../../src/stranger-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { KeptLog } from '../../support/rpc-nodes.ts';

test('one line a kind and minute, and how many there were meanwhile', () => {
  const clock = new FakeClock();
  const log = new KeptLog();
  const strangers = new StrangerLog<'noise' | 'proof'>(log, clock);
  for (let i = 0; i < 1_000; i++) strangers.warn('noise', `noise ${i}`);
  strangers.warn('proof', 'a wrong proof');
  clock.advance(59_999);
  strangers.warn('noise', 'too soon');
  clock.advance(1);
  strangers.warn('noise', 'again');
  strangers.warn('proof', 'another');
  assert.deepEqual(log.lines, [
    'warn noise 0',
    'warn a wrong proof',
    'warn again (and 1000 more since the last such message)',
    'warn another',
  ]);
});
