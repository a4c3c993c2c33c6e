import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { seededRandom, systemClock, systemRandom } from '../../../src/clock.ts';

// The clock's timers keep no process alive; an open port does.
const { port1 } = new MessageChannel();
before(() => port1.ref());
after(() => port1.close());

test('the wall clock says what time it is, the other never goes back', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'quorate-clock-')), 'now');
  try {
    const beforeMs = systemClock.nowMs();
    writeFileSync(path, '');
    // A file system stamps with the time of its last tick, which may be some milliseconds ago.
    const offMs = Math.abs(statSync(path).mtimeMs - beforeMs);
    assert.ok(offMs < 1000, `${offMs} ms off`);
  } finally {
    rmSync(dirname(path), { recursive: true });
  }
  let last = systemClock.monotonicMs();
  for (let i = 0; i < 1000; i++) {
    const now = systemClock.monotonicMs();
    assert.ok(now >= last);
    last = now;
  }
});

test('a timer runs once, not before its time, and not at all when it was cancelled', async () => {
  const startedMs = systemClock.monotonicMs();
  let cancelledRan = 0;
  let ran = 0;
  systemClock.after(5, () => cancelledRan++).cancel();
  await new Promise<void>((resolve) => {
    systemClock.after(5, () => ran++);
    systemClock.after(30, resolve);
  });
  // Node counts in whole milliseconds of its own.
  assert.ok(systemClock.monotonicMs() - startedMs >= 29);
  assert.deepEqual([ran, cancelledRan], [1, 0]);
});

test('a period comes again until it is cancelled', async () => {
  let runs = 0;
  await new Promise<void>((resolve) => {
    const period = systemClock.every(1, () => {
      if (++runs < 3) return;
      period.cancel();
      systemClock.after(10, resolve);
    });
  });
  assert.equal(runs, 3);
});

test('the end of a turn comes behind everything the turn started by itself', async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock.endOfTurn(() => {
      order.push('end of turn');
      resolve();
    });
    process.nextTick(() => order.push('tick'));
    Promise.resolve().then(() => order.push('promise'));
    order.push('turn');
  });
  assert.deepEqual(order.at(0), 'turn');
  assert.deepEqual(order.at(-1), 'end of turn');
  assert.equal(order.length, 4);
});

test('seeded numbers repeat, differ by seed, and fill [0, 1) evenly', () => {
  const draw = (seed: number): number[] => {
    const random = seededRandom(seed);
    return Array.from({ length: 10_000 }, random);
  };
  const numbers = draw(42);
  assert.deepEqual(draw(42), numbers);
  assert.notDeepEqual(draw(43), numbers);
  const tenths = new Array<number>(10).fill(0);
  for (const number of numbers) tenths[Math.floor(number * 10)]++;
  // Five standard deviations.
  for (const count of tenths) assert.ok(Math.abs(count - 1000) < 150, `${tenths}`);
});

test('random numbers lie in [0, 1)', () => {
  for (let i = 0; i < 1000; i++) {
    const number = systemRandom();
    assert.ok(number >= 0 && number < 1);
  }
});
