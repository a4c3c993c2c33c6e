/** The short form of `npm run hedging`. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  breachesOf,
  describeFigures,
  describeLoad,
  FaultProof,
  FIGURE_TITLES,
  hardlyHedges,
} from '../faults/fault-proof.ts';
import { PEER_FAULTS } from '../faults/peer-fault.ts';

const HEALTHY_MS = 500;
/** A turn of a node that flaps. */
const FAULTY_MS = 600;

describe('with hedged reads, one node that is unwell fails no request and slows none for more than a second', () => {
  let proof: FaultProof;
  before(async () => {
    proof = await FaultProof.start({
      replication: 'hedged',
      seed: 5,
      getsPerSecond: 300,
      putsPerSecond: 50,
      healthyMs: HEALTHY_MS,
      faultyMs: FAULTY_MS,
      mostTries: 6,
    });
  });
  // It is undefined when the cluster did not start.
  after(() => proof?.[Symbol.asyncDispose]());

  for (const name of ['frozen', 'slow', 'flapping']) {
    test(`${name}; when it is well again reads ask two replicas`, async (context) => {
      const fault = PEER_FAULTS.find((each) => each.name === name);
      assert.ok(fault !== undefined);
      const attempts = await proof.prove(fault);
      for (const line of [FIGURE_TITLES, ...attempts.flatMap((each) => describeFigures(each).split('\n'))])
        context.diagnostic(line);
      assert.deepEqual(breachesOf(attempts[attempts.length - 1], 'hedged'), []);
    });
  }

  test('under full load hardly a read is hedged', async (context) => {
    const figures = await proof.underLoad(1_000, 0);
    context.diagnostic(describeLoad(figures));
    assert.ok(hardlyHedges(figures), describeLoad(figures));
  });
});
