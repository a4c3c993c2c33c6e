import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WriteStatus } from '../../../native-free-lsm/index.ts';
import { PendingCalls } from '../../../native-free-lsm/pending-calls.ts';

const lengthOf = (record: Uint8Array | null): number | undefined => record?.length;

test('a call that is answered before it returns has its result, and so has one that is answered later', async () => {
  const calls = new PendingCalls(lengthOf);
  const first = calls.begin();
  calls.onRead(first, new Uint8Array(3), null);
  const at = calls.result(first);
  const later = calls.begin();
  const late = calls.result(later);
  const second = calls.begin();
  calls.onRead(second, null, null);
  assert.equal(await calls.result(second), undefined);
  calls.onRead(later, new Uint8Array(7), null);
  assert.equal(await at, 3);
  assert.equal(await late, 7);
});

test('failures reject the promise of their call and of no other', async () => {
  const calls = new PendingCalls(lengthOf);
  const error = new Error('no');
  const first = calls.begin();
  calls.onRead(first, null, error);
  await assert.rejects(calls.result(first), error);
  const tokens = [0, 1, 2].map(() => {
    const token = calls.begin();
    return { token, result: calls.result(token) };
  });
  calls.onWrite(tokens[1].token, WriteStatus.failed, 0, 0, error);
  calls.onWrite(tokens[2].token, WriteStatus.applied, 0, 0, null);
  calls.onWrite(tokens[0].token, WriteStatus.failed, 0, 0, null);
  await assert.rejects(tokens[0].result, { code: 'IO_ERROR' });
  await assert.rejects(tokens[1].result, error);
  assert.equal(await tokens[2].result, undefined);
});

test('calls in any number are each answered with their own result, in whatever order', async () => {
  const calls = new PendingCalls(lengthOf);
  for (const count of [1, 100, 3000]) {
    const asked = Array.from({ length: count }, (_, i) => {
      const token = calls.begin();
      return { token, length: i, result: calls.result(token) };
    });
    for (const { token, length } of asked.toSorted((a, b) => ((a.length * 7) % 11) - ((b.length * 7) % 11)))
      calls.onRead(token, new Uint8Array(length), null);
    assert.deepEqual(
      await Promise.all(asked.map(({ result }) => result)),
      asked.map(({ length }) => length),
    );
  }
});
