/** Own time in a cluster whose wall clocks jump: what is issued, what is accepted, and what is said about it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timestampAt, timestampMs } from '../../../native-free-lsm/index.ts';
import { RESERVE_AHEAD_MS } from '../../../src/hybrid-clock.ts';
import { CLOCK_OFF } from '../../../src/node/clock-watch.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { type ClockNode, clockNodes, MAX_DRIFT_MS, pass, settle } from '../../support/clock-nodes.ts';

/** Measurements of others' clocks are not exact. */
const NOISE_MS = 10;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

async function running(count: number) {
  const base = new FakeClock();
  const nodes = clockNodes(count, base);
  for (const node of nodes) {
    node.start();
    // Each measures at moments of its own.
    await pass(base, 130);
  }
  await pass(base, 500);
  for (const node of nodes) {
    node.hybrid.issue();
    await settle();
    assert.notEqual(node.issuedAheadMs(), undefined, 'it has been right from the start');
  }
  return { base, nodes };
}

function setAll(nodes: readonly ClockNode[], offsetMs: number): void {
  for (const { clock } of nodes) clock.set(offsetMs);
}

/** Every node issues at once, except for a reservation, and every node accepts what it issues. */
async function assertTaken(nodes: readonly ClockNode[], base: FakeClock): Promise<void> {
  for (const { hybrid } of nodes) if (!hybrid.isReady) await settle();
  for (const from of nodes) {
    const timestamp = from.hybrid.issue();
    assert.ok(timestamp > 0, `n${nodes.indexOf(from)} issues`);
    for (const to of nodes)
      assert.ok(to.hybrid.follow(timestamp), `${timestampMs(timestamp) - base.nowMs()} ms ahead`);
  }
}

/** Writes as a client would all the while, so that reservations are made when they are needed. */
async function write(nodes: readonly ClockNode[], base: FakeClock, ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 50) {
    for (const from of nodes) {
      const timestamp = from.hybrid.issue();
      if (timestamp > 0) for (const to of nodes) to.hybrid.follow(timestamp);
    }
    await pass(base, 50);
  }
}

for (const jumpMs of [2 * MAX_DRIFT_MS, HOUR_MS, 30 * DAY_MS, -HOUR_MS]) {
  test(`one clock that jumps by ${jumpMs} ms issues nothing from the jump, says so, and is back at once`, async () => {
    const { base, nodes } = await running(3);
    const [wrong, ...right] = nodes;
    await write(nodes, base, 1000);
    const { ceiling } = wrong;
    wrong.clock.set(jumpMs);
    assert.equal(wrong.hybrid.issue(), 0, 'seen at the next timestamp');
    await pass(base, 300);
    assert.equal(wrong.hybrid.issue(), 0);
    const direction = jumpMs > 0 ? 'ahead of' : 'behind';
    const [condition] = wrong.conditions.list();
    assert.deepEqual([condition.code, condition.stopsWrites], [CLOCK_OFF, true]);
    assert.match(
      condition.message,
      new RegExp(`clock of this node is \\d+ ms or more ${direction} 2 of the 2 `),
    );
    assert.match(wrong.hybrid.refusal ?? '', /takes no writes until the clocks agree/);
    // So long that own time would be far behind, did it slow down for a wall clock that is wrong.
    await write(right, base, 20_000);
    await assertTaken(right, base);
    const theirs = right[0].hybrid.issue();
    assert.ok(wrong.hybrid.follow(theirs), 'as a replica it goes on, by its own time');
    assert.equal(wrong.hybrid.follow(timestampAt(base.nowMs() + jumpMs)), jumpMs < 0, 'and keeps its rule');
    assert.ok(
      wrong.ceiling <= timestampAt(base.nowMs() + RESERVE_AHEAD_MS + MAX_DRIFT_MS),
      'nothing is reserved',
    );
    assert.ok(wrong.ceiling >= ceiling);
    wrong.clock.set(0);
    await pass(base, 600);
    assert.deepEqual(wrong.conditions.list(), []);
    assert.match(wrong.logged.at(-1) ?? '', /The clock of this node is right:/);
    await assertTaken(nodes, base);
    for (const node of right) assert.deepEqual(node.logged, []);
  });
}

