import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkScanAtRest, checkScans } from '../../../../../src/simulation/checks/scans.ts';
import type { ScannedEntry, ScanObservation, StoredRecord } from '../../../../../src/simulation/history.ts';
import { disksWith, HistoryByHand, scanOf } from '../../../../support/histories.ts';

const EPOCH_MS = Date.UTC(2024, 0, 1);
const WORLD = { startMs: EPOCH_MS, driftMs: 100 };
const timestampOf = (ms: number): number => ms * 4096;
const EVERYWHERE = { ack: 3, from: 3 };

const entry = (readId: number, key = 'k'): ScannedEntry => ({ key, readId, fault: '' });

/** What is wrong with a scan after all that the run has. */
function faultsOf(run: HistoryByHand, scan: ScanObservation, position = 0): string[] {
  const history = { ...run.history, scans: [scan] };
  return checkScans(history, () => position, WORLD).map(({ sentence }) => sentence);
}

describe('scans show what a node has', () => {
  test('what all owners have written before is there, and nothing older', () => {
    const run = new HistoryByHand();
    run.put(1, EVERYWHERE);
    run.put(2, EVERYWHERE);
    assert.deepEqual(faultsOf(run, scanOf([entry(1)])), []);
    assert.match(faultsOf(run, scanOf([entry(0)]))[0], /is older than #1 PUT k/);
    assert.match(faultsOf(run, scanOf([]))[0], /does not show what #1 PUT k/);
    assert.deepEqual(faultsOf(run, scanOf([]), 3), [], 'a machine behind the owners has nothing');
    assert.deepEqual(faultsOf(run, scanOf([entry(0)], { calledAt: 2 })), [], 'both are under way');
    assert.deepEqual(faultsOf(run, scanOf([], { request: { key: 'l' } })), [], 'it begins behind the key');
    assert.deepEqual(faultsOf(run, scanOf([], { request: { endKey: 'k' } })), [], 'it ends before the key');
    run.lose(0);
    assert.deepEqual(faultsOf(run, scanOf([])), []);
  });

  test('of a write that not all owners have acknowledged, and of one that nobody heard of, nothing is known', () => {
    const run = new HistoryByHand();
    run.put(1, { ack: 2, from: 3 });
    const unknown = run.unknown();
    assert.deepEqual(faultsOf(run, scanOf([])), []);
    assert.deepEqual(faultsOf(run, scanOf([entry(unknown.request.id)])), []);
  });

  test('what is deleted is not there', () => {
    const run = new HistoryByHand();
    run.put(1, EVERYWHERE);
    run.delete(2, EVERYWHERE);
    assert.deepEqual(faultsOf(run, scanOf([])), []);
    assert.equal(faultsOf(run, scanOf([entry(0)])).length, 1);
    run.put(3, EVERYWHERE);
    assert.equal(faultsOf(run, scanOf([])).length, 1, 'a deletion hides nothing that is newer');
    run.unknown({ kind: 'DELETE' });
    assert.deepEqual(faultsOf(run, scanOf([])), [], 'and one of which nobody has heard may');
  });

  test('what has expired is not there, and what has not is', () => {
    const run = new HistoryByHand();
    run.put(timestampOf(500), { ...EVERYWHERE, ttlMs: 1_000 });
    for (const [calledAt, isThere, isRight] of [
      [1_300, false, false],
      [1_450, false, true],
      [1_450, true, true],
      [1_590, true, true],
      [1_610, true, false],
    ] as const)
      assert.equal(
        faultsOf(run, scanOf(isThere ? [entry(0)] : [], { calledAt })).length === 0,
        isRight,
        `${calledAt} ms`,
      );
  });

  test('a node whose own time is behind shows values for so much longer', () => {
    const run = new HistoryByHand();
    run.put(timestampOf(500), { ...EVERYWHERE, ttlMs: 1_000 });
    for (const [calledAt, isRight] of [
      [1_890, true],
      [1_910, false],
    ] as const) {
      const scan = { ...scanOf([entry(0)], { calledAt }), ownLagMs: 400 };
      assert.equal(faultsOf(run, scan).length === 0, isRight, `${calledAt} ms`);
    }
  });

  test('keys are in order, inside of it, and those of clients', () => {
    const run = new HistoryByHand();
    for (const entries of [
      [entry(-1, 'c'), entry(-1, 'b')],
      [entry(-1, 'b'), entry(-1, 'b')],
      [entry(-1, 'Z')],
      [entry(-1, 'y')],
      [{ ...entry(-1, 'b'), fault: '3 bytes that nobody wrote to b' }],
    ])
      assert.equal(
        faultsOf(run, scanOf(entries, { request: { endKey: 'x' } })).length,
        1,
        JSON.stringify(entries),
      );
    assert.deepEqual(faultsOf(run, scanOf([entry(-1, 'b'), entry(-1, 'c')])), []);
  });

  test('it ends, unless its node does; one that fails shows nothing', () => {
    const run = new HistoryByHand();
    run.put(1, EVERYWHERE);
    assert.deepEqual(faultsOf(run, scanOf(null)), []);
    const endless = { ...scanOf(null), answeredAt: Number.POSITIVE_INFINITY };
    assert.match(faultsOf(run, endless)[0], /never ends/);
    assert.deepEqual(faultsOf(run, { ...endless, isCutOff: true }), []);
  });

  test('at rest it shows what is on the disk, no more and no less', () => {
    const faults = (entries: readonly ScannedEntry[], record: Partial<StoredRecord> | null): number =>
      checkScanAtRest(scanOf(entries), disksWith(record)[0].records!, WORLD).length;
    const endsAt = (ms: number) => ({ timestamp: 1, expiryMs: EPOCH_MS + ms });
    assert.equal(faults([entry(0)], { timestamp: 1 }), 0);
    assert.equal(faults([], { timestamp: 1 }), 1);
    assert.equal(faults([entry(0)], null), 1);
    assert.equal(faults([], null), 0);
    assert.equal(faults([entry(0)], { timestamp: 1, isTombstone: true }), 1);
    assert.equal(faults([], { timestamp: 1, isTombstone: true }), 0);
    // The scan is at 1,000 ms.
    assert.equal(faults([entry(0)], endsAt(890)), 1);
    assert.equal(faults([entry(0)], endsAt(910)), 0);
    assert.equal(faults([], endsAt(1_090)), 0);
    assert.equal(faults([], endsAt(1_110)), 1);
  });
});
