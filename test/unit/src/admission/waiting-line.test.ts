import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineEntry, type Waiting, WaitingLine } from '../../../../src/admission/waiting-line.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

const MIB = 2 ** 20;
const TIMEOUT_MS = 1000;
const ONE = { minRequests: 1, maxRequests: 1 };
const TWO = { minRequests: 2, maxRequests: 2 };

/** A client with one request at a time: it asks again as soon as it is answered, or a while after it was refused. */
class Client implements Waiting {
  lineCost = 0;
  sinceMs = 0;
  behind: Waiting | null = null;
  askedMs = 0;
  readonly #disk: Disk;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  ask(): void {
    const { clock, line, valueBytes } = this.#disk;
    this.askedMs = clock.monotonicMs();
    const entry = line.enter(this, valueBytes);
    if (entry === LineEntry.now) this.#disk.serve(this);
    else if (entry === LineEntry.refused) this.#refused();
  }

  onTurn(waitedMs: number): void {
    assert.equal(waitedMs, this.#disk.clock.monotonicMs() - this.askedMs);
    this.#disk.serve(this);
  }

  onTurnMissed(): void {
    this.#disk.missed++;
    this.#refused();
  }

  #refused(): void {
    const { clock } = this.#disk;
    this.#disk.refusedAfterMs = Math.max(this.#disk.refusedAfterMs, clock.monotonicMs() - this.askedMs);
    this.#disk.askAgain(this, clock.monotonicMs() + 100);
  }
}

/** Serves bytes one after the other at a rate that falls when too much is asked of it at a time. */
class Disk {
  readonly clock = new FakeClock();
  readonly line: WaitingLine;
  readonly valueBytes: number;
  bytesPerMs: number;
  /** Of the event loop. */
  idleShare = 0.2;
  good = 0;
  late = 0;
  missed = 0;
  refusedAfterMs = 0;
  mostAtOnce = 0;
  /** Served in the order they came. */
  readonly order: number[] = [];
  #serving: Client[] = [];
  readonly #again = new Map<number, Client[]>();
  #leftBytes = 0;

  constructor(mibPerSecond: number, valueBytes: number) {
    this.bytesPerMs = (mibPerSecond * MIB) / 1000;
    this.valueBytes = valueBytes;
    const limits = { minRequests: 128, maxRequests: 256, maxBytes: 8 * MIB, timeoutMs: TIMEOUT_MS };
    this.line = new WaitingLine(limits, this.clock, () => this.idleShare * this.clock.monotonicMs());
  }

