import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultAck, quorumFault } from '../../../../src/coordinator/quorum.ts';

test('by default more than half must answer', () => {
  const table = [
    [1, 1],
    [2, 2],
    [2, 3],
    [3, 4],
    [3, 5],
  ];
  for (const [ack, from] of table) assert.equal(defaultAck(from), ack, `of ${from}`);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 32 }), (from) => {
      assert.ok(2 * defaultAck(from) > from, 'two majorities have a replica in common');
      assert.ok(2 * (defaultAck(from) - 1) <= from, 'and none is larger than that takes');
    }),
  );
});

test('possible numbers have no fault, and all others have one', () => {
  const number = fc.integer({ min: -2, max: 8 });
  fc.assert(
    fc.property(
      number,
      number,
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      (ack, from, nodes, most) => {
        const maxFrom = Math.min(nodes, most);
        const right = ack >= 1 && from >= ack && from <= maxFrom;
        assert.equal(quorumFault(ack, from, nodes, maxFrom) === undefined, right);
      },
    ),
    { numRuns: 1000 },
  );
});

test('a fault is a sentence with the numbers in it', () => {
  assert.match(quorumFault(0, 3, 3, 3)!, /ack .* at least 1, not 0/);
  assert.match(quorumFault(1, 0, 3, 3)!, /from .* at least 1, not 0/);
  assert.match(quorumFault(1.5, 3, 3, 3)!, /ack .* not 1\.5/);
  assert.match(quorumFault(4, 3, 5, 5)!, /ack is 4, .* 3 replicas/);
  assert.match(quorumFault(1, 4, 3, 3)!, /from is 4, .* 3 nodes/);
  assert.match(quorumFault(1, 2, 1, 1)!, /from is 2, .* 1 node$/);
  assert.match(quorumFault(1, 33, 100, 32)!, /from is 33, .* at most 32/);
});
