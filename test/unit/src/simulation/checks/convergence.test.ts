import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  checkConvergence,
  differenceOf,
  newestOf,
} from '../../../../../src/simulation/checks/convergence.ts';
import { disksWith } from '../../../../support/histories.ts';

const positionOf = (machine: string): number => Number(machine.slice(1)) - 1;

describe('owners are equal after healing', () => {
  test('each owner has the newest version', () => {
    const newest = { timestamp: 7, writer: 2 };
    assert.equal(differenceOf(disksWith(newest, newest, newest), positionOf), '');
    assert.equal(
      differenceOf(disksWith(newest, { timestamp: 6 }, newest), positionOf),
      'n2 has version 6.1 of k, and the newest is version 7.2',
    );
  });

  test('of versions with the same timestamp that of the higher writer is the newer one', () => {
    const states = disksWith({ timestamp: 7, writer: 1 }, { timestamp: 7, writer: 2 });
    assert.match(differenceOf(states, positionOf), /^n1 has version 7\.1 of k, .* 7\.2$/);
    assert.equal(newestOf(states, 'k')?.writer, 2);
  });

  test('an owner that has nothing lacks it, and a machine behind the owners does not', () => {
    const newest = { timestamp: 7, from: 2 };
    assert.equal(differenceOf(disksWith(newest, newest, null), positionOf), '');
    assert.match(differenceOf(disksWith(newest, null, null), positionOf), /^n2 has nothing of k/);
  });

  test('a machine behind the owners has nothing older, as it would be read with a larger from', () => {
    const newest = { timestamp: 7, from: 2 };
    const states = disksWith(newest, newest, { timestamp: 3, from: 3 });
    assert.match(differenceOf(states, positionOf), /^n3 has version 3/);
  });

  test('a deletion has to be everywhere, as a value has', () => {
    const deletion = { timestamp: 8, isTombstone: true };
    assert.equal(differenceOf(disksWith(deletion, deletion, deletion), positionOf), '');
    assert.notEqual(differenceOf(disksWith(deletion, deletion, { timestamp: 7 }), positionOf), '');
  });

  test('who cannot tell what it has is not equal', () => {
    const [first, second] = disksWith({ timestamp: 7 }, { timestamp: 7 });
    const mute = { ...second, records: null };
    assert.equal(differenceOf([first, mute], positionOf), 'n2 cannot tell what it has');
  });

  test('nothing is nowhere', () => {
    assert.equal(differenceOf(disksWith(null, null, null), positionOf), '');
    assert.equal(newestOf(disksWith(null, null), 'k'), null);
  });

  test('a difference is a violation', () => {
    assert.deepEqual(checkConvergence('', 20_000), []);
    const [{ sentence }] = checkConvergence('n2 has nothing of k', 20_000);
    assert.equal(sentence, '20 s after everything was mended, n2 has nothing of k');
  });
});
