import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkKept } from '../../../../../src/simulation/checks/kept.ts';
import type { StoredRecord } from '../../../../../src/simulation/history.ts';
import { disksWith } from '../../../../support/histories.ts';

const LATEST_MS = 1_000;
const DELETION = { timestamp: 7, isTombstone: true };

/** What is said of a machine that had one record, and has another or none now; empty: nothing. */
function harm(before: Partial<StoredRecord>, after: Partial<StoredRecord> | null, settled: number): string {
  const [violation] = checkKept(disksWith(before), disksWith(after), new Map([['k', settled]]), LATEST_MS);
  return violation?.sentence ?? '';
}

describe('a purge takes only what may go', () => {
  test('a deletion goes once it is settled, and no sooner', () => {
    assert.equal(harm(DELETION, null, 7), '');
    assert.equal(
      harm(DELETION, null, 6),
      'n1 had version 7 of k, of which up to 6 is settled, and after a purge it is gone',
    );
    assert.equal(harm(DELETION, DELETION, 6), '');
  });

  test('a value that has expired goes as a deletion does, and becomes one', () => {
    const expired = { timestamp: 7, expiryMs: LATEST_MS };
    assert.equal(harm(expired, null, 7), '');
    assert.match(harm(expired, null, 6), /it is gone$/);
    assert.equal(harm(expired, DELETION, 6), '');
  });

  test('a value stays until it expires, and one that does not expire for ever, settled or not', () => {
    const mortal = { timestamp: 7, expiryMs: LATEST_MS + 1 };
    assert.match(harm(mortal, null, 9), /gone before its time/);
    assert.match(harm(mortal, DELETION, 9), /counts as deleted/);
    assert.match(harm({ timestamp: 7 }, null, 9), /it is gone$/);
    assert.match(harm({ timestamp: 7 }, DELETION, 9), /counts as deleted/);
    assert.equal(harm(mortal, mortal, 9), '');
  });

  test('a newer version may have come, and no older one', () => {
    assert.equal(harm({ timestamp: 7 }, { timestamp: 8, isTombstone: true }, 0), '');
    assert.match(harm(DELETION, { timestamp: 6 }, 9), /it has the older version 6/);
  });

  test('who cannot tell what it has may have it', () => {
    const [state] = disksWith(null);
    assert.deepEqual(checkKept(disksWith(DELETION), [{ ...state, records: null }], new Map(), LATEST_MS), []);
  });
});
