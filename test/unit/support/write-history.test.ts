import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WriteEnd, WriteHistory } from '../../support/write-history.ts';

const { acknowledged, refused, unknown } = WriteEnd;

type Step =
  | readonly ['write', string | null, number, number, WriteEnd]
  | readonly ['read', string | null, number];

function faultOf(...steps: readonly Step[]): string {
  const history = new WriteHistory('k');
  for (const step of steps) {
    if (step[0] === 'read') history.read(step[1], step[2]);
    else history.write(step[1], step[2])(step[4], step[3]);
  }
  return history.fault() ?? '';
}

test('what can be true is', () => {
  assert.equal(faultOf(['read', null, 1]), '');
  assert.equal(faultOf(['write', 'a', 1, 2, acknowledged], ['read', 'a', 3]), '');
  const both: Step[] = [
    ['write', 'a', 1, 5, acknowledged],
    ['write', 'b', 4, 8, acknowledged],
  ];
  assert.equal(faultOf(...both, ['read', 'a', 9], ['read', 'a', 10]), '', 'at one time either may win');
  assert.equal(faultOf(...both, ['read', 'a', 6], ['read', 'b', 9]), '', 'and the other be read before');
  const failed: Step[] = [
    ['write', 'a', 1, 2, unknown],
    ['write', 'b', 3, 4, acknowledged],
  ];
  assert.equal(faultOf(...failed, ['read', 'a', 5]), '', 'what failed may be stored late');
  assert.equal(faultOf(...failed, ['read', 'b', 5]), '');
  const deleted: Step[] = [
    ['write', 'a', 1, 2, acknowledged],
    ['write', null, 3, 4, acknowledged],
    ['write', 'b', 5, 6, acknowledged],
    ['write', null, 5, 7, acknowledged],
  ];
  assert.equal(faultOf(...deleted, ['read', null, 8]), '');
});

test('an acknowledged write that loses to an earlier one is found, whether that is a value or a deletion', () => {
  const steps: Step[] = [
    ['write', 'a', 1, 2, acknowledged],
    ['write', 'b', 3, 4, acknowledged],
  ];
  assert.match(faultOf(...steps, ['read', 'a', 5]), /^k: a was read .* though b, .* acknowledged at 4/);
  assert.match(faultOf(...steps, ['read', null, 5]), /null was read/);
  assert.equal(faultOf(...steps, ['read', 'a', 4]), '', 'the read may have been earlier');
  const deletion: Step[] = [
    ['write', 'a', 1, 2, acknowledged],
    ['write', null, 3, 4, acknowledged],
  ];
  assert.match(faultOf(...deletion, ['read', 'a', 5]), /a was read .* though null/);
});

test('what was refused, or never written, is not read', () => {
  assert.match(faultOf(['write', 'a', 1, 2, refused], ['read', 'a', 9]), /its write was refused/);
  assert.match(faultOf(['read', 'x', 9]), /never written/);
});

test('reads that cannot agree on which of two writes won are found', () => {
  const steps: Step[] = [
    ['write', 'a', 1, 5, acknowledged],
    ['write', 'b', 4, 8, acknowledged],
  ];
  assert.match(faultOf(...steps, ['read', 'a', 9], ['read', 'b', 10]), /both had been acknowledged/);
  assert.match(
    faultOf(...steps, ['read', 'a', 6], ['read', 'b', 9], ['read', 'a', 10]),
    /both had been acknowledged/,
  );
});
