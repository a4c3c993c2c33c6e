import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../../../../src/clock.ts';
import { LoopDelay, LoopDelayMonitor } from '../../../../src/node/loop-delay.ts';

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= expected * 0.02, `${actual} is not near ${expected}`);
}

test('all figures are zero before a turn was counted', () => {
  const summary = new LoopDelay(0).summary(0);
  assert.deepEqual(summary, { p50Ms: 0, p99Ms: 0, p999Ms: 0, maxMs: 0, turns: 0, windowSeconds: 60 });
});

test('percentiles are of all turns recorded', () => {
  const delay = new LoopDelay(0);
  for (let i = 1; i <= 1000; i++) delay.record(i, i / 10);
  const summary = delay.summary(1000);
  assert.equal(summary.turns, 1000);
  near(summary.p50Ms, 50);
  near(summary.p99Ms, 99);
  near(summary.p999Ms, 99.9);
  near(summary.maxMs, 100);
});

test('turns of nothing and turns without end both count', () => {
  const delay = new LoopDelay(0);
  delay.record(1, 0);
  delay.record(2, 1e9);
  assert.equal(delay.summary(3).turns, 2);
});

test('a turn counts for a minute and is forgotten after seventy seconds', () => {
  const delay = new LoopDelay(0);
  delay.record(9_999, 500);
  for (let second = 10; second < 70; second++) {
    delay.record(second * 1000, 1);
    near(delay.summary(second * 1000).maxMs, 500);
  }
  near(delay.summary(70_000).maxMs, 1);
});

test('a loop that stood still for long forgets everything and counts on', () => {
  const delay = new LoopDelay(0);
  delay.record(1, 500);
  assert.equal(delay.summary(10_000_000).turns, 0);
  delay.record(10_000_001, 2);
  near(delay.summary(10_009_000).maxMs, 2);
  delay.record(10_071_000, 3);
  assert.equal(delay.summary(10_071_000).turns, 1);
});

test('the monitor sees a long turn inside a socket callback', async () => {
  await using server = createServer((socket) => {
    socket.on('data', (data) => {
      for (const until = systemClock.monotonicMs() + 30; systemClock.monotonicMs() < until; );
      socket.end(data);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  using monitor = new LoopDelayMonitor();
  const client = connect(address.port, '127.0.0.1');
  client.end('x');
  client.resume();
  await once(client, 'close');
  await new Promise<void>((resolve) => systemClock.endOfTurn(resolve));
  const summary = monitor.summary();
  assert.ok(summary.turns > 0);
  assert.ok(summary.maxMs >= 29.5, `the longest turn was ${summary.maxMs} ms`);
});

test('the monitor does not count sleep, and turns the loop for nobody', async () => {
  // Of some sleeps a busy machine makes a turn long in one; a monitor that counts sleep has a long turn in each.
  let leastMs = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 10 && leastMs >= 250; tries++) {
    using monitor = new LoopDelayMonitor();
    await new Promise<void>((resolve) => {
      // Unlike the clock's, this timer has to keep the process alive.
      const keepAlive = createServer().listen(0, '127.0.0.1');
      systemClock.after(300, () => keepAlive.close(() => resolve()));
    });
    const { maxMs, turns } = monitor.summary();
    leastMs = Math.min(leastMs, maxMs);
    assert.ok(turns < 50, `${turns} turns in 300 ms of nothing`);
  }
  assert.ok(leastMs < 250, `the longest turn was ${leastMs} ms and more`);
});
