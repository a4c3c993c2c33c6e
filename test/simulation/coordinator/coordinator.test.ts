/**
 * Many requests at once over replicas that answer in any order, late, twice, never, or inside the call that asks
 * them. Every request gets exactly one answer, in time, and the one its replicas' words call for; and after that it
 * settles exactly once, and tells of each replica what that has said. Failing, it prints the seed: run that alone with COORDINATOR_SEED=<seed>.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Random, seededRandom, systemRandom } from '../../../src/clock.ts';
import type { ClusterView } from '../../../src/cluster/cluster-view.ts';
import { slotOf } from '../../../src/cluster/slots.ts';
import type { Replication } from '../../../src/config.ts';
import { Coordinator } from '../../../src/coordinator/coordinator.ts';
import type { TimestampWaiter } from '../../../src/hybrid-clock.ts';
import { Outcome } from '../../../src/outcome.ts';
import { quorumOptions } from '../../../src/request-options.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { viewOf } from '../../support/cluster-view.ts';
import { FakeReplicas, type Question } from '../../support/fake-replicas.ts';
import { KeptSettlements } from '../../support/kept-settlements.ts';
import { hedgingOf, REPLICATIONS } from '../../support/replication.ts';
import { isDeletion, SimulatedRequest, WRITER } from './simulated-request.ts';

const SEEDS = 1000;
const REQUESTS = 12;
const TIMEOUT_MS = 100;
const SWEEP_MS = 10;
const VALUE = Buffer.from('value');
const NODE_IDS = ['a', 'b', 'c', 'd', 'e'];

const views = NODE_IDS.map((_, i) => viewOf(NODE_IDS.slice(0, i + 1)));

function simulate(seed: number, replication: Replication): void {
  const random = seededRandom(seed);
  const clock = new FakeClock();
  const nodes = 1 + Math.floor(random() * NODE_IDS.length);
  const requests = new Map<string, SimulatedRequest>();
  const { placement } = views[nodes - 1];
  const replicas = new FakeReplicas(views[nodes - 1], (asked) => {
    // A write that goes to one replica after the other is several writes, each to the first of its own list.
    const offset = placement.listOffset(slotOf(asked.key));
    const position = placement.lists.subarray(offset).indexOf(asked.node);
    const question = { ...asked, position };
    const request = requests.get(Buffer.from(question.key).toString())!;
    request.onAsked(question);
    answerSomehow(question, request, clock, random);
  });
  let lastTimestamp = 0;
  const waiting = new Set<TimestampWaiter>();
  const tell = (waiter: TimestampWaiter): void => {
    if (waiting.delete(waiter)) waiter.onTimestamps(null);
  };
  const timestamps = {
    issue: () => (random() < 0.1 ? 0 : ++lastTimestamp),
    refusal: undefined,
    follow: (timestamp: number) => {
      lastTimestamp = Math.max(lastTimestamp, timestamp);
      return true;
    },
    wait: (waiter: TimestampWaiter) => {
      waiting.add(waiter);
      if (random() < 0.8) clock.after(random() * 2 * TIMEOUT_MS, () => tell(waiter));
    },
    stopWaiting: (waiter: TimestampWaiter) => void waiting.delete(waiter),
    nowMs: () => clock.nowMs(),
  };
  const coordinator = new Coordinator({
    replicas: { current: replicas },
    timestamps,
    writerId: WRITER,
    clock,
    timeoutMs: TIMEOUT_MS,
    settlements: new KeptSettlements((settlement) => requests.get(settlement.key)?.onSettled(settlement)),
    replication,
    writesBack: false,
    freshMs: 2_000,
    hedging: hedgingOf(NODE_IDS[Math.floor(random() * NODE_IDS.length)]),
  });
  for (let i = 0; i < REQUESTS; i++) {
    const request = new SimulatedRequest(random, nodes, () => clock.monotonicMs());
    request.startedMs = clock.monotonicMs();
    const key = Buffer.from(`key ${i}`);
    requests.set(`key ${i}`, request);
    if (request.isRead) coordinator.get(key, quorumOptions(request.ack, request.from), request);
    else if (random() < 0.5) coordinator.put(key, VALUE, quorumOptions(request.ack, request.from), request);
    else coordinator.delete(key, quorumOptions(request.ack, request.from), request);
    if (random() < 0.5) clock.advance(Math.floor(random() * 40));
  }
  const stoppedMs = clock.monotonicMs();
  const isStopped = random() < 0.2;
  if (isStopped) {
    coordinator.close();
    for (const request of requests.values()) request.freeze();
  }
  clock.advance(5 * TIMEOUT_MS);
  assert.equal(waiting.size, 0, 'none whose request is decided waits for a timestamp');
  clock.advance(5 * TIMEOUT_MS);
  for (const request of requests.values()) {
    const isUnsettled = !request.isAnsweredByAll;
    assert.equal(
      request.settled.length,
      isUnsettled && !isStopped ? 0 : 1,
      'it waits for all, and no longer',
    );
  }
  coordinator.close();
  assert.equal(coordinator.unsettled, 0);
  for (const [key, request] of requests) {
    judge(request, isStopped ? stoppedMs : Number.POSITIVE_INFINITY);
    judgeSettlement(request, key, views[nodes - 1]);
  }
  assert.equal(clock.pendingTimers, 0);
}

function answerSomehow(
  question: Question,
  request: SimulatedRequest,
  clock: FakeClock,
  random: Random,
): void {
  const answer = (): void => question.reply(request.say(question, random));
  const how = random();
  if (how < 0.2) answer();
  else if (how < 0.8) clock.after(random() * 1.5 * TIMEOUT_MS, answer);
  if (how > 0.6 && how < 0.9) clock.after(random() * 3 * TIMEOUT_MS, answer);
  // What is answered late, and what never is, times out; a tenth of the latter does not even do that.
  if (how > 0.75 && how < 0.98)
    clock.after(2 * TIMEOUT_MS, () => question.reply(request.sayNothingInTime(question)));
}

/** @param stoppedMs when the node stopped, if it did */
function judge(request: SimulatedRequest, stoppedMs: number): void {
  const { ack, from, isRead, outcomes } = request;
  assert.equal(outcomes.length, 1, 'exactly one answer');
  const [outcome] = outcomes;
  const tookMs = request.answeredMs - request.startedMs;
  assert.ok(tookMs <= TIMEOUT_MS + SWEEP_MS, `answered after ${tookMs} ms`);
  // When it became certain: more may have been said inside the calls that asked, before anyone could be answered.
  let decidedAt = 0;
  let counted = 0;
  const isDecided = (): boolean => counted >= ack || counted + (from - decidedAt) < ack;
  while (decidedAt < request.heardAtAnswer && !isDecided()) if (request.said[decidedAt++].counts) counted++;
  const heard = request.said.slice(0, decidedAt);
  if (outcome === Outcome.overloaded && request.answeredMs === stoppedMs) return;
  if (counted < ack) {
    const wasInTime = isDecided();
    assert.ok(wasInTime || tookMs >= TIMEOUT_MS, 'gave up early');
    const isUnsent = !request.isSent;
    const allowed = [Outcome.notEnoughReplicas, ...(isUnsent ? [Outcome.overloaded] : [])];
    assert.ok(
      allowed.some((one) => one === outcome),
      `outcome ${outcome} of too few answers`,
    );
    return;
  }
  const freshest = Math.max(0, ...heard.map(({ timestamp }) => timestamp));
  const isFound = !isRead || (freshest > 0 && !isDeletion(freshest));
  assert.equal(outcome, isFound ? Outcome.ok : Outcome.notFound);
  assert.equal(request.value, isRead && isFound ? `value ${freshest}` : '');
}

