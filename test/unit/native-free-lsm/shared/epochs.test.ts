import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EpochDomain } from '../../../../native-free-lsm/shared/epochs.ts';
import { createRing, RingConsumer, RingProducer } from '../../../../native-free-lsm/shared/ring.ts';

/** A ring and the thread behind it, as far as epochs know them. */
class Thread {
  readonly producer: RingProducer;
  readonly #consumer: RingConsumer;

  constructor() {
    const ring = createRing(4096);
    // About to wrap: word 33 of the control block counts released frames.
    new Int32Array(ring)[33] = -2;
    this.producer = new RingProducer(ring);
    this.#consumer = new RingConsumer(ring);
  }

  command(): void {
    this.producer.reserve(0);
    this.producer.push(0);
    this.producer.publish();
  }

  /** Carries one command out; false when there is none. */
  complete(): boolean {
    if (!this.#consumer.nextRun(1)) return false;
    this.#consumer.release();
    return true;
  }
}

test('nothing is reclaimed before every thread has completed what it had been sent', () => {
  const domain = new EpochDomain();
  const [first, second] = [new Thread(), new Thread()];
  domain.register(first.producer);
  domain.register(second.producer);
  first.command();
  first.command();
  second.command();
  let reclaimed = 0;
  domain.retire(() => reclaimed++);
  first.command();
  for (const thread of [first, second]) {
    domain.collect();
    assert.equal(reclaimed, 0);
    thread.complete();
  }
  domain.collect();
  assert.equal(reclaimed, 0);
  first.complete();
  assert.equal(domain.pending, 1);
  domain.collect();
  assert.equal(reclaimed, 1);
  assert.equal(domain.pending, 0);
});

test('without threads, or with idle ones, the next collect reclaims, never retire itself', () => {
  const domain = new EpochDomain();
  const reclaimed: number[] = [];
  domain.retire(() => reclaimed.push(1));
  assert.equal(reclaimed.length, 0);
  domain.collect();
  domain.register(new Thread().producer);
  domain.retire(() => reclaimed.push(2));
  domain.collect();
  assert.deepEqual(reclaimed, [1, 2]);
});

test('a dead thread is waited for no more, nor is the one that replaces it', () => {
  const domain = new EpochDomain();
  const [dead, replaced, successor] = [new Thread(), new Thread(), new Thread()];
  const deadIndex = domain.register(dead.producer);
  const replacedIndex = domain.register(replaced.producer);
  dead.command();
  replaced.command();
  successor.command();
  let reclaimed = 0;
  domain.retire(() => reclaimed++);
  domain.unregister(deadIndex);
  domain.collect();
  assert.equal(reclaimed, 0);
  domain.replace(replacedIndex, successor.producer);
  domain.collect();
  assert.equal(reclaimed, 1);
  domain.retire(() => reclaimed++);
  domain.collect();
  assert.equal(reclaimed, 1, 'the successor counts from its registration on');
  assert.equal(domain.register(new Thread().producer), deadIndex);
});

test('reclaiming may retire and collect again', () => {
  const domain = new EpochDomain();
  const order: string[] = [];
  domain.retire(() => {
    order.push('first');
    domain.retire(() => order.push('third'));
    domain.collect();
  });
  domain.retire(() => order.push('second'));
  domain.collect();
  assert.deepEqual(order, ['first', 'second', 'third']);
});

test('a domain keeps what any thread may hold, and nothing else', () => {
  const index = fc.nat(3);
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom('command', 'complete', 'register', 'kill', 'replace'), index }),
    fc.record({ kind: fc.constantFrom('retire', 'collect'), index: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
      const domain = new EpochDomain();
      // The naive way: each thread's queue of commands, each command the set of things alive when it was sent.
      const threads = new Map<number, { thread: Thread; queue: Set<number>[] }>();
      const alive = new Set<number>();
      const held = (thing: number) =>
        [...threads.values()].some(({ queue }) => queue.some((set) => set.has(thing)));
      const retired: number[] = [];
      const reclaimed: number[] = [];
      let things = 0;
      const collect = () => {
        domain.collect();
        while (retired.length > 0 && !held(retired[0])) {
          assert.equal(reclaimed.shift(), retired.shift());
        }
        assert.equal(reclaimed.length, 0);
        assert.equal(domain.pending, retired.length);
      };
      for (const { kind, index } of steps) {
        const target = threads.get(index);
        alive.add(things);
        if (kind === 'register') {
          const thread = new Thread();
          const place = domain.register(thread.producer);
          assert.ok(!threads.has(place));
          threads.set(place, { thread, queue: [] });
        } else if (kind === 'retire') {
          const thing = things++;
          alive.delete(thing);
          retired.push(thing);
          domain.retire(() => reclaimed.push(thing));
        } else if (kind === 'collect') collect();
        else if (target === undefined) continue;
        else if (kind === 'command') {
          target.thread.command();
          target.queue.push(new Set(alive));
        } else if (kind === 'complete') {
          assert.equal(target.thread.complete(), target.queue.shift() !== undefined);
        } else if (kind === 'kill') {
          domain.unregister(index);
          threads.delete(index);
        } else {
          const thread = new Thread();
          domain.replace(index, thread.producer);
          threads.set(index, { thread, queue: [] });
        }
      }
      collect();
    }),
    { numRuns: 300 },
  );
});
