import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  breachesOf,
  describeFigures,
  type FaultFigures,
  hardlyHedges,
  tryUntilItHolds,
} from '../../faults/fault-proof.ts';

const at = (p99Ms: number, asked = 2) => {
  const latencies = { count: 100, p50Ms: 1, p99Ms, maxMs: p99Ms };
  return { get: latencies, put: latencies, asked, stalledMs: 0 };
};

/** A fault that nobody has felt. */
function figures(changes: Partial<FaultFigures> = {}): FaultFigures {
  const well = { before: at(20), grace: at(900), faulty: at(40, 3), after: at(10) };
  return { fault: 'frozen', ...well, recoveredMs: 300, wrong: [], falseAnswers: 0, stalledMs: 5, ...changes };
}

test('a fault that is felt for a second, and no longer, breaks no promise', () => {
  assert.deepEqual(breachesOf(figures(), 'hedged'), []);
  assert.deepEqual(breachesOf(figures({ recoveredMs: null }), 'parallel'), []);
});

test('each promise that is broken is said', () => {
  const cases: readonly [Partial<FaultFigures>, RegExp][] = [
    [{ wrong: ['GET 3 ms later: 504'] }, /^frozen: GET 3 ms later: 504$/],
    [{ faulty: { ...at(20), get: at(41).get } }, /^frozen: p99 of get is 41.0, more than 40.0$/],
    [{ faulty: { ...at(20), put: at(101).put } }, /^frozen: p99 of put is 101, more than 100$/],
    [{ faulty: { ...at(20), get: { ...at(20).get, count: 0 } } }, /^frozen: no get was sent$/],
    [{ before: at(20, 2.2) }, /^frozen: 2.200 replicas were asked for a GET in health$/],
    [{ recoveredMs: null }, /^frozen: 15000 ms after it GETs still ask more replicas than two$/],
  ];
  for (const [changes, found] of cases) {
    const breaches = breachesOf(figures(changes), 'hedged');
    assert.equal(breaches.length, 1, breaches.join('; '));
    assert.match(breaches[0], found);
  }
});

test('a breach says so when the machine itself stood still', () => {
  const [breach] = breachesOf(figures({ wrong: ['GET 3 ms later: 504\n'], stalledMs: 420 }), 'hedged');
  assert.equal(breach, 'frozen: GET 3 ms later: 504; the machine stood still for 420 ms meanwhile');
});

test('what a p99 may be has a floor where a healthy one is very low', () => {
  const low = { before: at(1), after: at(1) };
  assert.deepEqual(breachesOf(figures({ ...low, faulty: at(25) }), 'hedged'), []);
  assert.equal(breachesOf(figures({ ...low, faulty: at(26) }), 'hedged').length, 1);
});

test('where the machine stood still, all may have been late for so long', () => {
  const stalled = { ...at(20), stalledMs: 50 };
  assert.deepEqual(breachesOf(figures({ faulty: { ...stalled, get: at(90).get } }), 'hedged'), []);
  const [breach] = breachesOf(figures({ faulty: { ...stalled, get: at(91).get } }), 'hedged');
  assert.equal(breach, 'frozen: p99 of get is 91.0, more than 90.0');
});

/** Attempts with these figures, in turn; the last goes on for ever. */
function attempts(...turns: readonly FaultFigures[]): () => Promise<FaultFigures> {
  let made = 0;
  return async () => turns[Math.min(made++, turns.length - 1)];
}

test('a fault that was not felt is tried once', async () => {
  assert.deepEqual(await tryUntilItHolds(attempts(figures()), 'hedged', 6), [figures()]);
});

test('a machine that was busier for some attempts breaks no promise', async () => {
  const busier = figures({ faulty: at(169) });
  const busy = { before: at(100), faulty: at(169), after: at(100) };
  const made = await tryUntilItHolds(attempts(busier, busier, figures(busy), busier), 'hedged', 6);
  assert.deepEqual(made, [busier, busier, figures(busy)]);
});

test('a fault that is felt is felt in each attempt, and found after the last', async () => {
  for (const changes of [{ faulty: at(250) }, { after: at(10, 3) }, { recoveredMs: null }]) {
    const felt = figures(changes);
    const made = await tryUntilItHolds(attempts(felt), 'hedged', 6);
    assert.equal(made.length, 6);
    assert.notDeepEqual(breachesOf(made[5], 'hedged'), []);
  }
});

test('a request that failed is tried again only where the machine stood still, and a false answer never', async () => {
  const failed = { wrong: ['GET 3 ms later: 504'] };
  for (const final of [failed, { ...failed, falseAnswers: 1, stalledMs: 420 }])
    assert.equal((await tryUntilItHolds(attempts(figures(final), figures()), 'hedged', 6)).length, 1);
  const late = figures({ ...failed, stalledMs: 420 });
  assert.equal((await tryUntilItHolds(attempts(late, figures()), 'hedged', 6)).length, 2);
});

test('figures are a line for each method', () => {
  const [get, put] = describeFigures(figures()).split('\n');
  assert.match(
    get,
    /^ +frozen +GET +1\.0 +20\.0 +900 +900 +1\.0 +40\.0 +40\.0 +10\.0 +2\.00 +3\.00 +2\.00 +300 +0 +5\.0$/,
  );
  assert.match(put, /^ +PUT .* 100 +10\.0$/);
});

test('one read in twenty may be hedged, and what two nodes have saved up', () => {
  assert.ok(hardlyHedges({ reads: 2_000, asked: 2.1, hedges: 200 }));
  assert.ok(!hardlyHedges({ reads: 2_000, asked: 2.1, hedges: 201 }));
});
