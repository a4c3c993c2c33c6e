import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_SCANS, type Scan, ScanSlots } from '../../../../src/admission/scan-slots.ts';
import { LineEntry } from '../../../../src/admission/waiting-line.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

const PATIENCE_MS = 500;

class FakeScan implements Scan {
  readonly client: string;
  sentBytes = 0;
  slotSinceMs = 0;
  state: 'new' | 'streaming' | 'waiting' | 'refused' | 'gave way' = 'new';
  readonly #slots: ScanSlots;

  constructor(slots: ScanSlots, client: string) {
    this.#slots = slots;
    this.client = client;
  }

  enter(): this {
    const entry = this.#slots.enter(this);
    this.state = entry === LineEntry.now ? 'streaming' : entry === LineEntry.waiting ? 'waiting' : 'refused';
    return this;
  }

  onSlot(): void {
    assert.equal(this.state, 'waiting');
    this.state = 'streaming';
  }

  onNoSlot(): void {
    assert.equal(this.state, 'waiting');
    this.state = 'refused';
  }

  onGiveWay(): void {
    assert.equal(this.state, 'streaming');
    this.state = 'gave way';
  }
}

function start(): {
  clock: FakeClock;
  slots: ScanSlots;
  scans: (client: string, count: number) => FakeScan[];
} {
  const clock = new FakeClock();
  const slots = new ScanSlots(PATIENCE_MS, clock);
  const scans = (client: string, count: number): FakeScan[] =>
    Array.from({ length: count }, () => new FakeScan(slots, client).enter());
  return { clock, slots, scans };
}

test('a client that has all slots gives its slowest scans to others, one each, down to their share', () => {
  const { clock, slots, scans } = start();
  const many = scans('many', MAX_SCANS);
  assert.ok(many.every(({ state }) => state === 'streaming'));
  for (const [i, scan] of many.entries()) scan.sentBytes = 1000 + ((i * 7) % MAX_SCANS);
  const [other] = scans('other', 1);
  assert.equal(other.state, 'waiting');
  clock.advance(PATIENCE_MS - 1);
  assert.equal(other.state, 'waiting');
  clock.advance(1);
  assert.equal(other.state, 'streaming');
  assert.deepEqual(
    many.filter(({ state }) => state === 'gave way').map(({ sentBytes }) => sentBytes),
    [1000],
  );
  const others = [other];
  for (let i = 0; i < 10; i++) {
    others.push(...scans('other', 1));
    clock.advance(PATIENCE_MS);
  }
  assert.equal(others.filter(({ state }) => state === 'streaming').length, MAX_SCANS / 2);
  assert.equal(others.at(-1)?.state, 'refused');
  assert.equal(slots.figures.gaveWay, MAX_SCANS / 2);
});

test('a free slot is given to the client that has the fewest, among these to who came first', () => {
  const { slots, scans } = start();
  const many = scans('many', MAX_SCANS - 1);
  const few = scans('few', 1);
  const [manyWaits] = scans('many', 1);
  const [fewWaits] = scans('few', 1);
  const [first, second] = [...scans('first', 1), ...scans('second', 1)];
  const order: string[] = [];
  const waiting = { manyWaits, fewWaits, first, second };
  for (let i = 0; i < 4; i++) {
    slots.leave(many[i]);
    for (const [name, scan] of Object.entries(waiting)) {
      if (scan.state === 'streaming' && !order.includes(name)) order.push(name);
    }
  }
  assert.deepEqual(order, ['first', 'second', 'fewWaits', 'manyWaits']);
  assert.equal(few[0].state, 'streaming');
  assert.equal(slots.figures.gaveWay, 0);
});

test('nobody gives way to its own client, or to one that would then have more', () => {
  const { clock, slots, scans } = start();
  scans('a', MAX_SCANS / 2);
  scans('b', MAX_SCANS / 2);
  const waits = [...scans('a', 1), ...scans('b', 1)];
  clock.advance(PATIENCE_MS);
  assert.deepEqual(
    waits.map(({ state }) => state),
    ['refused', 'refused'],
  );
  assert.equal(slots.figures.gaveWay, 0);
});

test('few of a client wait, whoever leaves waits no longer, and a drain keeps nobody', () => {
  const { clock, slots, scans } = start();
  scans('many', MAX_SCANS);
  const waiting = scans('many', 10);
  assert.equal(waiting.filter(({ state }) => state === 'waiting').length, 4);
  const [other] = scans('other', 1);
  assert.equal(other.state, 'waiting');
  slots.leave(other);
  slots.flush();
  assert.equal(other.state, 'waiting');
  assert.ok(waiting.every(({ state }) => state === 'refused'));
  assert.equal(slots.figures.waiting, 0);
  assert.equal(clock.pendingTimers, 0);
});

test('whatever clients do, the slots are never overdrawn and nobody waits longer than there is patience', () => {
  const step = fc.oneof(
    fc.record({ act: fc.constant('enter' as const), client: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ act: fc.constant('leave' as const), index: fc.nat(30) }),
    fc.record({ act: fc.constant('time' as const), ms: fc.nat(300) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const { clock, slots } = start();
      const entered = new Map<FakeScan, number>();
      for (const one of steps) {
        if (one.act === 'time') clock.advance(one.ms);
        else if (one.act === 'enter') {
          const scan = new FakeScan(slots, one.client).enter();
          entered.set(scan, clock.monotonicMs());
        } else {
          const scan = [...entered.keys()].at(one.index);
          if (scan === undefined) continue;
          slots.leave(scan);
          entered.delete(scan);
        }
        const inState = (state: FakeScan['state']): FakeScan[] =>
          [...entered.keys()].filter((scan) => scan.state === state);
        const { streaming, waiting } = slots.figures;
        assert.equal(streaming, inState('streaming').length);
        assert.equal(waiting, inState('waiting').length);
        assert.ok(streaming <= MAX_SCANS);
        assert.ok(waiting === 0 || streaming === MAX_SCANS);
        for (const scan of inState('waiting')) {
          assert.ok(clock.monotonicMs() - (entered.get(scan) ?? 0) < PATIENCE_MS);
        }
      }
    }),
  );
});