test('a clock that jumps again while it is measured waits for the last measurement', async () => {
  const { base, nodes } = await running(3);
  nodes[0].clock.set(HOUR_MS);
  assert.equal(nodes[0].hybrid.issue(), 0);
  nodes[0].clock.set(2 * HOUR_MS);
  assert.equal(nodes[0].hybrid.issue(), 0);
  nodes[0].clock.set(0);
  assert.equal(nodes[0].hybrid.issue(), 0);
  let isTold = false;
  const onTimestamps = (): void => {
    isTold = true;
  };
  nodes[0].hybrid.wait({ onTimestamps });
  await pass(base, 30);
  assert.ok(isTold, 'in the time that an answer takes');
  await assertTaken(nodes, base);
  assert.deepEqual(nodes[0].logged, []);
});

test('all clocks an hour ahead for two seconds: nobody issues from there, and nothing is refused afterwards', async () => {
  const { base, nodes } = await running(3);
  setAll(nodes, HOUR_MS);
  await write(nodes, base, 2000);
  await assertTaken(nodes, base);
  for (const node of nodes) assert.ok((node.issuedAheadMs() ?? HOUR_MS) < MAX_DRIFT_MS);
  setAll(nodes, 0);
  await write(nodes, base, 200);
  await assertTaken(nodes, base);
  for (const node of nodes) assert.ok((node.issuedAheadMs() ?? HOUR_MS) < MAX_DRIFT_MS);
});

test('a jump of all clocks that comes to one after the other is still one of all', async () => {
  const { base, nodes } = await running(3);
  for (const { clock } of nodes) {
    clock.set(HOUR_MS);
    await write(nodes, base, 50);
  }
  await write(nodes, base, 500);
  for (const node of nodes) assert.deepEqual(node.logged, []);
  await assertTaken(nodes, base);
});

for (const [what, count] of [
  ['a cluster', 3],
  ['two nodes', 2],
  ['a single node', 1],
] as const) {
  test(`${what} whose clocks are set forward for good take the step in seconds, and write all the while`, async () => {
    const { base, nodes } = await running(count);
    setAll(nodes, DAY_MS);
    const refused: string[] = [];
    let tookMs = 0;
    for (; tookMs < 20_000; tookMs += 50) {
      await pass(base, 50);
      for (const from of nodes) {
        const timestamp = from.hybrid.issue();
        if (timestamp === 0) continue;
        const takers = nodes.filter((to) => to.hybrid.follow(timestamp)).length;
        if (takers <= count / 2) refused.push(`at ${tookMs} ms only ${takers} took it`);
      }
      if (nodes.every((node) => Math.abs((node.issuedAheadMs() ?? 0) - DAY_MS) < MAX_DRIFT_MS)) break;
    }
    assert.ok(tookMs > 3000 && tookMs < 8000, `${tookMs} ms`);
    assert.deepEqual(refused, []);
    await assertTaken(nodes, base);
  });

  test(`${what} whose clocks are set back for good go on at once, also when all are started again`, async () => {
    const { base, nodes } = await running(count);
    await write(nodes, base, 1000);
    setAll(nodes, -HOUR_MS);
    await write(nodes, base, 200);
    await assertTaken(nodes, base);
    await write(nodes, base, 60_000);
    await assertTaken(nodes, base);
    for (const node of nodes) node.stop();
    for (const node of nodes) node.start();
    await write(nodes, base, 2500);
    await assertTaken(nodes, base);
  });
}

