import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  checkConvergence,
  differenceOf,
  newestOf,
} from '../../../../../src/simulation/checks/convergence.ts';
import { disksWith } from '../../../../support/histories.ts';

const positionOf = (machine: string): number => Number(machine.slice(1)) - 1;
const difference = (states: ReturnType<typeof disksWith>, settledAt = 0): string =>
  differenceOf(states, new Map([['k', settledAt]]), positionOf);

describe('owners are equal after healing', () => {
  test('each owner has the newest version', () => {
    const newest = { timestamp: 7, writer: 2 };
    assert.equal(difference(disksWith(newest, newest, newest)), '');
    assert.equal(
      difference(disksWith(newest, { timestamp: 6 }, newest)),
      'n2 has version 6.1 of k, and the newest is version 7.2',
    );
  });

  test('of versions with the same timestamp that of the higher writer is the newer one', () => {
    const states = disksWith({ timestamp: 7, writer: 1 }, { timestamp: 7, writer: 2 });
    assert.match(difference(states), /^n1 has version 7\.1 of k, .* 7\.2$/);
    assert.equal(newestOf(states, 'k')?.writer, 2);
  });

  test('an owner that has nothing lacks it, and a machine behind the owners does not', () => {
    const newest = { timestamp: 7, from: 2 };
    assert.equal(difference(disksWith(newest, newest, null)), '');
    assert.match(difference(disksWith(newest, null, null)), /^n2 has nothing of k/);
  });

  test('a machine behind the owners has nothing older, as it would be read with a larger from', () => {
    const newest = { timestamp: 7, from: 2 };
    const states = disksWith(newest, newest, { timestamp: 3, from: 3 });
    assert.match(difference(states), /^n3 has version 3/);
  });

  test('a deletion has to be everywhere, as a value has', () => {
    const deletion = { timestamp: 8, isTombstone: true };
    assert.equal(difference(disksWith(deletion, deletion, deletion)), '');
    assert.notEqual(difference(disksWith(deletion, deletion, { timestamp: 7 })), '');
  });

  test('what is settled to be gone may be purged by one owner, and nothing older may be left with another', () => {
    for (const gone of [
      { timestamp: 8, isTombstone: true },
      { timestamp: 8, expiryMs: 1 },
    ]) {
      assert.equal(difference(disksWith(gone, null, gone), 8), '');
      assert.match(difference(disksWith(gone, null, gone), 7), /^n2 has nothing/);
      assert.match(difference(disksWith(gone, null, { timestamp: 7 }), 8), /^n3 has version 7/);
    }
    assert.match(difference(disksWith({ timestamp: 8 }, null), 8), /^n2 has nothing/, 'a value stays');
  });

  test('who cannot tell what it has is not equal', () => {
    const [first, second] = disksWith({ timestamp: 7 }, { timestamp: 7 });
    const mute = { ...second, records: null };
    assert.equal(difference([first, mute]), 'n2 cannot tell what it has');
  });

  test('nothing is nowhere', () => {
    assert.equal(difference(disksWith(null, null, null)), '');
    assert.equal(newestOf(disksWith(null, null), 'k'), null);
  });

  test('a difference is a violation', () => {
    assert.deepEqual(checkConvergence('', 20_000), []);
    const [{ sentence }] = checkConvergence('n2 has nothing of k', 20_000);
    assert.equal(sentence, '20 s after everything was mended, n2 has nothing of k');
  });
});
