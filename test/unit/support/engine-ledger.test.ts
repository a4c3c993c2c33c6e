/** The checks that kill campaigns and soaks rest on must themselves be able to fail. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EngineLedger } from '../../support/engine-ledger.ts';
import { counterOf, ownValue } from '../../support/own-value.ts';

describe('a value that describes itself', () => {
  test('says which write it is of, wherever it lies', () => {
    for (const bytes of [0, 12, 13, 400]) {
      const value = ownValue(7, 9, bytes);
      assert.equal(counterOf(7, value), 9);
      assert.equal(counterOf(7, Buffer.concat([Buffer.alloc(3), value]).subarray(3)), 9);
    }
  });

  test('is refused when any byte of it is another, when it is cut, and as another key’s', () => {
    const value = ownValue(7, 9, 40);
    for (let at = 0; at < value.length; at++) {
      const damaged = Uint8Array.from(value);
      damaged[at] ^= 1;
      assert.throws(() => counterOf(7, damaged), `byte ${at}`);
    }
    assert.throws(() => counterOf(7, value.subarray(0, 36)));
    assert.throws(() => counterOf(8, value));
    const torn = Uint8Array.from(value);
    torn.set(ownValue(7, 10, 40).subarray(20), 20);
    assert.throws(() => counterOf(7, torn));
  });
});

describe('a ledger', () => {
  test('allows the last acknowledged write and what was sent after it, and nothing else', () => {
    const ledger = new EngineLedger();
    ledger.check(1, undefined);
    for (const counter of [1, 2, 3]) ledger.send(1, counter, false);
    ledger.check(1, undefined);
    ledger.acknowledge(1, 2);
    assert.throws(() => ledger.check(1, undefined), /key 1 is gone, and write 2 was acknowledged/);
    assert.throws(() => ledger.check(1, ownValue(1, 1, 20)), /shows write 1, and 2 was acknowledged/);
    ledger.check(1, ownValue(1, 2, 20));
    ledger.check(1, ownValue(1, 3, 20));
    assert.throws(() => ledger.check(1, ownValue(1, 4, 20)), /which nobody sent/);
    ledger.send(1, 4, true);
    ledger.check(1, undefined);
    assert.throws(() => ledger.check(1, ownValue(1, 4, 20)), /which nobody sent/);
  });

  test('allows a read that was overtaken what it may have seen', () => {
    const ledger = new EngineLedger();
    ledger.send(1, 1, false);
    ledger.acknowledge(1, 1);
    const floor = ledger.floor(1);
    for (const counter of [2, 3]) {
      ledger.send(1, counter, false);
      ledger.acknowledge(1, counter);
    }
    ledger.check(1, ownValue(1, 2, 20), floor);
    assert.throws(() => ledger.check(1, ownValue(1, 2, 20)), /3 was acknowledged/);
  });

  test('knows half a batch, and takes what is there as acknowledged', async () => {
    const settled = async (
      first: Uint8Array | undefined,
      second: Uint8Array | undefined,
    ): Promise<EngineLedger> => {
      const ledger = new EngineLedger();
      ledger.send(2, 1, false);
      ledger.acknowledge(2, 1);
      ledger.sendBatch(2, [
        { key: 1, deletes: false },
        { key: 2, deletes: false },
      ]);
      await ledger.settle(async (key) => (key === 1 ? first : second));
      return ledger;
    };
    const before = await settled(undefined, ownValue(2, 1, 20));
    assert.throws(() => before.check(1, ownValue(1, 2, 20)));
    const after = await settled(ownValue(1, 2, 20), ownValue(2, 2, 20));
    assert.throws(() => after.check(1, undefined));
    await assert.rejects(settled(ownValue(1, 2, 20), ownValue(2, 1, 20)), /half of batch 2: key 2 shows 1/);
    await assert.rejects(settled(undefined, ownValue(2, 2, 20)), /half of batch 2: key 1 shows 0/);
  });
});
