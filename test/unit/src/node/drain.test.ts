import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DrainParts, drainInOrder } from '../../../../src/node/drain.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

/** Parts that note when they are closed; RPC closes when it is let go, or aborted. */
class Parts {
  readonly clock = new FakeClock();
  readonly steps: string[] = [];
  readonly rpcClosed = Promise.withResolvers<void>();
  received = 0;
  connections = 1;

  get all(): DrainParts {
    const { rpcClosed, steps } = this;
    const parts = this;
    const step = async (name: string): Promise<void> => void steps.push(name);
    return {
      clock: this.clock,
      profiler: { close: () => step('profiler') },
      doors: { drain: () => step('doors') },
      coordinator: { close: () => void steps.push('coordinator') },
      peerHttp: null,
      mesh: {
        close: () => step('mesh'),
        abort: () => {
          steps.push('abort');
          rpcClosed.resolve();
        },
      },
      server: {
        get connections() {
          return parts.connections;
        },
        close: async () => {
          steps.push('server');
          await rpcClosed.promise;
        },
        abort: () => {},
      },
      peerRequests: {
        get received() {
          return parts.received;
        },
      },
      repair: { close: () => step('repair') },
      clockWatch: { close: () => void steps.push('clock') },
      antiEntropy: { close: () => step('rounds') },
      bootstrap: { close: () => step('bootstrap') },
      progress: { close: () => void steps.push('progress') },
      store: { settled: () => step('identity') },
      engine: { close: () => step('engine') },
    };
  }

  /** Lets time go by in small steps, each followed by whatever it has set off. */
  async advance(ms: number, each: () => void = () => {}): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      each();
      this.clock.advance(10);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

test('from the top down: profiles, clients, peers, identity, engine', async () => {
  const parts = new Parts();
  parts.rpcClosed.resolve();
  const drained = drainInOrder(parts.all, new AbortController().signal);
  await parts.advance(200);
  await drained;
  assert.deepEqual(parts.steps, [
    'profiler',
    'doors',
    'coordinator',
    'repair',
    'clock',
    'rounds',
    'bootstrap',
    'mesh',
    'server',
    'progress',
    'identity',
    'engine',
  ]);
  assert.equal(parts.clock.pendingTimers, 0);
});

test('what goes over HTTP ends before the sessions of RPC in which it goes, and does not keep them open', async () => {
  for (const isFailing of [false, true]) {
    const parts = new Parts();
    parts.connections = 0;
    const closed = Promise.withResolvers<void>();
    const close = (): Promise<void> => {
      parts.steps.push('http');
      return closed.promise;
    };
    const abort = (): void => void parts.steps.push('http abort');
    const all = { ...parts.all, peerHttp: { close, abort } };
    const outcome = drainInOrder(all, new AbortController().signal).then(
      () => 'well',
      (error: Error) => error.message,
    );
    await parts.advance(100);
    assert.deepEqual(parts.steps.slice(-4), ['clock', 'rounds', 'bootstrap', 'http']);
    if (isFailing) closed.reject(new Error('http'));
    else closed.resolve();
    await parts.advance(100);
    assert.deepEqual(parts.steps.slice(-3), ['http', 'mesh', 'server']);
    await parts.advance(1_000);
    assert.equal(parts.steps.filter((step) => /abort/.test(step)).join(), 'http abort,abort');
    assert.equal(await outcome, isFailing ? 'http' : 'well');
    assert.equal(parts.steps.at(-1), 'engine');
  }
});

test('without peers there is nothing to wait for', async () => {
  const parts = new Parts();
  parts.connections = 0;
  parts.rpcClosed.resolve();
  await drainInOrder(parts.all, new AbortController().signal);
  assert.equal(parts.steps.at(-1), 'engine');
});

test('peers are served until they are quiet, but not for ever', async () => {
  const parts = new Parts();
  parts.rpcClosed.resolve();
  const drained = drainInOrder(parts.all, new AbortController().signal);
  const ask = (): void => {
    parts.received++;
  };
  await parts.advance(400, ask);
  assert.deepEqual(parts.steps, ['profiler', 'doors', 'coordinator', 'repair', 'clock', 'rounds']);
  await parts.advance(200, ask);
  await drained;
  assert.equal(parts.steps.at(-1), 'engine');
});

test('peers that do not let go are cut off after a second', async () => {
  const parts = new Parts();
  const drained = drainInOrder(parts.all, new AbortController().signal);
  await parts.advance(1_000);
  const before = ['profiler', 'doors', 'coordinator', 'repair', 'clock', 'rounds', 'bootstrap'];
  assert.deepEqual(parts.steps, [...before, 'mesh', 'server']);
  await parts.advance(300);
  await drained;
  assert.deepEqual(parts.steps.slice(9), ['abort', 'progress', 'identity', 'engine']);
});

test('the signal ends all waiting', async () => {
  const parts = new Parts();
  const impatience = new AbortController();
  const drained = drainInOrder(parts.all, impatience.signal);
  await parts.advance(200);
  impatience.abort();
  await drained;
  assert.deepEqual(parts.steps.slice(9), ['abort', 'progress', 'identity', 'engine']);

  const already = new Parts();
  const drainedAtOnce = drainInOrder(already.all, AbortSignal.abort());
  await drainedAtOnce;
  assert.equal(already.steps.at(-1), 'engine');
});

test('a profile whose threads hang keeps nobody waiting but the engine, and that not for long once the signal is aborted', async () => {
  const parts = new Parts();
  parts.connections = 0;
  parts.rpcClosed.resolve();
  const impatience = new AbortController();
  const hanging = { ...parts.all, profiler: { close: () => new Promise<void>(() => {}) } };
  const drained = drainInOrder(hanging, impatience.signal);
  await parts.advance(5_000);
  const others = [
    'doors',
    'coordinator',
    'repair',
    'clock',
    'rounds',
    'bootstrap',
    'mesh',
    'server',
    'progress',
    'identity',
  ];
  assert.deepEqual(parts.steps, others);
  impatience.abort();
  await parts.advance(500);
  assert.deepEqual(parts.steps, others);
  await parts.advance(600);
  await drained;
  assert.deepEqual(parts.steps, [...others, 'engine']);
  assert.equal(parts.clock.pendingTimers, 0);
});

test('a profile ends before the threads do, however impatient the signal is', async () => {
  const parts = new Parts();
  parts.connections = 0;
  parts.rpcClosed.resolve();
  const ended = Promise.withResolvers<void>();
  const ending = { ...parts.all, profiler: { close: () => ended.promise } };
  const drained = drainInOrder(ending, AbortSignal.abort());
  await parts.advance(100);
  assert.equal(parts.steps.at(-1), 'identity');
  ended.resolve();
  await drained;
  assert.equal(parts.steps.at(-1), 'engine');
  assert.equal(parts.clock.pendingTimers, 0);
});

test('a part that fails keeps none of the others open, and its fault is told', async () => {
  const parts = new Parts();
  parts.connections = 0;
  parts.rpcClosed.resolve();
  const failing: DrainParts = {
    ...parts.all,
    doors: { drain: () => Promise.reject(new Error('doors')) },
    store: { settled: () => Promise.reject(new Error('identity')) },
  };
  await assert.rejects(drainInOrder(failing, new AbortController().signal), /doors/);
  assert.deepEqual(parts.steps, [
    'profiler',
    'coordinator',
    'repair',
    'clock',
    'rounds',
    'bootstrap',
    'mesh',
    'server',
    'progress',
    'engine',
  ]);
});
