import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { createIdentity, inspectFolder } from '../../../../src/replica/identity.ts';
import type { Identity } from '../../../../src/replica/identity-file.ts';
import { IdentityStore } from '../../../../src/replica/identity-store.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { FailingDisk, POWER_LOSS } from '../../../support/failing-disk.ts';

const OWNER = { clusterId: 'demo', nodeId: 'node-1' };
const FOLDER = '/data/node-1';

async function setUp() {
  const disk = new FailingDisk();
  const identity = await createIdentity(disk, FOLDER, {
    ...OWNER,
    nowMs: 0,
    random: seededRandom(1),
    whole: 'unproven',
    clockCeiling: 0,
  });
  disk.changes.length = 0;
  const clock = new FakeClock();
  return { disk, clock, store: new IdentityStore(disk, FOLDER, identity, clock) };
}

/** Waits for it while time goes by. */
async function ended(promise: Promise<unknown>, clock: FakeClock): Promise<void> {
  let isEnded = false;
  const noted = promise.finally(() => {
    isEnded = true;
  });
  while (!isEnded) {
    clock.advance(50);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await noted;
}

function onDisk(disk: MemoryFileSystem): Identity {
  const identity = inspectFolder(disk, FOLDER, OWNER);
  assert.ok(identity !== null);
  return identity;
}

test('an update is durable when it ends', async () => {
  const { disk, store } = await setUp();
  await store.update({ whole: 'whole', clockCeiling: 9 });
  assert.deepEqual(disk.changes, ['create', 'write', 'fdatasync', 'rename', 'syncDirectory']);
  assert.deepEqual(onDisk(disk.crash(POWER_LOSS)), store.current);
  assert.equal(store.current.whole, 'whole');
});

test('a clock ceiling never goes back', async () => {
  const { store } = await setUp();
  await store.update({ clockCeiling: 9 });
  await store.update({ clockCeiling: 4 });
  await store.update({ whole: 'whole' });
  assert.equal(store.current.clockCeiling, 9);
});

test('a hurry of updates costs two writes, and each ends only when it is durable', async () => {
  const { disk, store } = await setUp();
  await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      await store.update({ clockCeiling: i + 1 });
      assert.ok(onDisk(disk.crash(POWER_LOSS)).clockCeiling >= i + 1);
    }),
  );
  assert.equal(disk.changes.length, 10);
});

test('settled waits for every update', async () => {
  const { disk, store } = await setUp();
  void store.update({ clockCeiling: 1 });
  void store.update({ clockCeiling: 2 });
  await store.settled();
  assert.equal(onDisk(disk.crash(POWER_LOSS)).clockCeiling, 2);
  await store.settled();
});

test('a failed write is reported, and every later update is refused', async () => {
  const { disk, store } = await setUp();
  // The folder's sync.
  disk.failAt = 4;
  const results = await Promise.allSettled([
    store.update({ clockCeiling: 1 }),
    store.update({ clockCeiling: 2 }),
  ]);
  assert.deepEqual(
    results.map((result) => result.status),
    ['rejected', 'rejected'],
  );
  await assert.rejects(store.update({ clockCeiling: 3 }), /cannot be used/);
  await assert.rejects(store.settled(), /cannot be used/);
  assert.match(
    (await store.failed).message,
    /^The data folder \/data\/node-1 cannot be used \(EIO: i\/o error, syncDirectory .*\): /,
  );
});

test('a power cut at any call keeps the last acknowledged identity or a newer one', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: 20 }),
      fc.constantFrom('lost', 'kept', 'torn'),
      fc.constantFrom('lost', 'kept', 'torn'),
      fc.array(fc.nat({ max: 1 }), { minLength: 1, maxLength: 6 }),
      async (failAt, names, bytes, pauses) => {
        const { disk, clock, store } = await setUp();
        disk.failAt = failAt;
        let acknowledged = 0;
        const updates: Promise<void>[] = [];
        for (const [i, pause] of pauses.entries()) {
          const update = store.update({ clockCeiling: i + 1 }).then(
            () => {
              acknowledged = Math.max(acknowledged, i + 1);
            },
            () => {},
          );
          updates.push(update);
          if (pause === 1) await ended(update, clock);
        }
        await ended(Promise.all(updates), clock);
        const { clockCeiling } = onDisk(disk.crash({ bytes, names, random: seededRandom(failAt) }));
        assert.ok(
          clockCeiling >= acknowledged,
          `${clockCeiling} is on disk, ${acknowledged} was acknowledged`,
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('an update that was refused before the rename is tried again by itself until it is written', async () => {
  for (const failure of ['ENOSPC', 'EROFS', 'EMFILE', 'EACCES', 'EIO']) {
    for (const call of [0, 1, 3]) {
      const { disk, clock, store } = await setUp();
      const told: (string | undefined)[] = [];
      store.onRefused = (refusal) => void told.push(refusal?.message);
      disk.failAt = call;
      disk.failure = failure;
      await ended(assert.rejects(store.update({ clockCeiling: 5 }), new RegExp(failure)), clock);
      assert.match(store.refusal?.message ?? '', new RegExp(failure));
      assert.equal(onDisk(disk).clockCeiling, 0, 'the disk is as it was');
      disk.failAt = Number.POSITIVE_INFINITY;
      clock.advance(500);
      await store.settled();
      assert.equal(onDisk(disk.crash(POWER_LOSS)).clockCeiling, 5);
      assert.deepEqual([store.refusal, told.length, told[1]], [null, 2, undefined]);
      assert.equal(clock.pendingTimers, 0);
    }
  }
});

test('a start that could not be noted is noted with the first write that succeeds', async () => {
  const { disk, clock, store } = await setUp();
  disk.failAt = 0;
  disk.failure = 'EROFS';
  await ended(assert.rejects(store.begin(7)), clock);
  assert.deepEqual([store.isBegun, store.durable.history.starts], [false, []]);
  await ended(store.settled(), clock);
  assert.equal(clock.pendingTimers, 0, 'a store that was let go of tries no more');
  disk.failAt = Number.POSITIVE_INFINITY;
  store.advanceSoon(3);
  await store.settled();
  assert.equal(store.isBegun, true);
  assert.deepEqual(onDisk(disk).history, { progress: 2, starts: [{ id: 7, from: 1 }] });
});

test('an update that may wait goes with the next write, or is written within a second', async () => {
  const { disk, clock, store } = await setUp();
  store.advanceSoon(7);
  await store.update({ clockCeiling: 5 });
  assert.equal(disk.changes.length, 5);
  assert.deepEqual(onDisk(disk), store.current);
  assert.deepEqual([store.current.newestTimestamp, store.current.history.progress], [7, 2]);
  clock.advance(1_000);
  await store.settled();
  assert.equal(disk.changes.length, 5, 'nothing was left to write');
  store.advanceSoon(8);
  await store.settled();
  assert.equal(disk.changes.length, 10, 'at the end nothing waits');
  for (let i = 9; i < 20; i++) store.advanceSoon(i);
  store.advanceSoon(3);
  clock.advance(1_000);
  await store.update({});
  assert.equal(disk.changes.length, 20, 'one write by the clock, one asked for');
  assert.equal(onDisk(disk.crash(POWER_LOSS)).newestTimestamp, 19);
});