test('a step that ends before most have taken it leaves no node behind, wherever it ends', async () => {
  for (let lastedMs = 3_500; lastedMs < 6_500; lastedMs += 100) {
    const { base, nodes } = await running(3);
    for (const [i, { clock }] of nodes.entries()) {
      clock.set(HOUR_MS);
      await pass(base, 70 * i);
    }
    await write(nodes, base, lastedMs);
    for (const { clock } of nodes) {
      clock.set(0);
      await pass(base, 30);
    }
    await write(nodes, base, 1500);
    const aheadMs = nodes.map((node) => node.issuedAheadMs() ?? Number.NaN);
    await assertTaken(nodes, base);
    for (const each of aheadMs)
      assert.ok(Math.abs(each - aheadMs[0]) < MAX_DRIFT_MS, `after ${lastedMs} ms: ${aheadMs}`);
    for (const node of nodes) {
      node.stop();
      node.start();
      await write(
        nodes.filter((each) => each !== node),
        base,
        1500,
      );
      await assertTaken(nodes, base);
    }
  }
});

test('a step is not issued before most accept it, though the others have seen it later', async () => {
  const { base, nodes } = await running(3);
  setAll(nodes, HOUR_MS);
  await write(nodes, base, 2500);
  for (const node of nodes.slice(1)) {
    node.stop();
    node.start();
  }
  await write(nodes, base, 1300);
  for (let passedMs = 3800; passedMs < 12_000; passedMs += 20) {
    await pass(base, 20);
    const timestamp = nodes[0].hybrid.issue();
    if (timestamp === 0) continue;
    const takers = nodes.filter(({ hybrid }) => hybrid.follow(timestamp)).length;
    assert.ok(takers >= 2, `after ${passedMs} ms ${takers} took it`);
  }
  assert.ok((nodes[0].issuedAheadMs() ?? 0) > HOUR_MS / 2);
  await assertTaken(nodes, base);
});

test('timestamps of a node that has taken the step are accepted at once by nodes that accept the step, which then take it too', async () => {
  const { base, nodes } = await running(3);
  for (const node of nodes) {
    node.clock.set(HOUR_MS);
    await write(nodes, base, 100);
  }
  let first: ClockNode | undefined;
  while (first === undefined) {
    await pass(base, 5);
    for (const { hybrid } of nodes) if (!hybrid.isReady) await settle();
    first = nodes.find((node) => (node.issuedAheadMs() ?? 0) > HOUR_MS / 2);
  }
  const others = nodes.filter((node) => node !== first);
  const behind = others.filter((node) => (node.issuedAheadMs() ?? 0) < HOUR_MS / 2);
  assert.ok(behind.length > 0, 'they measure at moments of their own');
  const timestamp = first.hybrid.issue();
  for (const { hybrid } of behind)
    assert.equal(
      hybrid.follow(timestampAt(base.nowMs() + HOUR_MS / 2)),
      false,
      'between the two there is nothing',
    );
  const takers = behind.filter(({ hybrid }) => hybrid.follow(timestamp));
  assert.ok(takers.length > 0, 'with the first they are most of the nodes');
  for (const { hybrid } of takers) assert.ok(hybrid.time.read() - base.nowMs() > HOUR_MS / 2);
  // A node that had not come so far has its clock measured.
  await pass(base, 60);
  await assertTaken(nodes, base);
});

test('measurements from before a jump no longer count', async () => {
  const { base, nodes } = await running(4);
  for (const node of nodes.slice(2)) node.stop();
  setAll(nodes.slice(0, 2), HOUR_MS);
  await write(nodes.slice(0, 2), base, 100);
  await assertTaken(nodes.slice(0, 2), base);
});

test('a refused timestamp makes the node measure the clocks, because it may itself be wrong', async () => {
  const { base, nodes } = await running(2);
  const asked: boolean[] = [];
  nodes[0].hybrid.time.onDoubt = (hasJumped) => void asked.push(hasJumped);
  assert.equal(nodes[0].hybrid.follow(timestampAt(base.nowMs() + HOUR_MS)), false);
  assert.deepEqual(asked, [false]);
});

test('one node started again while all clocks are an hour ahead begins where the others are', async () => {
  const { base, nodes } = await running(3);
  await write(nodes, base, 1000);
  setAll(nodes, HOUR_MS);
  await write(nodes, base, 300);
  nodes[0].stop();
  await write(nodes.slice(1), base, 300);
  nodes[0].start();
  await write(nodes, base, 1300);
  setAll(nodes, 0);
  await write(nodes, base, 1000);
  await assertTaken(nodes, base);
  for (const node of nodes) assert.ok((node.issuedAheadMs() ?? HOUR_MS) < MAX_DRIFT_MS);
});

