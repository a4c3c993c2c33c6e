import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countsAsEmpty } from '../../../src/empty-folder.ts';

test('a folder with remains, or that of a new volume, counts as empty', () => {
  const remains = /^begun\.tmp$/;
  assert.ok(countsAsEmpty([], remains));
  assert.ok(countsAsEmpty(['begun.tmp', 'lost+found'], remains));
  for (const name of ['begun', 'begun.tmp2', 'xlost+found']) {
    assert.ok(!countsAsEmpty(['lost+found', name], remains), name);
  }
});
