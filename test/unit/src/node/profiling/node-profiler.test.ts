import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import type { EngineThread } from '../../../../../native-free-lsm/index.ts';
import { NodeProfiler } from '../../../../../src/node/profiling/node-profiler.ts';
import type { NodeProfile, ProfileKind } from '../../../../../src/node-profile.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';
import { ALL_WAITS } from '../../../../../src/wait-places.ts';

/** What `WaitPlace.begin` returns while nothing is recorded. */
const NOT_RECORDED = -1;

/** A pool thread that does what it is asked when it is woken, if it ever is. */
class SleepingThread {
  allocatedBytes = 0;
  isDeaf = false;
  running = 0;
  #asked: (() => void)[] = [];

  wake(): void {
    if (this.isDeaf) return;
    for (const answer of this.#asked.splice(0)) answer();
  }

  thread(name: string): EngineThread {
    const when = <T>(answer: () => T): Promise<T> =>
      new Promise((resolve) => this.#asked.push(() => resolve(answer())));
    const start = () =>
      when(() => {
        this.running++;
        const stop = () =>
          when(() => {
            this.running--;
            return '{"of":"the thread"}';
          });
        return { stop, [Symbol.asyncDispose]: async () => undefined };
      });
    const handle = {
      startCpuProfile: start,
      startHeapProfile: start,
      cpuUsage: () => when(() => ({ user: 1000, system: 1000 })),
      getHeapStatistics: () => when(() => ({ total_allocated_bytes: this.allocatedBytes })),
      performance: { eventLoopUtilization: () => ({ idle: 0, active: 0, utilization: 0 }) },
    };
    return { name, handle: handle as unknown as EngineThread['handle'] };
  }
}

class Fixture {
  readonly clock = new FakeClock();
  readonly warned: string[] = [];
  readonly sleepers = new Map<string, SleepingThread>();
  readonly profiler: NodeProfiler;
  onTakeWaits: () => void = () => undefined;

  constructor(...names: string[]) {
    for (const name of names) this.sleepers.set(name, new SleepingThread());
    this.profiler = new NodeProfiler({
      nodeId: 'node-1',
      clock: this.clock,
      log: {
        info: () => undefined,
        warn: (message) => void this.warned.push(message),
        error: (message) => assert.fail(message),
      },
      engine: {
        threads: {
          list: () => [...this.sleepers].map(([name, sleeper]) => sleeper.thread(name)),
          recordWaits: () => undefined,
          takeWaits: () => {
            this.onTakeWaits();
            return [];
          },
        },
        wakeThreads: () => {
          for (const sleeper of this.sleepers.values()) sleeper.wake();
        },
      },
    });
  }

  sleeper(name: string): SleepingThread {
    return this.sleepers.get(name) as SleepingThread;
  }

  /** Lets time pass until a promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    while (!isSettled) {
      await new Promise((resolve) => setImmediate(resolve));
      this.clock.advance(10);
    }
    return await promise;
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.clock.monotonicMs() + ms;
    while (this.clock.monotonicMs() < endMs) {
      await new Promise((resolve) => setImmediate(resolve));
      this.clock.advance(10);
    }
  }

  async begin(kinds: readonly ProfileKind[], durationMs = 1000) {
    const request = { kinds, durationMs, cpuIntervalMs: 1, heapIntervalBytes: 1024 };
    return await this.until(this.profiler.begin(request));
  }
}

async function read(document: Promise<readonly string[] | null>): Promise<NodeProfile> {
  return JSON.parse((await document)?.join('') ?? '') as NodeProfile;
}

test('threads that sleep are woken until they have begun and stopped; time ends a profile', async () => {
  const fixture = new Fixture('writer', 'reader-1');
  const running = await fixture.begin(['cpu', 'heap']);
  assert.equal(fixture.sleeper('writer').running, 2);
  const profile = await fixture.until(read(running.document));
  assert.equal(profile.endedBy, 'time');
  assert.deepEqual(
    profile.threads.map(({ cpuProfile, name }) => [name, typeof cpuProfile]),
    [
      ['main', 'object'],
      ['writer', 'object'],
      ['reader-1', 'object'],
    ],
  );
  for (const sleeper of fixture.sleepers.values()) assert.equal(sleeper.running, 0);
  assert.deepEqual(fixture.warned, []);
});

// Node 24 has them since 24.12, and the program runs on 24.0.
test('on a Node without samplers a profile is refused in a sentence, and no thread is asked for anything', async () => {
  const fixture = new Fixture('writer');
  const { startCpuProfile } = v8;
  (v8 as { startCpuProfile?: unknown }).startCpuProfile = undefined;
  try {
    await assert.rejects(fixture.begin(['waits']), {
      message: `Node ${process.version} has no samplers for its threads: run the node on Node 24.12 or later`,
    });
  } finally {
    v8.startCpuProfile = startCpuProfile;
  }
  assert.deepEqual(fixture.warned, []);
  const running = await fixture.begin(['waits']);
  await fixture.until(running.document);
});

test('a thread that does nothing is left out, and stopped when it does begin after all', async () => {
  const fixture = new Fixture('writer', 'reader-1');
  fixture.sleeper('writer').isDeaf = true;
  const running = await fixture.begin(['cpu']);
  assert.match(fixture.warned[0], /^The thread writer is missing in the profile: silent for 5000 ms$/);
  fixture.sleeper('writer').isDeaf = false;
  const profile = await fixture.until(read(running.document));
  assert.deepEqual(
    profile.threads.map(({ name }) => name),
    ['main', 'reader-1'],
  );
  await fixture.until(fixture.profiler.close());
  await fixture.until(
    (async () => {
      while (fixture.sleeper('writer').running > 0) {
        fixture.sleeper('writer').wake();
        await new Promise((resolve) => setImmediate(resolve));
      }
    })(),
  );
});

test('a thread that comes during a profile is in it', async () => {
  const fixture = new Fixture();
  const running = await fixture.begin(['cpu']);
  fixture.sleepers.set('background-1', new SleepingThread());
  const profile = await fixture.until(read(running.document));
  const came = profile.threads.find(({ name }) => name === 'background-1');
  assert.deepEqual(came?.cpuProfile, { of: 'the thread' });
  assert.deepEqual(came?.cpu, { userMs: 1, systemMs: 1 }, 'all that it used');
  assert.equal(fixture.sleeper('background-1').running, 0);
});

test('a profile that would hold too many allocations ends before its time', async () => {
  const fixture = new Fixture('writer');
  const running = await fixture.begin(['heap'], 600_000);
  fixture.sleeper('writer').allocatedBytes = 4e9;
  assert.equal((await fixture.until(read(running.document))).endedBy, 'size');
});

test('closing cancels what is under way, and lets nothing begin', async () => {
  const fixture = new Fixture('writer');
  const running = await fixture.begin(['cpu', 'heap'], 600_000);
  await fixture.until(fixture.profiler.close());
  assert.equal(await running.document, null);
  assert.equal(fixture.sleeper('writer').running, 0);
  await assert.rejects(fixture.begin([]), { code: 'DRAINING' });
});

test('closing while a profile begins waits until it is stopped', async () => {
  const fixture = new Fixture('writer');
  const request = { kinds: ['cpu'], durationMs: 1000, cpuIntervalMs: 1, heapIntervalBytes: 1024 } as const;
  const beginning = fixture.profiler.begin(request);
  await fixture.until(fixture.profiler.close());
  const running = await beginning;
  assert.equal(await running.document, null);
  assert.equal(fixture.sleeper('writer').running, 0);
});

test('a profile that fails when it is put together leaves nothing running, and another can begin', async () => {
  const fixture = new Fixture('writer');
  const failed = await fixture.begin(['cpu', 'heap', 'waits']);
  fixture.onTakeWaits = () => {
    throw new Error('no figures');
  };
  await assert.rejects(fixture.until(failed.document), /no figures/);
  failed[Symbol.dispose]();
  assert.equal(fixture.sleeper('writer').running, 0);
  for (const place of ALL_WAITS) assert.equal(place.begin(), NOT_RECORDED, place.path.join(', '));
  fixture.onTakeWaits = () => undefined;
  const running = await fixture.begin(['cpu']);
  assert.equal((await fixture.until(read(running.document))).endedBy, 'time');
});

test('a profile whose main thread cannot be sampled stops the others, and another can begin', async () => {
  const fixture = new Fixture('writer');
  const other = v8.startHeapProfile({ sampleInterval: 1 << 20, stackDepth: 1 });
  try {
    await assert.rejects(fixture.begin(['cpu', 'heap']), { code: 'INTERNAL' });
    assert.match(fixture.warned[0], /^The thread main is missing in the profile/);
    assert.equal(fixture.sleeper('writer').running, 0);
  } finally {
    other.stop();
  }
  const running = await fixture.begin(['cpu', 'heap']);
  assert.equal((await fixture.until(read(running.document))).endedBy, 'time');
});

test('looks at a thread that does not answer do not queue up: closing waits for one of them at most', async () => {
  const fixture = new Fixture('writer');
  const running = await fixture.begin(['heap'], 600_000);
  fixture.sleeper('writer').isDeaf = true;
  await fixture.pass(60_000);
  const looks = fixture.warned.length;
  assert.ok(looks > 1 && looks <= 12, `${looks} looks in a minute that each wait five seconds`);
  const closingMs = fixture.clock.monotonicMs();
  await fixture.until(fixture.profiler.close());
  const closedMs = fixture.clock.monotonicMs() - closingMs;
  assert.ok(closedMs <= 10_000, `closed after ${closedMs} ms`);
  assert.equal(await running.document, null);
});

test('the next profile begins when the one before is over and nobody needs its document', async () => {
  const fixture = new Fixture('writer');
  const first = await fixture.begin(['cpu']);
  await fixture.until(read(first.document));
  assert.equal(fixture.profiler.end(), false, 'it is not under way any more');
  await assert.rejects(fixture.begin([]), { code: 'CONFLICT', message: /or its profile is being sent/ });
  first[Symbol.dispose]();
  const second = await fixture.begin(['cpu']);
  first[Symbol.dispose]();
  await assert.rejects(fixture.begin([]), { code: 'CONFLICT' });
  second[Symbol.dispose]();
  assert.equal(await fixture.until(second.document), null);
  (await fixture.begin([]))[Symbol.dispose]();
});