test('all nodes started again while their clocks are an hour ahead begin where they were', async () => {
  const { base, nodes } = await running(3);
  await write(nodes, base, 1000);
  setAll(nodes, HOUR_MS);
  for (const node of nodes) node.stop();
  await pass(base, 300);
  for (const node of nodes) node.start();
  await write(nodes, base, 1700);
  setAll(nodes, 0);
  await write(nodes, base, 1000);
  await assertTaken(nodes, base);
  for (const node of nodes) assert.ok((node.issuedAheadMs() ?? HOUR_MS) < RESERVE_AHEAD_MS);
});

test('a node that was away for a day takes the time from the others at once', async () => {
  const { base, nodes } = await running(3);
  await write(nodes, base, 500);
  nodes[0].stop();
  base.advance(DAY_MS);
  await write(nodes.slice(1), base, 1000);
  nodes[0].start();
  await pass(base, 200);
  nodes[0].hybrid.issue();
  await settle();
  assert.ok(Math.abs(nodes[0].issuedAheadMs() ?? DAY_MS) <= 1);
  await assertTaken(nodes, base);
});

test('a node that starts with a wrong clock does not write, and takes what the others write', async () => {
  for (const isNew of [true, false]) {
    for (const wrongMs of [HOUR_MS, -HOUR_MS]) {
      const { base, nodes } = await running(3);
      await write(nodes, base, 1000);
      nodes[0].stop();
      if (isNew) nodes[0].ceiling = 0;
      nodes[0].clock.set(wrongMs);
      nodes[0].start();
      await write(nodes, base, 1000);
      assert.equal(nodes[0].hybrid.issue(), 0);
      assert.equal(nodes[0].conditions.list()[0]?.code, CLOCK_OFF);
      const theirs = nodes[1].hybrid.issue();
      assert.ok(nodes[0].hybrid.follow(theirs));
      assert.equal(nodes[0].hybrid.follow(timestampAt(base.nowMs() + HOUR_MS)), false);
      nodes[0].clock.set(0);
      await write(nodes, base, 2000);
      await assertTaken(nodes, base);
    }
  }
});

test('an emptied node joins a cluster whose own time is behind, at that time', async () => {
  for (const count of [2, 3]) {
    const { base, nodes } = await running(count);
    setAll(nodes, -HOUR_MS);
    await write(nodes, base, 1000);
    nodes[0].stop();
    nodes[0].ceiling = 0;
    nodes[0].start();
    await write(nodes, base, 1000);
    await assertTaken(nodes, base);
  }
});

for (const up of [5, 3]) {
  test(`an emptied node that starts while all clocks are an hour ahead begins where the others are: ${up} of 5 run`, async () => {
    const { base, nodes } = await running(5);
    const others = nodes.slice(1, up);
    for (const node of nodes.slice(up)) node.stop();
    await write(nodes.slice(0, up), base, 1000);
    setAll(nodes, HOUR_MS);
    await write(nodes.slice(0, up), base, 300);
    nodes[0].stop();
    nodes[0].ceiling = 0;
    nodes[0].start();
    // Where some do not run, it waits a moment for them.
    await write(others, base, up === 5 ? 100 : 500);
    await assertTaken(nodes.slice(0, up), base);
    assert.ok((nodes[0].issuedAheadMs() ?? HOUR_MS) < MAX_DRIFT_MS, 'it did not trust its wall clock');
    await write(nodes.slice(0, up), base, 8_000);
    await assertTaken(nodes.slice(0, up), base);
    for (const node of nodes.slice(0, up))
      assert.ok((node.issuedAheadMs() ?? 0) > HOUR_MS / 2, 'all have taken the step together');
  });
}

