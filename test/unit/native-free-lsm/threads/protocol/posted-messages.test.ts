import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LsmError } from '../../../../../native-free-lsm/errors.ts';
import {
  decodeJobAnswer,
  encodeJobFailure,
} from '../../../../../native-free-lsm/threads/protocol/posted-messages.ts';

test('the result of a job comes through, and its error with the code that cloning would lose', () => {
  const result = { tables: [], damaged: [] };
  assert.deepEqual(decodeJobAnswer(structuredClone(result)), result);
  const failure = structuredClone(encodeJobFailure(new LsmError('NO_SPACE', 'the disk is full')));
  assert.throws(() => decodeJobAnswer(failure), { code: 'NO_SPACE', message: 'the disk is full' });
});
