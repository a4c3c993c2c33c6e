import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breachesOf, type ConvergenceFigures, describeFigures } from '../../faults/convergence-proof.ts';
import { CheckedLoad } from '../../support/checked-load.ts';
import type { Answer, HttpClient } from '../../support/http.ts';
import { until } from '../../support/until.ts';

const PLAN = { equalWithinMs: 60_000 };

function figures(changes: Partial<ConvergenceFigures> = {}): ConvergenceFigures {
  const well = { equalMs: 1_200, servingMs: 900, answered: 10, failed: 2, wrong: [], held: [] };
  return { fault: 'killed', ...well, ...changes };
}

test('nodes that hold the same in time and answered truly break no promise', () => {
  assert.deepEqual(breachesOf(figures(), PLAN), []);
  assert.match(describeFigures(figures()), /killed +1\.2 +0\.9 +10 +2 +0$/);
});

test('each promise of convergence that is broken is said', () => {
  const cases: readonly [Partial<ConvergenceFigures>, RegExp][] = [
    [{ wrong: ['GET 3 ms later: key1=2 was read'] }, /^killed: GET 3 ms later: key1=2 was read$/],
    [
      { equalMs: null, held: ['200, 5 bytes', '200, 6 bytes'] },
      /different entries 60000 ms after it: 200, 5/,
    ],
    [{ servingMs: null }, /^killed: a node does not count for all reads/],
    [{ answered: 0 }, /^killed: no request was answered$/],
  ];
  for (const [changes, found] of cases) {
    const breaches = breachesOf(figures(changes), PLAN);
    assert.equal(breaches.length, 1, breaches.join('; '));
    assert.match(breaches[0], found);
  }
  assert.match(describeFigures(figures({ equalMs: null })), /killed +no/);
});

/** A store of one key whose reads are what the test says. */
class OneKey {
  value: string | null = null;
  /** What the next reads show instead. */
  readonly shown: (string | null)[] = [];
  writeStatus = 0;

  get client(): HttpClient {
    const answer = (status: number, body = ''): Answer => ({ status, headers: {}, body: Buffer.from(body) });
    const written = (status: number, value: string | null): Answer => {
      if (this.writeStatus === 0) this.value = value;
      return answer(this.writeStatus || status);
    };
    return {
      get: async () => {
        const value = this.shown.length > 0 ? (this.shown.shift() as string | null) : this.value;
        return value === null ? answer(404) : answer(200, value);
      },
      put: async (_port: number, _id: string, value: string) => written(201, value),
      delete: async () => written(202, null),
    } as unknown as HttpClient;
  }
}

const RATES = { getsPerSecond: 0, putsPerSecond: 0, deletesPerSecond: 0 };
const ALL = [0, Number.POSITIVE_INFINITY] as const;

async function loadOf(store: OneKey, rates: Partial<typeof RATES> = {}): Promise<CheckedLoad> {
  const load = new CheckedLoad(store.client, {
    ...{ ...RATES, ...rates },
    ports: [1],
    keys: 1,
    quorum: { ack: 2, from: 3 },
    seed: 1,
    mayFail: true,
  });
  await load.start();
  return load;
}

test('a value that an acknowledged deletion has hidden must not be read again', async () => {
  const store = new OneKey();
  await using load = await loadOf(store, { deletesPerSecond: 1_000 });
  await until(
    () => store.value === null,
    30_000,
    () => 'nothing was deleted',
  );
  await load.pause();
  await load.readAll();
  assert.deepEqual(load.faults(...ALL), []);
  store.shown.push('key0=1');
  await load.readAll();
  assert.match(load.faults(...ALL).join(), /key0=1 was read after key0=\d+ was acknowledged/);
});

test('a value that was written must be found', async () => {
  const store = new OneKey();
  await using load = await loadOf(store);
  await load.pause();
  store.shown.push(null);
  await load.readAll();
  assert.match(load.faults(...ALL).join(), /key0=1 or a newer one was not found/);
});

test('a read that shows what no read may show any more is a fault, though no write was acknowledged since', async () => {
  const store = new OneKey();
  await using load = await loadOf(store, { putsPerSecond: 200 });
  await until(
    () => store.value !== 'key0=1',
    30_000,
    () => 'nothing was written',
  );
  await load.pause();
  await load.readAll();
  store.shown.push('key0=1');
  await load.readAll();
  assert.equal(load.faults(...ALL).length, 1);
});

test('of a write that failed nobody knows when it takes effect', async () => {
  const store = new OneKey();
  await using load = await loadOf(store, { putsPerSecond: 200 });
  store.writeStatus = 504;
  await until(
    () => load.sent(...ALL) > load.answered(...ALL),
    30_000,
    () => 'no write failed',
  );
  await load.pause();
  store.shown.push('key0=2', 'key0=1', 'key0=2');
  for (let i = 0; i < 3; i++) await load.readAll();
  assert.deepEqual(load.faults(...ALL), []);
  store.shown.push('key0=999999');
  await load.readAll();
  assert.match(load.faults(...ALL).join(), /was read and never written/);
});
