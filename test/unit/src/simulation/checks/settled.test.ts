import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSettled } from '../../../../../src/simulation/checks/settled.ts';
import { disksWith } from '../../../../support/histories.ts';

const positionOf = (machine: string): number => Number(machine.slice(1)) - 1;
const upTo = (timestamp: number): ReadonlyMap<string, number> => new Map([['k', timestamp]]);
type Disks = ReturnType<typeof disksWith>;
const isRight = (states: Disks, settled: number): boolean =>
  checkSettled(states, upTo(settled), positionOf).length === 0;

describe('what is settled is with all owners', () => {
  test('nobody has an older version than the newest one that is settled', () => {
    const states = disksWith({ timestamp: 7 }, { timestamp: 7 }, { timestamp: 6 });
    assert.ok(!isRight(states, 7));
    assert.ok(!isRight(states, 9));
    const [{ sentence }] = checkSettled(states, upTo(9), positionOf);
    assert.equal(sentence, 'n3 has version 6 of k, which is settled up to 9, and another has version 7');
  });

  test('what is later than the watermark may be missing', () => {
    assert.ok(isRight(disksWith({ timestamp: 7 }, { timestamp: 7 }, { timestamp: 6 }), 6));
    assert.ok(isRight(disksWith({ timestamp: 7 }, null, null), 6));
    assert.ok(isRight(disksWith({ timestamp: 8 }, { timestamp: 7 }, { timestamp: 7 }), 7));
  });

  test('an owner has the value, and a machine behind the owners need not', () => {
    assert.ok(!isRight(disksWith({ timestamp: 7 }, null), 7));
    assert.ok(isRight(disksWith({ timestamp: 7, from: 1 }, null), 7));
    assert.ok(!isRight(disksWith({ timestamp: 7, from: 1 }, { timestamp: 6 }), 7));
  });

  test('a deletion, or a value that expires, may be purged, and nothing older may come to light', () => {
    for (const purgeable of [
      { timestamp: 7, isTombstone: true },
      { timestamp: 7, expiryMs: 1 },
    ]) {
      assert.ok(isRight(disksWith(purgeable, null, null), 7));
      assert.ok(!isRight(disksWith(purgeable, { timestamp: 6 }, null), 7));
    }
  });

  test('who cannot tell what it has may have it', () => {
    const [first, second] = disksWith({ timestamp: 7 }, null);
    assert.ok(isRight([first, { ...second, records: null }], 7));
  });

  test('where nothing is settled nothing is proved', () => {
    assert.ok(isRight(disksWith({ timestamp: 7 }, { timestamp: 6 }, null), 0));
  });
});
