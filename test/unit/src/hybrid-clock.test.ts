import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  TIMESTAMP_EPOCH_MS,
  TIMESTAMPS_PER_MS,
  timestampAt,
  timestampMs,
} from '../../../native-free-lsm/index.ts';
import { HybridClock, RESERVE_AHEAD_MS, type TimestampWaiter } from '../../../src/hybrid-clock.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';

const HOUR_MS = 3_600_000;
const MAX_DRIFT_MS = 500;

/** An identity file, which outlives a node. Reservations end when the test lets them. */
class Disk {
  ceiling: number;
  reservations = 0;
  isSlow = false;
  isBroken = false;
  readonly #finish: (() => void)[] = [];

  constructor(ceiling = 0) {
    this.ceiling = ceiling;
  }

  readonly reserve = async (ceiling: number): Promise<void> => {
    this.reservations++;
    if (this.isSlow) await new Promise<void>((resolve) => this.#finish.push(resolve));
    if (this.isBroken) throw new Error('the disk is full');
    assert.ok(ceiling > this.ceiling, 'a ceiling only rises');
    this.ceiling = ceiling;
  };

  async finish(): Promise<void> {
    for (const finish of this.#finish.splice(0)) finish();
    await settle();
  }
}

/** Lets every promise that can go on do so. */
async function settle(): Promise<void> {
  await new Promise<void>((resolve) => process.nextTick(resolve));
  for (let i = 0; i < 10; i++) await null;
}

function telling(onTimestamps: (error: Error | null) => void): TimestampWaiter {
  return { onTimestamps };
}

function make(clock: FakeClock, disk: Disk, maxDriftMs = MAX_DRIFT_MS): HybridClock {
  const { ceiling, reserve } = disk;
  // Alone it asks nobody for the time: own-time.test.ts has the clocks of several.
  return new HybridClock({ clock, clusterSize: 1, ceiling, reserve, maxDriftMs });
}

/** Opens a clock over the disk, letting the time go by that it waits for. */
async function open(clock: FakeClock, disk: Disk, maxDriftMs = MAX_DRIFT_MS): Promise<HybridClock> {
  const hybrid = make(clock, disk, maxDriftMs);
  for (let waitedMs = 0; !hybrid.isReady && waitedMs < 3 * RESERVE_AHEAD_MS; waitedMs++) {
    await settle();
    if (!hybrid.isReady) clock.advance(1);
  }
  return hybrid;
}

test('a timestamp is ms since 2024 and a counter', async () => {
  const clock = new FakeClock(TIMESTAMP_EPOCH_MS + 5000);
  const hybrid = await open(clock, new Disk());
  assert.equal(hybrid.issue(), 5000 * 4096);
  assert.equal(hybrid.issue(), 5000 * 4096 + 1);
  clock.advance(1);
  assert.equal(hybrid.issue(), 5001 * 4096);
  assert.equal(timestampAt(TIMESTAMP_EPOCH_MS + 5000), 5000 * 4096);
  assert.equal(timestampMs(5000 * 4096 + 4095), TIMESTAMP_EPOCH_MS + 5000);
});

test('a counter that is full runs over into the milliseconds', async () => {
  const hybrid = await open(new FakeClock(TIMESTAMP_EPOCH_MS + 5000), new Disk());
  let last = 0;
  for (let i = 0; i <= TIMESTAMPS_PER_MS; i++) last = hybrid.issue();
  assert.equal(last, 5001 * 4096);
});

type Step =
  | { readonly do: 'issue'; readonly count: number }
  | { readonly do: 'advance' | 'jump'; readonly ms: number }
  | { readonly do: 'observe'; readonly aheadMs: number }
  | { readonly do: 'restart'; readonly isLong: boolean }
  | { readonly do: 'finish' | 'slow' | 'fast' | 'break' | 'mend' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('issue'), count: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('advance'), ms: fc.integer({ min: 0, max: 1500 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('jump'),
      ms: fc.integer({ min: -5 * HOUR_MS, max: 5 * HOUR_MS }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('observe'), aheadMs: fc.integer({ min: -900, max: 900 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart'), isLong: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('finish', 'slow', 'fast', 'break', 'mend') }),
  },
);

test('rises strictly and stays below what is durable, however the wall clock, the disk and restarts go', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const clock = new FakeClock();
      let disk = new Disk();
      let hybrid = await open(clock, disk);
      let last = 0;
      const issue = (): void => {
        const timestamp = hybrid.issue();
        if (timestamp === 0) return;
        assert.ok(timestamp > last, `${timestamp} after ${last}`);
        assert.ok(timestamp < disk.ceiling, `${timestamp} is above ${disk.ceiling}`);
        assert.ok(Number.isSafeInteger(timestamp));
        last = timestamp;
      };
      for (const each of steps) {
        if (each.do === 'issue') for (let i = 0; i < each.count; i++) issue();
        else if (each.do === 'advance') clock.advance(each.ms);
        else if (each.do === 'jump') {
          clock.setWallMs(clock.nowMs() + each.ms);
          hybrid.time.judge(true);
        } else if (each.do === 'observe') {
          const timestamp = timestampAt(hybrid.time.read() + each.aheadMs);
          if (hybrid.follow(timestamp)) {
            const next = hybrid.issue();
            assert.ok(next === 0 || next > timestamp, 'what is issued lies above what was observed');
            if (next !== 0) last = next;
          }
        } else if (each.do === 'restart') {
          // Killed: what was being written never arrives.
          disk = new Disk(disk.ceiling);
          hybrid = await open(clock, disk);
          if (each.isLong) clock.advance(3 * RESERVE_AHEAD_MS);
        } else if (each.do === 'slow' || each.do === 'fast') disk.isSlow = each.do === 'slow';
        else if (each.do === 'break' || each.do === 'mend') disk.isBroken = each.do === 'break';
        else await disk.finish();
        await settle();
      }
    }),
    { numRuns: 300 },
  );
});

test('the ceiling is raised while half of what was reserved is left', async () => {
  const clock = new FakeClock();
  const disk = new Disk();
  const hybrid = await open(clock, disk);
  assert.equal(disk.ceiling, timestampAt(clock.nowMs() + RESERVE_AHEAD_MS));
  clock.advance(RESERVE_AHEAD_MS / 2);
  hybrid.issue();
  await settle();
  assert.equal(disk.reservations, 1);
  clock.advance(1);
  hybrid.issue();
  hybrid.issue();
  await settle();
  assert.equal(disk.reservations, 2, 'once, however many ask');
  assert.equal(disk.ceiling, timestampAt(clock.nowMs() + RESERVE_AHEAD_MS));
});

test('with nothing reserved there is no timestamp until the disk is done', async () => {
  const clock = new FakeClock();
  const disk = new Disk();
  const hybrid = await open(clock, disk);
  disk.isSlow = true;
  clock.advance(RESERVE_AHEAD_MS);
  assert.equal(hybrid.issue(), 0, 'the ceiling itself is not reserved');
  clock.advance(HOUR_MS);
  assert.equal(hybrid.issue(), 0);
  const told: unknown[] = [];
  hybrid.wait(telling((error) => told.push(error)));
  assert.equal(hybrid.issue(), 0);
  assert.deepEqual(told, []);
  await disk.finish();
  assert.deepEqual(told, [null]);
  assert.equal(hybrid.issue(), 0, 'what was asked for an hour ago is used up by now');
  await disk.finish();
  assert.equal(hybrid.issue(), timestampAt(clock.nowMs()), 'no older than the wall clock');
});

test('a waiter that stops waiting is not told, even when a waiter told before it stops it; one that waits again is told again', async () => {
  const clock = new FakeClock();
  const disk = new Disk();
  const hybrid = await open(clock, disk);
  disk.isSlow = true;
  clock.advance(HOUR_MS);
  assert.equal(hybrid.issue(), 0);
  const told: string[] = [];
  const away = telling(() => told.push('away'));
  const late = telling(() => told.push('late'));
  const again = telling(() => {
    told.push('again');
    hybrid.stopWaiting(late);
    if (told.length === 1) hybrid.wait(again);
  });
  for (const waiter of [away, again, late]) hybrid.wait(waiter);
  hybrid.stopWaiting(away);
  await disk.finish();
  assert.deepEqual(told, ['again']);
  clock.advance(HOUR_MS);
  assert.equal(hybrid.issue(), 0);
  await disk.finish();
  assert.deepEqual(told, ['again', 'again']);
});

test('a reservation that fails is told, and tried again by the next who asks', async () => {
  const clock = new FakeClock();
  const disk = new Disk();
  const hybrid = await open(clock, disk);
  disk.isBroken = true;
  clock.advance(HOUR_MS);
  assert.equal(hybrid.issue(), 0);
  const told: string[] = [];
  hybrid.wait(telling((error) => told.push(error === null ? 'reserved' : error.message)));
  await settle();
  assert.deepEqual(told, ['the disk is full']);
  disk.isBroken = false;
  assert.equal(hybrid.issue(), 0);
  hybrid.wait(telling((error) => told.push(error === null ? 'reserved' : error.message)));
  await settle();
  assert.deepEqual(told, ['the disk is full', 'reserved']);
  assert.ok(hybrid.issue() > 0);
});

test('a node that cannot reserve at its start issues nothing until it can', async () => {
  const disk = new Disk();
  disk.isBroken = true;
  const hybrid = make(new FakeClock(), disk);
  const told: string[] = [];
  for (const isBroken of [true, false]) {
    disk.isBroken = isBroken;
    assert.equal(hybrid.issue(), 0);
    hybrid.wait(telling((error) => told.push(error === null ? 'reserved' : error.message)));
    await settle();
  }
  assert.deepEqual(told, ['the disk is full', 'reserved']);
  assert.ok(hybrid.issue() > 0);
});

test('nothing is reserved before it is needed, and then the node says when it is ready', async () => {
  const clock = new FakeClock();
  const disk = new Disk();
  const hybrid = make(clock, disk);
  assert.equal(hybrid.follow(timestampAt(clock.nowMs())), true);
  assert.equal(disk.reservations, 0);
  assert.equal(hybrid.isReady, false);
  let isTold = false;
  hybrid.wait(
    telling((error) => {
      isTold = error === null;
    }),
  );
  await settle();
  assert.deepEqual([isTold, hybrid.isReady, disk.reservations], [true, true, 1]);
});

test('with the clock set back by hours it goes on from where it was, also after a restart', async () => {
  const clock = new FakeClock();
  const disk = new Disk();
  const hybrid = await open(clock, disk);
  const before = hybrid.issue();
  clock.setWallMs(clock.nowMs() - 3 * HOUR_MS);
  assert.equal(hybrid.issue(), before + 1);
  const { ceiling } = disk;
  const startedMs = clock.monotonicMs();
  const restarted = await open(clock, disk);
  assert.equal(restarted.issue(), ceiling);
  assert.ok(
    clock.monotonicMs() - startedMs <= 2 * RESERVE_AHEAD_MS,
    'and waits for no more than was reserved',
  );
});

test('a node killed and started at once waits until peers with right clocks take its timestamps', async () => {
  for (const downMs of [0, 100, 700, 5000]) {
    const clock = new FakeClock();
    const disk = new Disk();
    const peer = await open(clock, new Disk());
    const hybrid = await open(clock, disk);
    hybrid.issue();
    clock.advance(downMs);
    const startedMs = clock.monotonicMs();
    assert.equal(make(clock, disk).issue(), 0);
    const restarted = await open(clock, disk);
    const waitedMs = clock.monotonicMs() - startedMs;
    assert.equal(waitedMs, Math.max(RESERVE_AHEAD_MS - downMs - MAX_DRIFT_MS / 2, 0));
    const first = restarted.issue();
    assert.ok(peer.follow(first), `down for ${downMs} ms, ahead by ${timestampMs(first) - clock.nowMs()} ms`);
  }
});

test('a node that waits for its own time, and learns from its peers that it is later, waits no longer than it has to', async () => {
  const clock = new FakeClock();
  const disk = new Disk(timestampAt(clock.nowMs() + RESERVE_AHEAD_MS));
  const { ceiling, reserve } = disk;
  const hybrid = new HybridClock({ clock, clusterSize: 3, ceiling, reserve, maxDriftMs: MAX_DRIFT_MS });
  const wallOffsetMs = clock.nowMs();
  hybrid.time.judge(true);
  const told: number[] = [];
  const waiter = telling(() => {
    told.push(clock.monotonicMs());
    if (!hybrid.isReady) hybrid.wait(waiter);
  });
  assert.equal(hybrid.issue(), 0);
  hybrid.wait(waiter);
  clock.advance(100);
  assert.deepEqual(told, []);
  const ownOffsetMs = wallOffsetMs + MAX_DRIFT_MS + 100;
  for (const peer of ['b', 'c']) {
    const times = { wallOffsetMs, ownOffsetMs, acceptOffsetMs: ownOffsetMs, uncertaintyMs: 1 };
    hybrid.time.heard(peer, { ...times, takenAtMs: clock.monotonicMs() });
  }
  hybrid.time.judge(true);
  assert.deepEqual(told, [100], 'it looks again');
  await settle();
  // Half the drift below the ceiling; slower than the wall clock, which is behind.
  for (let waitedMs = 0; waitedMs < 60; waitedMs++) {
    clock.advance(1);
    await settle();
  }
  assert.ok(hybrid.isReady, `told at ${told} ms`);
});

test('killed and started again at once, again and again, it does not run ahead', async () => {
  const clock = new FakeClock();
  const disk = new Disk();
  for (let start = 0; start < 50; start++) {
    const hybrid = await open(clock, disk);
    for (let i = 0; i < 10; i++) hybrid.issue();
    await settle();
  }
  const aheadMs = timestampMs(disk.ceiling) - clock.nowMs();
  assert.ok(aheadMs <= RESERVE_AHEAD_MS + MAX_DRIFT_MS, `${aheadMs} ms`);
});

test('started again while the clock is a day ahead it reserves nothing from there', async () => {
  const clock = new FakeClock();
  const disk = new Disk();
  const before = await open(clock, disk);
  before.issue();
  clock.setWallMs(clock.nowMs() + 24 * HOUR_MS);
  const hybrid = await open(clock, disk);
  hybrid.issue();
  clock.setWallMs(clock.nowMs() - 24 * HOUR_MS);
  const timestamp = hybrid.issue();
  await settle();
  assert.ok(timestampMs(timestamp) - clock.nowMs() <= RESERVE_AHEAD_MS);
  assert.ok(timestampMs(disk.ceiling) - clock.nowMs() <= 2 * RESERVE_AHEAD_MS + MAX_DRIFT_MS);
});

test('one rule holds for timestamps that are issued and accepted, after a jump as before', async () => {
  const clock = new FakeClock();
  const hybrid = await open(clock, new Disk());
  const peer = await open(clock, new Disk());
  clock.setWallMs(clock.nowMs() + HOUR_MS);
  for (let i = 0; i < 100; i++) {
    clock.advance(10);
    const timestamp = hybrid.issue();
    if (timestamp === 0) await settle();
    assert.ok(hybrid.follow(timestamp) && peer.follow(timestamp));
  }
  assert.equal(hybrid.follow(timestampAt(clock.nowMs())), false, 'of a peer that has followed the jump');
});

test('a timestamp is taken up to the drift allowed', async () => {
  const clock = new FakeClock();
  for (const maxDriftMs of [0, 500]) {
    const hybrid = await open(clock, new Disk(), maxDriftMs);
    assert.equal(hybrid.follow(timestampAt(clock.nowMs() + maxDriftMs + 1)), false);
    assert.equal(hybrid.follow(Number.MAX_SAFE_INTEGER), false);
    const latest = timestampAt(clock.nowMs() + maxDriftMs) + 4095;
    assert.equal(hybrid.follow(latest), true);
    assert.equal(hybrid.follow(1), true);
    assert.equal(hybrid.issue(), 0, 'it would not take the next one from a peer');
    let isTold = false;
    hybrid.wait(
      telling(() => {
        isTold = true;
      }),
    );
    clock.advance(1);
    assert.ok(isTold);
    assert.equal(hybrid.issue(), latest + 1);
  }
});

test('nodes whose clocks were all set back go on taking what the others write', async () => {
  const clocks = [new FakeClock(), new FakeClock()];
  const disks = [new Disk(), new Disk()];
  const nodes = await Promise.all(clocks.map((clock, i) => open(clock, disks[i])));
  for (const node of nodes) node.issue();
  for (const clock of clocks) clock.setWallMs(clock.nowMs() - 3 * HOUR_MS);
  // Three million writes: the counter runs over into the milliseconds, past the drift allowed.
  for (let second = 0; second < 20; second++) {
    for (const clock of clocks) clock.advance(1000);
    for (let i = 0; i < 150_000; i++) {
      if (nodes[0].issue() === 0) await settle();
    }
    const timestamp = nodes[0].issue();
    assert.ok(timestamp > 0 && nodes[1].follow(timestamp), `second ${second}`);
    await settle();
  }
  nodes[1] = await open(clocks[1], disks[1]);
  assert.ok(nodes[1].follow(nodes[0].issue()), 'also the one that was started again');
});

test('a peer whose clock runs twice as fast is refused after a while, however often it speaks', async () => {
  const clock = new FakeClock();
  const hybrid = await open(clock, new Disk());
  let theirMs = clock.nowMs();
  let accepted = 0;
  for (let i = 0; i < 200; i++) {
    clock.advance(10);
    theirMs += 20;
    const timestamp = timestampAt(theirMs);
    if (!hybrid.follow(timestamp)) continue;
    accepted++;
    await settle();
  }
  assert.equal(accepted, MAX_DRIFT_MS / 10);
});

test('after small steps back a node soon judges by its wall clock again', async () => {
  const clock = new FakeClock();
  const hybrid = await open(clock, new Disk());
  for (let i = 0; i < 100; i++) {
    clock.setWallMs(clock.nowMs() - 10);
    clock.advance(1000);
    hybrid.time.judge(true);
  }
  assert.equal(hybrid.follow(timestampAt(clock.nowMs() + MAX_DRIFT_MS + 1)), false);
});

test('tells its own time in whole milliseconds, as the engine takes no other', async () => {
  const clock = new FakeClock(Date.UTC(2025, 0, 1) + 0.25);
  const hybrid = await open(clock, new Disk());
  for (let i = 0; i < 20; i++) {
    clock.advance(0.3);
    assert.equal(hybrid.nowMs(), Math.floor(hybrid.time.read()));
  }
});

test('until own time is known, only what others have issued is past, whatever the wall clock shows', () => {
  const clock = new FakeClock();
  const issuedMs = clock.nowMs() - HOUR_MS;
  const disk = new Disk();
  const hybrid = new HybridClock({
    clock,
    clusterSize: 3,
    ceiling: 0,
    reserve: disk.reserve,
    maxDriftMs: MAX_DRIFT_MS,
  });
  assert.equal(hybrid.nowMs(), TIMESTAMP_EPOCH_MS);
  assert.ok(hybrid.follow(timestampAt(issuedMs)));
  assert.equal(hybrid.nowMs(), issuedMs);
});
