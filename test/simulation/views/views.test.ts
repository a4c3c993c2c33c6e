/**
 * Thousands of requests while the view of the cluster is replaced under them. Each is answered once, by the replicas
 * that its own view names and by no others; nodes keep their connections however their indexes change; what nobody
 * needs any more is closed. Failing, it prints the seed: run that alone with VIEWS_SEED=<seed>.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { systemRandom } from '../../../src/clock.ts';
import { Outcome } from '../../../src/outcome.ts';
import { type ViewedRequest, ViewStorm } from './view-storm.ts';

const SEEDS = 10;
const STEPS = 2_000;

async function simulate(seed: number, hasFaults: boolean): Promise<ViewStorm> {
  const storm = await ViewStorm.start(seed, hasFaults);
  for (let step = 0; step < STEPS; step++) storm.step();
  storm.calm();
  for (const request of storm.requests.values()) {
    judgeAlways(request);
    if (!hasFaults) judge(request, storm.isHedged);
  }
  const { nodes } = storm.cluster.view;
  const others = nodes.filter(({ id }) => id !== 'a');
  assert.deepEqual(
    storm.mesh.peers().map(({ id, state, inFlight }) => [id, state, inFlight]),
    others.map(({ id }) => [id, 'up', 0]),
    'peers are those of the last view',
  );
  assert.deepEqual(
    storm.connections().sort(),
    others.map(({ rpc }) => `${rpc.host}:${rpc.port}`).sort(),
    'one connection to each, and none that is left over',
  );
  if (!hasFaults)
    assert.deepEqual(storm.log.matching(/^(?:warn|error)/), [], 'that nodes come and go is no fault');
  return storm;
}

/** What holds whatever fails. */
function judgeAlways({ asked, holders, key, outcomes, settled }: ViewedRequest): void {
  const told = settled.map((replicas) => replicas.map((text) => text.slice(0, text.indexOf(':'))));
  assert.deepEqual(told, [holders], `${key}: settled once, with the nodes of its own view`);
  assert.equal(outcomes.length, 1, `${key}: one answer`);
  for (const nodeId of asked.keys())
    assert.ok(holders.includes(nodeId), `${key}: ${nodeId} was asked, and its view names ${holders}`);
}

/** What holds where every node that can be reached answers in time. */
function judge(request: ViewedRequest, isHedged: boolean): void {
  const { ack, asked, holders, key, kind, outcomes, reachable } = request;
  if (isHedged && kind === 'get') {
    judgeHedged(request);
    return;
  }
  const [{ outcome, reason }] = outcomes;
  const succeeded = kind === 'get' ? Outcome.notFound : Outcome.ok;
  const expected = reachable.length >= ack ? succeeded : Outcome.notEnoughReplicas;
  assert.equal(outcome, expected, `${key}: ${ack} of ${holders}, reachable ${reachable}: ${reason}`);
  if (outcome === Outcome.notEnoughReplicas)
    assert.ok(
      holders.some((nodeId) => reason.includes(`${nodeId}: `)),
      `${key}: ids in ${reason}`,
    );
  const isAskedTwice = kind === 'contested put' && outcome === Outcome.ok;
  // Where success was out of reach at once, nobody is asked again.
  if (kind === 'contested put' && !isAskedTwice) return;
  for (const nodeId of reachable)
    assert.equal(asked.get(nodeId), isAskedTwice ? 2 : 1, `${key}: how often ${nodeId} was asked`);
}

/** A hedged read asks as many as it needs, none twice; also one that has become reachable meanwhile. */
function judgeHedged({ ack, asked, key, outcomes, reachable }: ViewedRequest): void {
  const [{ outcome, reason }] = outcomes;
  if (reachable.length >= ack) assert.equal(outcome, Outcome.notFound, `${key}: ${reason}`);
  if (outcome === Outcome.notFound) assert.ok(asked.size >= ack, `${key}: ${asked.size} were asked`);
  for (const [nodeId, times] of asked) assert.equal(times, 1, `${key}: how often ${nodeId} was asked`);
}

async function simulateAll(context: TestContext, hasFaults: boolean): Promise<void> {
  const chosen = process.env.VIEWS_SEED;
  const first = chosen === undefined ? Math.floor(systemRandom() * 2 ** 31) : Number(chosen);
  const count = chosen === undefined ? SEEDS : 1;
  context.diagnostic(`seeds ${first} to ${first + count - 1}`);
  const changes = { reordered: 0, shrunk: 0, grown: 0, moved: 0 };
  let requests = 0;
  for (let seed = first; seed < first + count; seed++) {
    try {
      const storm = await simulate(seed, hasFaults);
      requests += storm.requests.size;
      for (const change of Object.keys(changes) as (keyof typeof changes)[])
        changes[change] += storm.changes[change];
    } catch (error) {
      throw new Error(`VIEWS_SEED=${seed} fails`, { cause: error });
    }
  }
  context.diagnostic(`${requests} requests, views ${JSON.stringify(changes)}`);
  for (const times of Object.values(changes)) assert.ok(times >= count, 'each kind of change was met');
}

test('each request is answered once, by the replicas that its own view names, however views are replaced', (context) =>
  simulateAll(context, false));

test('the same while connections are cut and nodes stand still', (context) => simulateAll(context, true));