  serve(client: Client): void {
    if (this.#serving.push(client) === 1) this.#leftBytes = this.valueBytes + 4096;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#serving.length);
  }

  /** The fake clock is slow with thousands of timers. */
  askAgain(client: Client, atMs: number): void {
    const others = this.#again.get(atMs);
    if (others === undefined) this.#again.set(atMs, [client]);
    else others.push(client);
  }

  run(clients: number, seconds: number): void {
    for (let i = 0; i < clients; i++) new Client(this).ask();
    for (let ms = 0; ms < seconds * 1000; ms++) {
      this.clock.advance(1);
      const nowMs = this.clock.monotonicMs();
      for (const client of this.#again.get(nowMs) ?? []) client.ask();
      this.#again.delete(nowMs);
      let left = this.bytesPerMs;
      while (this.#serving.length > 0 && left >= this.#leftBytes) {
        left -= this.#leftBytes;
        this.#leftBytes = this.valueBytes + 4096;
        this.#answer(this.#serving.shift() as Client);
      }
      if (this.#serving.length > 0) this.#leftBytes -= left;
    }
  }

  #answer(client: Client): void {
    const tookMs = this.clock.monotonicMs() - client.askedMs;
    this.order.push(client.askedMs);
    if (tookMs <= TIMEOUT_MS) this.good++;
    else this.late++;
    this.line.leave(this.valueBytes);
    client.ask();
  }
}

for (const [valueBytes, mibPerSecond] of [
  [100, 32],
  [4096, 32],
  [MIB, 32],
  [MIB, 6],
  [MIB, 300],
  [16 * MIB, 32],
] as const) {
  test(`values of ${valueBytes} bytes on a disk of ${mibPerSecond} MiB/s: as much is served however many ask`, () => {
    const bySecond = (clients: number): number => {
      const disk = new Disk(mibPerSecond, valueBytes);
      disk.run(clients, 10);
      // The rate is not known yet when the first few are let in.
      assert.ok(disk.late <= 8 + 0.02 * disk.good, `${clients} clients: ${disk.late} late of ${disk.good}`);
      assert.deepEqual(
        disk.order,
        disk.order.toSorted((a, b) => a - b),
        'first come, first served',
      );
      assert.ok(disk.mostAtOnce <= 256);
      assert.ok(
        disk.mostAtOnce * valueBytes <= Math.max(8 * MIB, 2 * valueBytes),
        `${disk.mostAtOnce} at once`,
      );
      return disk.good / 10;
    };
    const rates = [8, 64, 256, 2000, 20_000].map(bySecond);
    const best = Math.max(...rates);
    for (const rate of rates) assert.ok(rate >= 0.9 * best, rates.join(' '));
    assert.ok(best >= (0.9 * mibPerSecond * MIB) / (valueBytes + 4096) - 1, `${best} a second`);
  });
}

test('a rate that falls and rises again is followed: nobody waits in vain for long', () => {
  const disk = new Disk(64, MIB);
  disk.run(64, 3);
  disk.bytesPerMs /= 8;
  disk.run(0, 3);
  const { good, late } = disk;
  disk.run(0, 5);
  assert.ok(disk.good - good >= 5 * 8 * 0.8, `${disk.good - good}`);
  assert.ok(disk.late - late <= 2, `${disk.late - late} late`);
  disk.bytesPerMs *= 8;
  disk.run(0, 2);
  const before = disk.good;
  disk.run(0, 3);
  assert.ok(disk.good - before >= 0.9 * 3 * 64, `${disk.good - before}`);
  assert.ok(disk.refusedAfterMs <= TIMEOUT_MS);
});

test('when nothing is served any more, who waits is told at the deadline, and nobody after that waits', () => {
  const disk = new Disk(32, MIB);
  disk.bytesPerMs = 0;
  disk.run(20, 1.002);
  assert.equal(disk.good, 0);
  assert.ok(disk.missed > 0);
  assert.equal(disk.line.figures.waiting, 0);
  assert.ok(disk.refusedAfterMs <= TIMEOUT_MS);
});

test('an answer within a turn lets in the next without a call in a call', () => {
  const clock = new FakeClock();
  const line = new WaitingLine({ ...ONE, maxBytes: MIB, timeoutMs: TIMEOUT_MS }, clock, () => 0);
  let depth = 0;
  let deepest = 0;
  let turns = 0;
  const waiting = (): Waiting => ({
    lineCost: 0,
    sinceMs: 0,
    behind: null,
    onTurn() {
      deepest = Math.max(deepest, ++depth);
      turns++;
      line.leave(0);
      depth--;
    },
    onTurnMissed: () => assert.fail(),
  });
  assert.equal(line.enter(waiting(), 0), LineEntry.now);
  for (let i = 0; i < 5000; i++) assert.equal(line.enter(waiting(), 0), LineEntry.waiting);
  line.leave(0);
  assert.equal(turns, 5000);
  assert.equal(deepest, 1);
  assert.equal(line.figures.served, 0);
});

test('a line that was empty serves at once, and keeps no timer', () => {
  const clock = new FakeClock();
  const disk = new Disk(32, MIB);
  disk.run(64, 1);
  const line = new WaitingLine({ ...TWO, maxBytes: MIB, timeoutMs: TIMEOUT_MS }, clock, () => 0);
  const request = { lineCost: 0, sinceMs: 0, behind: null, onTurn: () => {}, onTurnMissed: () => {} };
  assert.equal(line.enter(request, 0), LineEntry.now);
  assert.equal(line.enter(request, 0), LineEntry.now);
  assert.equal(line.enter(request, 0), LineEntry.waiting);
  assert.equal(clock.pendingTimers, 1);
  line.leave(0);
  clock.advance(TIMEOUT_MS);
  assert.equal(clock.pendingTimers, 0);
});

test('more are served at a time while the event loop has time to spare, and fewer again when it has none', () => {
  const clock = new FakeClock();
  let idleMs = 0;
  const limits = { minRequests: 10, maxRequests: 100, maxBytes: 64 * MIB, timeoutMs: TIMEOUT_MS };
  const line = new WaitingLine(limits, clock, () => idleMs);
  const DISTANCE_MS = 20;
  const client = (): Waiting => ({
    lineCost: 0,
    sinceMs: 0,
    behind: null,
    // However many are under way, the answer takes as long: it comes from far away.
    onTurn: () => void clock.after(DISTANCE_MS, again),
    onTurnMissed: () => void clock.after(1, ask),
  });
  const ask = (): void => {
    const request = client();
    const entry = line.enter(request, 0);
    if (entry === LineEntry.now) request.onTurn(0);
    else if (entry === LineEntry.refused) request.onTurnMissed();
  };
  const again = (): void => {
    line.leave(0);
    ask();
  };
  for (let i = 0; i < 300; i++) ask();
  const run = (ms: number, idleShare: number): number => {
    for (let i = 0; i < ms; i++) {
      idleMs += idleShare;
      clock.advance(1);
    }
    return line.figures.served;
  };
  assert.equal(line.figures.served, 10);
  assert.equal(run(2000, 0.2), 10, 'neither');
  assert.equal(run(2000, 0.8), 100);
  assert.equal(run(1000, 0.2), 100, 'neither');
  assert.equal(run(2000, 0), 10);
});