test('an emptied node waits for those that may know the time, though most wall clocks agree before', async () => {
  const { base, nodes } = await running(5);
  await write(nodes, base, 1000);
  setAll(nodes, HOUR_MS);
  await write(nodes, base, 300);
  // The first two that answer know no more than the one that asks.
  for (const node of nodes.slice(0, 3)) {
    node.stop();
    node.ceiling = 0;
  }
  for (const node of nodes.slice(0, 3)) node.start();
  await pass(base, 100);
  await assertTaken(nodes, base);
  for (const node of nodes) assert.ok((node.issuedAheadMs() ?? HOUR_MS) < MAX_DRIFT_MS);
});

test('new nodes wait for one that they have not reached yet, because it may know the time', async () => {
  const { base, nodes } = await running(3);
  setAll(nodes, HOUR_MS);
  await write(nodes, base, 10_000);
  setAll(nodes, 0);
  await write(nodes, base, 500);
  const [old, ...others] = nodes;
  for (const node of others) {
    node.stop();
    node.ceiling = 0;
  }
  old.isUp = false;
  for (const node of others) node.start();
  await pass(base, 50);
  for (const node of others) assert.equal(node.hybrid.time.isKnown, false);
  old.isUp = true;
  await pass(base, 150);
  await assertTaken(nodes, base);
  for (const node of nodes) assert.ok((node.issuedAheadMs() ?? 0) > HOUR_MS / 2, 'they go on where it is');
});

test('new nodes wait for one that stays away a moment and no longer, and writes wait with them', async () => {
  const base = new FakeClock();
  const nodes = clockNodes(3, base);
  nodes[0].start();
  // Alone it does not know the time however long it waits.
  await pass(base, 400);
  nodes[1].start();
  await pass(base, 250);
  for (const { hybrid } of nodes.slice(0, 2))
    assert.deepEqual([hybrid.time.isKnown, hybrid.refusal], [false, undefined]);
  await pass(base, 550);
  await assertTaken(nodes.slice(0, 2), base);
});

test('two nodes whose clocks differ: nobody can tell which is wrong, and neither writes', async () => {
  const { base, nodes } = await running(2);
  nodes[0].clock.set(HOUR_MS);
  await pass(base, 1000);
  for (const node of nodes) {
    assert.equal(node.hybrid.issue(), 0);
    assert.match(node.hybrid.refusal ?? '', /1 of the 1 other/);
  }
  nodes[1].stop();
  await pass(base, 3000);
  await assertTaken(nodes.slice(0, 1), base);
  nodes[1].start();
  await pass(base, 1000);
  for (const node of nodes) assert.equal(node.hybrid.issue(), 0);
  nodes[0].clock.set(0);
  await pass(base, 1000);
  await assertTaken(nodes, base);
});

test('when two of three nodes are left and differ, neither writes', async () => {
  const { base, nodes } = await running(3);
  nodes[2].stop();
  nodes[0].clock.set(HOUR_MS);
  await pass(base, 3000);
  for (const node of nodes.slice(0, 2)) assert.equal(node.hybrid.issue(), 0);
  nodes[2].start();
  await write(nodes, base, 3000);
  assert.equal(nodes[0].hybrid.issue(), 0);
  await assertTaken(nodes.slice(1), base);
});

test('a node that starts while its clock is ahead brings nobody ahead, not as far as it had reserved either', async () => {
  for (const isAlone of [false, true]) {
    const { base, nodes } = await running(3);
    await write(nodes, base, 1000);
    const [wrong, ...others] = nodes;
    wrong.stop();
    if (isAlone) for (const node of others) node.isUp = false;
    wrong.clock.set(3 * RESERVE_AHEAD_MS);
    await pass(base, 100);
    wrong.start();
    await pass(base, 900);
    const aheadMs = (node: ClockNode): number => node.hybrid.nowMs() - base.nowMs();
    assert.ok(aheadMs(wrong) <= NOISE_MS, `${aheadMs(wrong)} ms`);
    wrong.clock.set(0);
    for (const node of others) node.isUp = true;
    await write(nodes, base, 3000);
    for (const node of nodes) assert.ok(aheadMs(node) <= NOISE_MS, `${aheadMs(node)} ms`);
    await assertTaken(nodes, base);
  }
});

