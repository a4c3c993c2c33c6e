import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compareRecordVersions,
  encodeRecord,
  isTombstone,
  recordFrom,
  recordTimestamp,
  recordWriter,
  timestampAt,
} from '../../../native-free-lsm/index.ts';
import { BurialTime, freshDeletion, freshMsOf, lifeOf, writerIdOf } from '../../../src/expiry.ts';

const EXPIRY_MS = Date.UTC(2026, 0, 1);
const FRESH_MS = 2_000;
const EXPIRY_2025_MS = Date.UTC(2025, 0, 1);

function record(expiryMs: number, tombstone = false, writer = 6): Uint8Array {
  return encodeRecord({ timestamp: 77, writer, from: 3, tombstone, expiryMs }, Buffer.from('v'));
}

test('a value lives until own time has come to its expiry, and one without for ever', () => {
  assert.equal(lifeOf(record(EXPIRY_MS), EXPIRY_MS - 300), 300);
  assert.equal(lifeOf(record(EXPIRY_MS), EXPIRY_MS), 0);
  assert.equal(lifeOf(record(EXPIRY_MS), EXPIRY_MS + 1), 0);
  assert.equal(lifeOf(record(0), EXPIRY_MS), Number.POSITIVE_INFINITY);
  assert.equal(lifeOf(record(0, true), 0), 0);
});

test('no node lets a value live longer than it was given', () => {
  const written = timestampAt(EXPIRY_2025_MS - 500);
  const fields = { timestamp: written, writer: 6, from: 3, tombstone: false, expiryMs: EXPIRY_2025_MS };
  assert.equal(lifeOf(encodeRecord(fields, Buffer.from('v')), 0), 500);
});

test('the deletion of a value that has just expired is directly behind it, and hides no other write', () => {
  const value = record(EXPIRY_MS);
  const deletion = freshDeletion(value, EXPIRY_MS + 5, FRESH_MS);
  assert.ok(deletion !== null && isTombstone(deletion, 0));
  assert.deepEqual(
    [recordTimestamp(deletion, 0), recordWriter(deletion, 0), recordFrom(deletion, 0)],
    [77, 7, 3],
  );
  assert.ok(compareRecordVersions(deletion, 0, value, 0) > 0);
  // The next writer that may have issued the same timestamp.
  assert.ok(compareRecordVersions(record(0, false, writerIdOf('00000008')), 0, deletion, 0) > 0);
});

test('before it has expired, and once it is gone for all, nothing takes its place', () => {
  const value = record(EXPIRY_MS);
  assert.equal(freshDeletion(value, EXPIRY_MS - 1, FRESH_MS), null);
  assert.notEqual(freshDeletion(value, EXPIRY_MS, FRESH_MS), null);
  assert.notEqual(freshDeletion(value, EXPIRY_MS + FRESH_MS - 1, FRESH_MS), null);
  assert.equal(freshDeletion(value, EXPIRY_MS + FRESH_MS, FRESH_MS), null);
  assert.equal(freshDeletion(record(0), EXPIRY_MS, FRESH_MS), null);
  assert.equal(freshDeletion(record(0, true), EXPIRY_MS, FRESH_MS), null);
});

test("no node's own number is that of a deletion, nor above 31 bits", () => {
  for (const incarnation of ['ffffffff-', '00000001-', '80000001-', '7fffffff-']) {
    const writer = writerIdOf(incarnation);
    assert.equal(writer & 1, 0);
    assert.ok(writer >= 0 && writer <= 0x7fff_fffe);
  }
});

test('a node alone agrees with itself', () => {
  assert.equal(freshMsOf(1, 500), 0);
  assert.ok(freshMsOf(2, 500) >= 2 * 500);
});

test('an engine buries what has expired for all nodes, and nothing before the time is known', () => {
  const burial = new BurialTime();
  assert.equal(burial.nowMs(), 0);
  let ownMs = 0;
  burial.follow({ nowMs: () => ownMs }, FRESH_MS);
  assert.equal(burial.nowMs(), 0);
  ownMs = EXPIRY_MS + FRESH_MS - 1;
  assert.ok(burial.nowMs() < EXPIRY_MS);
  ownMs = EXPIRY_MS + FRESH_MS;
  assert.equal(burial.nowMs(), EXPIRY_MS);
});
