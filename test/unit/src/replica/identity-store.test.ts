import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../../src/clock.ts';
import { createIdentity, inspectFolder } from '../../../../src/replica/identity.ts';
import type { Identity } from '../../../../src/replica/identity-file.ts';
import { IdentityStore } from '../../../../src/replica/identity-store.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { MemoryFolderFiles } from '../../../support/memory-folder-files.ts';

const OWNER = { clusterId: 'demo', nodeId: 'node-1' };
const FOLDER = '/data/node-1';

async function setUp() {
  const files = new MemoryFolderFiles();
  const identity = await createIdentity(
    FOLDER,
    { ...OWNER, nowMs: 0, random: seededRandom(1), whole: 'unproven', clockCeiling: 0 },
    files,
  );
  files.calls.length = 0;
  const clock = new FakeClock();
  return { files, clock, store: new IdentityStore(FOLDER, identity, files, clock) };
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

async function onDisk(files: MemoryFolderFiles): Promise<Identity> {
  const identity = await inspectFolder(FOLDER, OWNER, files);
  assert.ok(identity !== null);
  return identity;
}

test('an update is durable when it ends', async () => {
  const { files, store } = await setUp();
  await store.update({ whole: 'whole', clockCeiling: 9 });
  assert.deepEqual(files.calls, ['write', 'rename', 'syncFolder']);
  assert.deepEqual(await onDisk(files.afterPowerCut(false, false)), store.current);
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
  const { files, store } = await setUp();
  await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      await store.update({ clockCeiling: i + 1 });
      assert.ok((await onDisk(files.afterPowerCut(false, false))).clockCeiling >= i + 1);
    }),
  );
  assert.equal(files.calls.length, 6);
});

test('settled waits for every update', async () => {
  const { files, store } = await setUp();
  void store.update({ clockCeiling: 1 });
  void store.update({ clockCeiling: 2 });
  await store.settled();
  assert.equal((await onDisk(files.afterPowerCut(false, false))).clockCeiling, 2);
  await store.settled();
});

test('a failed write is reported, and every later update is refused', async () => {
  const { files, store } = await setUp();
  // The folder's sync.
  files.failAt = 2;
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
    /^The data folder \/data\/node-1 cannot be used \(EIO: planted\): /,
  );
});

test('a power cut at any call keeps the last acknowledged identity or a newer one', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: 12 }),
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.nat({ max: 1 }), { minLength: 1, maxLength: 6 }),
      async (failAt, keepNames, keepBytes, pauses) => {
        const { files, clock, store } = await setUp();
        files.failAt = failAt;
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
        const { clockCeiling } = await onDisk(files.afterPowerCut(keepNames, keepBytes));
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
    for (const call of [0, 1]) {
      const { files, clock, store } = await setUp();
      const told: (string | undefined)[] = [];
      store.onRefused = (refusal) => void told.push(refusal?.message);
      files.failAt = call;
      files.failure = failure;
      await ended(assert.rejects(store.update({ clockCeiling: 5 }), new RegExp(failure)), clock);
      assert.match(store.refusal?.message ?? '', new RegExp(failure));
      assert.equal((await onDisk(files)).clockCeiling, 0, 'the disk is as it was');
      files.failAt = Number.POSITIVE_INFINITY;
      clock.advance(500);
      await store.settled();
      assert.equal((await onDisk(files.afterPowerCut(false, false))).clockCeiling, 5);
      assert.deepEqual([store.refusal, told.length, told[1]], [null, 2, undefined]);
      assert.equal(clock.pendingTimers, 0);
    }
  }
});

test('a start that could not be noted is noted with the first write that succeeds', async () => {
  const { files, clock, store } = await setUp();
  files.failAt = 0;
  files.failure = 'EROFS';
  await ended(assert.rejects(store.begin(7)), clock);
  assert.deepEqual([store.isBegun, store.durable.history.starts], [false, []]);
  await ended(store.settled(), clock);
  assert.equal(clock.pendingTimers, 0, 'a store that was let go of tries no more');
  files.failAt = Number.POSITIVE_INFINITY;
  store.advanceSoon(3);
  await store.settled();
  assert.equal(store.isBegun, true);
  assert.deepEqual((await onDisk(files)).history, { progress: 2, starts: [{ id: 7, from: 1 }] });
});

test('an update that may wait goes with the next write, or is written within a second', async () => {
  const { files, clock, store } = await setUp();
  store.advanceSoon(7);
  await store.update({ clockCeiling: 5 });
  assert.equal(files.calls.length, 3);
  assert.deepEqual(await onDisk(files), store.current);
  assert.deepEqual([store.current.newestTimestamp, store.current.history.progress], [7, 2]);
  clock.advance(1_000);
  await store.settled();
  assert.equal(files.calls.length, 3, 'nothing was left to write');
  store.advanceSoon(8);
  await store.settled();
  assert.equal(files.calls.length, 6, 'at the end nothing waits');
  for (let i = 9; i < 20; i++) store.advanceSoon(i);
  store.advanceSoon(3);
  clock.advance(1_000);
  await store.update({});
  assert.equal(files.calls.length, 12, 'one write by the clock, one asked for');
  assert.equal((await onDisk(files.afterPowerCut(false, false))).newestTimestamp, 19);
});