test('a cluster that starts again at once waits for no time: what was reserved is taken once most clocks agree', async () => {
  const { base, nodes } = await running(3);
  await write(nodes, base, 1000);
  for (const node of nodes) node.stop();
  await pass(base, 2 * RESERVE_AHEAD_MS);
  for (const node of nodes) node.start();
  await pass(base, 150);
  await assertTaken(nodes, base);
});

test('a node that is alone goes on at its own time whatever its clock does', async () => {
  const { base, nodes } = await running(3);
  await write(nodes, base, 500);
  nodes[1].stop();
  nodes[2].stop();
  await pass(base, 3000);
  nodes[0].clock.set(HOUR_MS);
  await write(nodes.slice(0, 1), base, 20_000);
  assert.ok(Math.abs(nodes[0].issuedAheadMs() ?? HOUR_MS) < MAX_DRIFT_MS);
  nodes[0].clock.set(0);
  nodes[1].start();
  nodes[2].start();
  await write(nodes, base, 2000);
  await assertTaken(nodes, base);
});

test('a new node of several does not write before it has seen most of the clocks', async () => {
  const base = new FakeClock();
  const nodes = clockNodes(3, base);
  nodes[0].start();
  await pass(base, 3000);
  assert.equal(nodes[0].hybrid.issue(), 0);
  assert.match(nodes[0].hybrid.refusal ?? '', /does not know the time yet.*more than half of the 3 nodes/);
  assert.equal(nodes[0].hybrid.time.figures().state, 'unmeasured', 'the status does not call it right');
  nodes[1].start();
  await write(nodes.slice(0, 2), base, 1000);
  await assertTaken(nodes.slice(0, 2), base);
  assert.equal(nodes[0].hybrid.time.figures().state, 'right');
  assert.deepEqual(nodes[0].conditions.list(), []);
});

test('a request that waits for a timestamp is told as soon as it is known that none will come', async () => {
  for (const [count, isUp] of [
    [3, false],
    [4, true],
  ] as const) {
    const base = new FakeClock();
    const nodes = clockNodes(count, base);
    nodes[0].start();
    // With one peer of three it knows that its clock is right, and still not the time.
    if (isUp) nodes[1].start();
    const told: (string | undefined)[] = [];
    const waiter = {
      onTimestamps: (): void => {
        const { refusal } = nodes[0].hybrid;
        told.push(refusal);
        if (refusal === undefined) nodes[0].hybrid.wait(waiter);
      },
    };
    await pass(base, 10);
    assert.equal(nodes[0].hybrid.issue(), 0);
    nodes[0].hybrid.wait(waiter);
    while (nodes[0].hybrid.refusal === undefined) await pass(base, 5);
    assert.match(told.at(-1) ?? '', /does not know the time yet/);
  }
});

test('a clock that runs fast is followed as long as it agrees, and not further', async () => {
  const { base, nodes } = await running(3);
  nodes[0].clock.set(0, 20);
  await write(nodes, base, 15_000);
  assert.ok((nodes[0].issuedAheadMs() ?? 0) > 100);
  for (let passedMs = 0; passedMs < 15_000; passedMs += 50) {
    await pass(base, 50);
    const timestamp = nodes[0].hybrid.issue();
    for (const { hybrid } of nodes) assert.ok(hybrid.follow(timestamp), `${passedMs} ms later`);
  }
  assert.equal(nodes[0].hybrid.issue(), 0);
  assert.ok(nodes[0].hybrid.follow(nodes[1].hybrid.issue()));
  nodes[0].clock.set(0);
  await write(nodes, base, 700);
  await assertTaken(nodes, base);
});

test('small steps add up to a large one', async () => {
  const { nodes } = await running(3);
  for (let offsetMs = 0; offsetMs <= 900; offsetMs += 300) {
    nodes[0].clock.set(offsetMs);
    const issued = nodes[0].hybrid.issue();
    if (issued > 0) for (const node of nodes) assert.ok(node.hybrid.follow(issued), `at ${offsetMs} ms`);
  }
  assert.equal(nodes[0].hybrid.issue(), 0);
});

