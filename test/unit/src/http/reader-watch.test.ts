import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { type Reader, ReaderWatch } from '../../../../src/http/reader-watch.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

const LIMITS = { timeoutMs: 10_000, minBytesPerSecond: 8000 };

class FakeReader implements Reader {
  readonly socket: Socket;
  isAwaited = true;
  cutMs = -1;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
    this.socket = new Socket();
  }

  /** What the kernel has taken from now on. */
  take(bytes: number): void {
    Object.assign(this.socket, { _handle: { bytesWritten: bytes + 5, writeQueueSize: 5, close: () => {} } });
  }

  onTooSlow(): void {
    assert.equal(this.cutMs, -1);
    this.cutMs = this.#clock.monotonicMs();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('readers that are awaited are held to the rule, and the timer runs only while there are any', async () => {
  const clock = new FakeClock();
  const watch = new ReaderWatch(LIMITS, clock, async () => new Map());
  const [dead, busy, unawaited] = [new FakeReader(clock), new FakeReader(clock), new FakeReader(clock)];
  unawaited.isAwaited = false;
  for (const reader of [dead, busy, unawaited]) {
    reader.take(0);
    watch.add(reader);
  }
  for (let second = 1; second <= 60; second++) {
    busy.take(second * 9000);
    clock.advance(1000);
    await turn();
  }
  assert.deepEqual([dead.cutMs, busy.cutMs, unawaited.cutMs], [10_000, -1, -1]);
  assert.equal(clock.pendingTimers, 1);
  watch.delete(busy);
  watch.delete(unawaited);
  watch.delete(dead);
  assert.equal(clock.pendingTimers, 0);
});

test('in doubt it asks what was acknowledged, now and then, once for all, and is content with no answer', async () => {
  const clock = new FakeClock();
  const questions: (readonly Socket[])[] = [];
  const acknowledged = new Map<Socket, number>();
  const taken = 4_000_000;
  const watch = new ReaderWatch(LIMITS, clock, async (sockets) => {
    questions.push(sockets);
    return new Map([...acknowledged].map(([socket, bytes]) => [socket, taken - bytes]));
  });
  const [steady, stops, unknown] = [new FakeReader(clock), new FakeReader(clock), new FakeReader(clock)];
  for (const reader of [steady, stops, unknown]) {
    reader.take(taken);
    watch.add(reader);
  }
  for (let ms = 0; ms < 60_000; ms += 250) {
    acknowledged.set(steady.socket, 20 * ms);
    acknowledged.set(stops.socket, 20 * Math.min(ms, 20_000));
    clock.advance(250);
    await turn();
  }
  assert.equal(steady.cutMs, -1);
  assert.ok(stops.cutMs >= 29_750 && stops.cutMs <= 31_500, `${stops.cutMs}`);
  assert.equal(unknown.cutMs, 10_000);
  assert.equal(questions[0].length, 3);
  assert.ok(questions.length <= 48, `${questions.length}`);
});

test('a node that stood still itself holds it against nobody', async () => {
  const clock = new FakeClock();
  // As the loop runs a timer that has been due for long once.
  const late = { ...bound(clock), monotonicMs: () => clock.monotonicMs() + lateMs };
  let lateMs = 0;
  const watch = new ReaderWatch(LIMITS, late, async () => new Map());
  const reader = new FakeReader(clock);
  reader.take(0);
  watch.add(reader);
  clock.advance(1000);
  lateMs = 60_000;
  clock.advance(8500);
  assert.equal(reader.cutMs, -1);
  clock.advance(500);
  assert.ok(reader.cutMs > 0);
});

function bound(clock: FakeClock): Pick<FakeClock, 'nowMs' | 'after' | 'every' | 'endOfTurn'> {
  return {
    nowMs: () => clock.nowMs(),
    after: (delayMs, callback) => clock.after(delayMs, callback),
    every: (periodMs, callback) => clock.every(periodMs, callback),
    endOfTurn: (callback) => clock.endOfTurn(callback),
  };
}
