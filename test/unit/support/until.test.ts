import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { takesLessThan } from '../../support/until.ts';

test('one quick try of several is enough, and none is not', async () => {
  let tries = 0;
  await takesLessThan(20, async () => {
    if (++tries < 3) await delay(21);
  });
  assert.ok(tries >= 3 && tries < 10, `${tries} tries`);
  await assert.rejects(
    takesLessThan(1, () => delay(2)),
    /^Error: it took \d+ ms and more, not less than 1$/,
  );
});
