import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkHandoff, missingOf } from '../../../../../src/simulation/checks/handoff.ts';
import type { StoredRecord } from '../../../../../src/simulation/history.ts';
import { disksWith, HistoryByHand } from '../../../../support/histories.ts';

const positionOf = (machine: string): number => Number(machine.slice(1)) - 1;

describe('hints bring what was missed', () => {
  test('each owner has the newest write that was acknowledged', () => {
    const run = new HistoryByHand();
    run.put(6);
    run.delete(7);
    const missing = (...disks: (Partial<StoredRecord> | null)[]): string =>
      missingOf(run.observations, disksWith(...disks), positionOf);
    assert.equal(missing({ timestamp: 7 }, { timestamp: 7 }, { timestamp: 7 }), '');
    assert.equal(
      missing({ timestamp: 7 }, { timestamp: 6 }, { timestamp: 7 }),
      'n2 lacks #1 DELETE k (version 7)',
    );
    assert.match(missing({ timestamp: 7 }, { timestamp: 7 }, null), /^n3 lacks #1/);
  });

  test('it goes to those alone that its write was for', () => {
    const run = new HistoryByHand();
    run.put(7, { from: 2 });
    const newest = { timestamp: 7, from: 2 };
    assert.equal(missingOf(run.observations, disksWith(newest, newest, null), positionOf), '');
    assert.match(missingOf(run.observations, disksWith(newest, null, null), positionOf), /^n2 lacks/);
  });

  test('of a write that was not acknowledged there need be no hint', () => {
    const run = new HistoryByHand();
    run.put(6);
    run.unknown();
    const states = disksWith({ timestamp: 7 }, { timestamp: 6 }, { timestamp: 6 });
    assert.equal(missingOf(run.observations, states, positionOf), '');
  });

  test('who cannot tell what it has may have it', () => {
    const run = new HistoryByHand();
    run.put(7);
    const [first, second] = disksWith({ timestamp: 7 }, null);
    assert.equal(missingOf(run.observations, [first, { ...second, records: null }], positionOf), '');
  });

  test('what is missing is a violation', () => {
    assert.deepEqual(checkHandoff('', 10_000), []);
    assert.match(checkHandoff('n2 lacks #1', 10_000)[0].sentence, /^10 s after .*, n2 lacks #1$/);
  });
});
