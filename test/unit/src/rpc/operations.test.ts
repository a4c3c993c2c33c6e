import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FEATURES, Feature, OPERATIONS, RANGE_PAGE_NUMBER } from '../../../../src/rpc/operation-table.ts';
import { MessageKind } from '../../../../src/rpc/operations.ts';

describe('registered numbers', () => {
  it('never change', () => {
    const numbers = {
      read: 1,
      write: 2,
      readVersion: 3,
      clock: 5,
      repairWrite: 6,
      antiEntropy: 7,
      bulkPage: 8,
      hint: 9,
    };
    const operations = OPERATIONS.filter((operation) => operation !== undefined);
    assert.deepEqual(Object.fromEntries(operations.map(({ name, number }) => [name, number])), numbers);
    for (const operation of operations) assert.equal(OPERATIONS[operation.number], operation);
    assert.equal(OPERATIONS[RANGE_PAGE_NUMBER], undefined);
    assert.equal(RANGE_PAGE_NUMBER, 4);
    const bits = {
      readVersion: 2,
      clock: 4,
      multicast: 8,
      repairWrite: 16,
      antiEntropy: 32,
      bulkPage: 64,
      hint: 128,
    };
    assert.deepEqual(Feature, bits);
    assert.equal(FEATURES & 1, 0);
    const kinds = {
      hello: 1,
      welcome: 2,
      refuse: 3,
      request: 4,
      response: 5,
      cancel: 6,
      fragment: 7,
      ping: 8,
      pong: 9,
      history: 10,
      challenge: 11,
      proof: 12,
      seal: 13,
    };
    assert.deepEqual(MessageKind, kinds);
  });
});
