import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ThreadRole, ThreadTable } from '../../../../native-free-lsm/shared/thread-table.ts';
import { WaitRecorder } from '../../../../native-free-lsm/shared/wait-recorder.ts';
import { WaitSiteId } from '../../../../native-free-lsm/shared/wait-sites.ts';
import { EngineThreads } from '../../../../native-free-lsm/threads/engine-threads.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

/** Where microseconds no longer fit 32 bits. */
const WRAP_MS = 2 ** 32 / 1000;

/** A thread and those who look at it, each with a clock of its own. */
function scene() {
  const clock = new FakeClock();
  const ofThread = new FakeClock();
  const table = ThreadTable.create(1);
  const recorder = WaitRecorder.ofThread(table.memory, 7, ofThread);
  recorder.become(ThreadRole.reader, 1);
  const threads = new EngineThreads(table, () => [], clock);
  return { clock, ofThread, recorder, threads };
}

test('a wait that has begun after the moment at which it is looked at has taken no time', () => {
  const { ofThread, recorder, threads } = scene();
  ofThread.advance(1);
  threads.recordWaits();
  recorder.begin(WaitSiteId.requests);
  const [{ sites }] = threads.takeWaits();
  assert.deepEqual(
    sites.map(({ count, totalMs }) => ({ count, totalMs })),
    [{ count: 1, totalMs: 0 }],
  );
  assert.equal(sites[0].buckets[0], 1);
});

test('a wait under way has lasted since it began, also where microseconds wrap around', () => {
  for (const beganMs of [5, WRAP_MS / 2 - 1, WRAP_MS - 1]) {
    const { clock, ofThread, recorder, threads } = scene();
    for (const each of [clock, ofThread]) each.advance(beganMs);
    threads.recordWaits();
    recorder.begin(WaitSiteId.read);
    clock.advance(3);
    const [{ sites }] = threads.takeWaits();
    assert.equal(sites.length, 1);
    assert.ok(Math.abs(sites[0].totalMs - 3) < 0.01, `${sites[0].totalMs}`);
  }
});
