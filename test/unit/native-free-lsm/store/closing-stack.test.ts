import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClosingStack } from '../../../../native-free-lsm/store/closing-stack.ts';

test('what was opened last is closed first, each after the one before it has closed, and once', async () => {
  const closed: string[] = [];
  const opened = new ClosingStack();
  opened.defer(() => void closed.push('lock'));
  opened.defer(async () => {
    closed.push('threads');
    await Promise.resolve();
    closed.push('threads ended');
  });
  assert.equal(opened.isClosing, false);
  const closing = opened[Symbol.asyncDispose]();
  assert.equal(opened.isClosing, true);
  await closing;
  await opened[Symbol.asyncDispose]();
  assert.deepEqual(closed, ['threads', 'threads ended', 'lock']);
});

test('all is closed when some fail, and all failures are told', async () => {
  const closed: string[] = [];
  const opened = new ClosingStack();
  opened.defer(() => void closed.push('lock'));
  opened.defer(() => Promise.reject(new Error('manifest')));
  await assert.rejects(opened[Symbol.asyncDispose](), /^Error: manifest$/);
  assert.deepEqual(closed, ['lock']);

  opened.defer(() => Promise.reject(new Error('first')));
  opened.defer(() => {
    throw new Error('second');
  });
  await assert.rejects(opened[Symbol.asyncDispose](), (error: AggregateError) => {
    assert.deepEqual(error.errors.map(String), ['Error: second', 'Error: first']);
    return error.message === 'Error: second; Error: first';
  });
});
