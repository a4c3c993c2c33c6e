import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBlockCacheMemory } from '../../../../native-free-lsm/cache/block-cache.ts';
import { completeOptions } from '../../../../native-free-lsm/options.ts';
import { createControl } from '../../../../native-free-lsm/shared/control.ts';
import { createRing } from '../../../../native-free-lsm/shared/ring.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { ReaderChannel } from '../../../../native-free-lsm/store/reader-channel.ts';
import type { WorkerMessage } from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import {
  encodePageRequest,
  pageRequestBytes,
} from '../../../../native-free-lsm/threads/protocol/reader-messages.ts';
import { ReaderRole } from '../../../../native-free-lsm/threads/reader.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

/** A super-version of nothing: no memtable at or above generation 2, no table. */
const SUPER_VERSION: WorkerMessage = {
  type: 'superVersion',
  isCurrent: true,
  id: 1,
  oldestGeneration: 2,
  levels: [],
  quarantine: [],
  added: [],
};
const POINT = { superVersionId: 1, generation: 1, limit: 0 };
const PAGE = {
  start: Buffer.from('key'),
  end: null,
  maxBytes: 1000,
  maxEntries: 10,
  includeTombstones: false,
  encoder: 0,
  nowMs: 0,
};
/** An unknown super-version: the request fails. */
const LOST_POINT = { ...POINT, superVersionId: 2 };

// Main releases what a request held, and pushes what waits for room, when its answer arrives. If the request were given
// back only afterwards and no other answer came, obsolete files and memory would stay.
for (const [name, points] of [
  ['a page', [POINT]],
  ['pages one after another', [POINT, POINT, POINT]],
  ['a page that fails', [LOST_POINT]],
  ['a page behind one that fails', [LOST_POINT, POINT]],
] as const) {
  test(`${name}: the answer is seen only once the request is given back`, (t) => {
    const channel = new ReaderChannel(createRing(4096), createRing(1 << 20), 2);
    const inbox = [SUPER_VERSION];
    const reader = new ReaderRole(
      {
        directory: 'db',
        options: completeOptions({}),
        control: createControl(),
        requests: channel.requestRing,
        responses: channel.responseRing,
        arenas: [],
        thread: channel.thread,
        hashSeed: HASH_SEED,
        number: 1,
        cache: createBlockCacheMemory(1 << 20, HASH_SEED),
      },
      new MemoryFileSystem(),
      () => inbox.shift(),
    );
    for (const [tag, point] of points.entries()) {
      const at = channel.requests.reserve(pageRequestBytes(PAGE));
      encodePageRequest(channel.requests.bytes, at, point, PAGE);
      channel.requests.push(tag);
    }
    channel.requests.publish();
    const unreleasedWhenSeen: number[] = [];
    let answers = 0;
    const store = Atomics.store.bind(Atomics) as (words: Int32Array, index: number, value: number) => number;
    t.mock.method(Atomics, 'store', (words: Int32Array, index: number, value: number) => {
      const stored = store(words, index, value);
      while (channel.responses.nextRun(1)) {
        answers++;
        unreleasedWhenSeen.push(answers - channel.requests.framesCompleted);
        channel.responses.release();
      }
      return stored;
    });
    // Each page has a step of its own: main may ask for one after the other for ever.
    for (let pages = 1; pages <= points.length; pages++) {
      assert.equal(reader.step(), true);
      assert.equal(answers, pages);
    }
    assert.equal(reader.step(), false);
    for (const unreleased of unreleasedWhenSeen) assert.ok(unreleased <= 0, `${unreleased} not given back`);
    reader.close();
  });
}
