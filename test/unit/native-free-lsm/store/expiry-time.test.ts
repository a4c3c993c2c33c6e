/** By which time values expire when they are written anew. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRecord, isTombstone, RecordStore } from '../../../../native-free-lsm/index.ts';
import { InlineExecutor, MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { readRecord, writeRecordTo } from '../../../support/engine-calls.ts';
import { TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEY = Buffer.from('key');
const EXPIRY_MS = Date.UTC(2025, 6, 1);

/** Whether a value that ends at EXPIRY_MS is a deletion once it is in a table. */
async function isBuried(wallMs: number, expiryNowMs: (() => number) | undefined): Promise<boolean> {
  const clock = new FakeClock(wallMs);
  const store = RecordStore.open('/db', TINY_OPTIONS, {
    fs: new MemoryFileSystem(),
    clock,
    executor: (context) => new InlineExecutor(context),
    ...(expiryNowMs !== undefined && { expiryNowMs }),
  });
  let isDone = false;
  const judged = (async () => {
    const fields = { timestamp: 5, writer: 2, tombstone: false, from: 3, expiryMs: EXPIRY_MS };
    await writeRecordTo(store, KEY, encodeRecord(fields, Buffer.from('value')));
    await store.flush();
    const held = await readRecord(store, KEY);
    await store.close();
    return held === null || isTombstone(held, 0);
  })().finally(() => {
    isDone = true;
  });
  while (!isDone) {
    clock.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return judged;
}

test('a value is kept, or becomes a deletion, by the time that its owner gives, whatever the wall clock shows', async () => {
  const before = EXPIRY_MS - 1_000_000;
  const after = EXPIRY_MS + 1_000_000;
  assert.equal(await isBuried(after, () => before), false);
  assert.equal(await isBuried(before, () => EXPIRY_MS), true);
  assert.equal(await isBuried(before, () => EXPIRY_MS - 1), false);
});

test('without a time of its own it is what the clock shows', async () => {
  assert.equal(await isBuried(EXPIRY_MS - 1_000_000, undefined), false);
  assert.equal(await isBuried(EXPIRY_MS, undefined), true);
});
