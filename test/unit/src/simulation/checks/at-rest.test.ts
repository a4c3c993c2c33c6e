import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ClusterRest, checkRest, type NodeRest } from '../../../../../src/simulation/checks/at-rest.ts';

const IDLE: NodeRest = {
  machine: 'n1',
  unsettled: 0,
  inReplica: 0,
  inFlight: 0,
  queuedBytes: 0,
  openDescriptors: 12,
};

function rest(node: Partial<NodeRest> = {}, cluster: Partial<ClusterRest> = {}): ClusterRest {
  const others = ['n2', 'n3'].map((machine) => ({ ...IDLE, machine }));
  return {
    nodes: [{ ...IDLE, ...node }, ...others],
    openStreams: 12,
    loneEnds: 0,
    pendingTimers: 60,
    ...cluster,
  };
}

describe('nothing is left at rest', () => {
  test('nodes that ask each other for the time are at rest', () => {
    assert.deepEqual(checkRest(rest({ inReplica: 64, inFlight: 192, queuedBytes: 65_536 })), []);
  });

  for (const [what, node] of [
    ['requests that are not settled', { unsettled: 1 }],
    ['reads and writes of a replica', { inReplica: 65 }],
    ['questions to peers', { inFlight: 193 }],
    ['bytes for peers', { queuedBytes: 65_537 }],
    ['open files', { openDescriptors: 201 }],
  ] as const) {
    test(`${what} are bounded, and the sentence names the node`, () => {
      const violations = checkRest(rest(node));
      assert.equal(violations.length, 1);
      assert.match(violations[0].sentence, /n1/);
      assert.match(violations[0].sentence, new RegExp(`^${Object.values(node)[0]} .* at most are right$`));
    });
  }

  test('each node may have one stream to each other', () => {
    const [violation] = checkRest(rest({}, { openStreams: 13 }));
    assert.equal(violation.sentence, '13 ends of streams are open, and 12 at most are right');
  });

  test('an end whose other end is closed may not have heard of it, and they do not grow more', () => {
    assert.deepEqual(checkRest(rest({}, { loneEnds: 18 })), []);
    assert.match(checkRest(rest({}, { loneEnds: 19 }))[0].sentence, /^19 ends of streams are open whose/);
  });

  test('timers are bounded for the cluster', () => {
    assert.deepEqual(checkRest(rest({}, { pendingTimers: 600 })), []);
    assert.match(checkRest(rest({}, { pendingTimers: 601 }))[0].sentence, /601 timers are set/);
  });

  test('everything that is too much is told', () => {
    assert.equal(checkRest(rest({ unsettled: 3, openDescriptors: 999 }, { openStreams: 40 })).length, 3);
  });
});
