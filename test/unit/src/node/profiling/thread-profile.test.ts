import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  NOTHING_USED,
  type Profilable,
  ThreadProfile,
} from '../../../../../src/node/profiling/thread-profile.ts';
import type { ProfileRequest } from '../../../../../src/node-profile.ts';

const REQUEST: ProfileRequest = {
  kinds: ['cpu', 'heap'],
  durationMs: 1000,
  cpuIntervalMs: 1,
  heapIntervalBytes: 1024,
};

/** Counts what is started and not stopped. */
class CountedThread implements Profilable {
  started = 0;
  stopped = 0;
  /** Throws at once, as the calls of the main thread do. */
  refuse: (what: 'cpu' | 'heap' | 'counters') => void = () => undefined;

  startCpuProfile() {
    return this.#start('cpu');
  }

  startHeapProfile() {
    return this.#start('heap');
  }

  counters() {
    this.refuse('counters');
    return Promise.resolve(NOTHING_USED);
  }

  #start(what: 'cpu' | 'heap') {
    this.refuse(what);
    this.started++;
    return {
      stop: () => {
        this.stopped++;
        return what;
      },
    };
  }
}

test('both samplers are started, and stopped with what they have seen', async () => {
  const thread = new CountedThread();
  const profile = await ThreadProfile.begin('main', thread, REQUEST, false);
  assert.deepEqual([thread.started, thread.stopped], [2, 0]);
  assert.deepEqual(await profile.stop(), { cpuJson: 'cpu', heapJson: 'heap' });
  assert.equal(thread.stopped, 2);
});

for (const refused of ['cpu', 'heap', 'counters'] as const) {
  test(`when a thread refuses its ${refused}, nothing that was started goes on`, async () => {
    const thread = new CountedThread();
    const failure = new Error('it has been started already');
    thread.refuse = (what) => {
      if (what === refused) throw failure;
    };
    await assert.rejects(ThreadProfile.begin('main', thread, REQUEST, false), failure);
    assert.equal(thread.started, refused === 'counters' ? 2 : 1);
    assert.equal(thread.stopped, thread.started);
  });
}
