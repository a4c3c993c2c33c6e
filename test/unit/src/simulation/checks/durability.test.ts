import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkDurability, checkOwners } from '../../../../../src/simulation/checks/durability.ts';
import { RequestMethod } from '../../../../../src/simulation/plan/plan.ts';
import { disksWith, HistoryByHand } from '../../../../support/histories.ts';

const durability = (run: HistoryByHand, disks: ReturnType<typeof disksWith>, settled = 0) =>
  checkDurability(run.history, disks, new Map([['k', settled]]));

describe('acknowledged writes are not lost', () => {
  test('as many disks have it as acknowledged it, or have what replaced it', () => {
    const run = new HistoryByHand();
    run.put(7);
    assert.deepEqual(durability(run, disksWith({ timestamp: 7 }, { timestamp: 8 }, null)), []);
    const violations = durability(run, disksWith({ timestamp: 7 }, { timestamp: 6 }, null));
    assert.deepEqual(violations[0].requests, [0]);
    assert.match(violations[0].sentence, /is on 1 disks, and 0 have lost/);
  });

  test('a disk that has lost what it had is one less', () => {
    const run = new HistoryByHand();
    run.put(7);
    run.lose(1);
    assert.deepEqual(durability(run, disksWith({ timestamp: 7 }, null, null)), []);
    assert.equal(durability(run, disksWith(null, null, null)).length, 1);
    run.lose(2);
    assert.deepEqual(durability(run, disksWith(null, null, null)), []);
  });

  test('a write that was not acknowledged may be lost', () => {
    const run = new HistoryByHand();
    run.unknown();
    assert.deepEqual(durability(run, disksWith(null, null, null)), []);
  });

  test('a disk that cannot be read may have it', () => {
    const run = new HistoryByHand();
    run.put(7);
    const [first] = disksWith(null);
    const unreadable = { machine: 'n2', records: null, isWhole: false, fault: 'damaged' };
    assert.deepEqual(durability(run, [first, unreadable, unreadable]), []);
  });

  test('nothing has to be left of a deletion that is settled', () => {
    const run = new HistoryByHand();
    run.put(7);
    run.delete(8);
    const nothing = disksWith(null, null, null);
    assert.deepEqual(durability(run, nothing, 8), []);
    assert.equal(durability(run, nothing, 7).length, 2);
    assert.equal(durability(run, nothing).length, 2);
    assert.equal(durability(run, disksWith({ timestamp: 7 }, null, null), 8).length, 1);
  });

  test('of a deletion that was not acknowledged nobody knows whether it is settled, but what it hides is', () => {
    const run = new HistoryByHand();
    run.put(7);
    run.unknown({ kind: RequestMethod.delete });
    const nothing = disksWith(null, null, null);
    assert.deepEqual(durability(run, nothing, 7), []);
    assert.equal(durability(run, nothing, 6).length, 1);
  });
});

describe('copies are with owners only', () => {
  const positionOf = (machine: string): number => Number(machine.slice(1)) - 1;

  test('a copy behind the owners of the widest request is one too many', () => {
    const run = new HistoryByHand();
    run.put(1, { from: 2, ack: 1 });
    assert.deepEqual(checkOwners(run.history, disksWith({}, {}, null), positionOf), []);
    const [violation] = checkOwners(run.history, disksWith({}, null, {}), positionOf);
    assert.match(violation.sentence, /n3 has a copy of k/);
    run.put(2, { from: 3 });
    assert.deepEqual(checkOwners(run.history, disksWith({}, null, {}), positionOf), []);
  });
});