test('questions that come late show all other nodes ahead, and carry none of them forward', async () => {
  const base = new FakeClock();
  let lateMs = 0;
  const maxDriftMs = 50;
  const nodes = clockNodes(3, base, (isQuestion) => (isQuestion ? 1 + lateMs : 1), maxDriftMs);
  for (const node of nodes) {
    node.start();
    await pass(base, 20);
  }
  await write(nodes, base, 1_000);
  // As behind a link that was blocked until now, again and again: half of it is taken for a difference of clocks.
  lateMs = 390;
  await write(nodes, base, 10_000);
  for (const { hybrid } of nodes)
    assert.ok(hybrid.nowMs() - base.nowMs() <= maxDriftMs, `${hybrid.nowMs() - base.nowMs()} ms ahead`);
});

test('own times that are ahead of clocks which are right come back to them, none held up by what others had before', async () => {
  const { base, nodes } = await running(3);
  setAll(nodes, 2_000);
  await write(nodes, base, 8_000);
  for (const node of nodes) assert.ok((node.issuedAheadMs() ?? 0) >= 2_000, 'they have followed');
  setAll(nodes, 0);
  // It loses a sixteenth of the time that passes.
  await write(nodes, base, 16 * 2_000 + 2_000);
  for (const { hybrid } of nodes)
    assert.ok(hybrid.nowMs() - base.nowMs() <= 50, `${hybrid.nowMs() - base.nowMs()} ms ahead`);
});

test('a process that stood still for ten seconds comes back right', async () => {
  const { base, nodes } = await running(3);
  await write(nodes, base, 500);
  // The others saw nothing of this one, and this one nothing of them; both its clocks went on.
  nodes[0].isUp = false;
  await write(nodes.slice(1), base, 10_000);
  nodes[0].isUp = true;
  await write(nodes, base, 200);
  await assertTaken(nodes, base);
  for (const node of nodes) assert.deepEqual(node.logged, []);
});

for (const suspended of [1, 3]) {
  test(`${suspended} of 3 machines that were suspended, their monotonic clocks as well, come back right`, async () => {
    const { base, nodes } = await running(3);
    await write(nodes, base, 500);
    const others = nodes.slice(suspended);
    const sleepers = nodes.slice(0, suspended);
    for (const node of sleepers) {
      node.isUp = false;
      node.clock.suspend();
    }
    if (others.length > 0) await write(others, base, 60_000);
    else base.advance(60_000);
    for (const node of sleepers) {
      node.isUp = true;
      node.clock.resume();
    }
    // Where all were, their wall clocks have made a step for good: it takes seconds until that is believed.
    await write(nodes, base, others.length > 0 ? 300 : 8_000);
    await assertTaken(nodes, base);
    for (const node of nodes) {
      const aheadMs = node.issuedAheadMs() ?? Number.NaN;
      assert.ok(Math.abs(aheadMs) < MAX_DRIFT_MS, `${aheadMs} ms`);
    }
  });
}

test('a clock that shows an impossible time is reported, and nothing is issued by it', async () => {
  for (const count of [1, 3]) {
    for (const [wrong, year] of [
      [0, 1970],
      [Date.UTC(2093, 8, 8), 2093],
      [Date.UTC(2200, 0, 1), 2200],
    ]) {
      const base = new FakeClock(wrong);
      const nodes = clockNodes(count, base);
      for (const node of nodes) node.start();
      await pass(base, 1000);
      for (const node of nodes) {
        assert.equal(node.hybrid.issue(), 0);
        assert.match(node.conditions.list()[0].message, new RegExp(`shows ${year}-.*cannot be`));
        assert.equal(node.ceiling, 0);
      }
      base.setWallMs(Date.UTC(2026, 0, 1));
      await pass(base, 1500);
      for (const node of nodes) node.hybrid.issue();
      await settle();
      await assertTaken(nodes, base);
      for (const node of nodes) assert.ok(Math.abs(node.issuedAheadMs() ?? DAY_MS) < MAX_DRIFT_MS);
    }
  }
});