function judgeSettlement(request: SimulatedRequest, key: string, { nodes, placement }: ClusterView): void {
  assert.equal(request.settled.length, 1, 'it settles exactly once');
  const [settlement] = request.settled;
  const offset = placement.listOffset(slotOf(Buffer.from(key)));
  const ids = Array.from(placement.lists.subarray(offset, offset + request.from), (node) => nodes[node].id);
  assert.equal(settlement.kind, request.isRead ? 'read' : 'write');
  assert.equal(settlement.outcome, request.outcomes[0]);
  assert.equal(settlement.version, request.expectedVersion);
  assert.deepEqual(settlement.replicas, request.expectedReplicas(ids));
}

for (const replication of REPLICATIONS) {
  const what = `${replication}: every request gets exactly one answer, the right one, in time, and settles once, with the truth`;
  test(what, (context) => simulateAll(context, replication));
}

function simulateAll(context: TestContext, replication: Replication): void {
  const chosen = process.env.COORDINATOR_SEED;
  const first = chosen === undefined ? Math.floor(systemRandom() * 2 ** 31) : Number(chosen);
  const count = chosen === undefined ? SEEDS : 1;
  context.diagnostic(`seeds ${first} to ${first + count - 1}`);
  for (let seed = first; seed < first + count; seed++) {
    try {
      simulate(seed, replication);
    } catch (error) {
      throw new Error(`COORDINATOR_SEED=${seed} fails`, { cause: error });
    }
  }
}
