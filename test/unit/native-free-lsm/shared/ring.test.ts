import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import {
  FRAME_HEADER_BYTES,
  frameBytes,
  frameLength,
  frameTag,
  nextFrame,
  payloadStart,
} from '../../../../native-free-lsm/format/frame.ts';
import {
  createRing,
  type Doorbell,
  RingConsumer,
  RingProducer,
} from '../../../../native-free-lsm/shared/ring.ts';

function pair(capacityBytes: number, doorbell?: Doorbell) {
  const ring = createRing(capacityBytes);
  return { ring, producer: new RingProducer(ring, doorbell), consumer: new RingConsumer(ring) };
}

/** Pushes one frame whose bytes follow from its tag, of a larger reservation; false when there is no room for that. */
function send(producer: RingProducer, payloadBytes: number, tag: number, spareBytes = 0): boolean {
  const at = producer.reserve(payloadBytes + spareBytes);
  if (at < 0) return false;
  for (let i = 0; i < payloadBytes + spareBytes; i++) producer.bytes[at + i] = tag + i;
  producer.push(tag, payloadBytes);
  return true;
}

/** The current run's frames as [tag, payload length], each byte of them checked. */
function readRun(consumer: RingConsumer): [number, number][] {
  const frames: [number, number][] = [];
  const { bytes } = consumer;
  for (let at = consumer.runStart; at < consumer.runEnd; at = nextFrame(bytes, at)) {
    const length = frameLength(bytes, at);
    const tag = frameTag(bytes, at);
    assert.equal(at % 8, 0);
    for (let i = 0; i < length; i++) assert.equal(bytes[payloadStart(at) + i], (tag + i) & 0xff);
    for (let i = payloadStart(at) + length; i < nextFrame(bytes, at); i++)
      assert.equal(bytes[i], 0, 'padding');
    frames.push([tag, length]);
  }
  assert.equal(frames.length, consumer.runFrames);
  return frames;
}

test('frames come out as they went in, once they are published', () => {
  const { producer, consumer } = pair(1024);
  assert.equal(producer.publish(), false);
  assert.ok(send(producer, 5, 0xfedcba98));
  assert.ok(send(producer, 0, 2));
  assert.ok(send(producer, 16, 3));
  assert.equal(consumer.empty, true);
  assert.equal(consumer.nextRun(1024), false);
  assert.equal(producer.publish(), true);
  assert.equal(producer.publish(), false);
  assert.equal(consumer.empty, false);
  assert.ok(consumer.nextRun(1024));
  assert.deepEqual(readRun(consumer), [
    [0xfedcba98, 5],
    [2, 0],
    [3, 16],
  ]);
  assert.equal(producer.framesPushed, 3);
  assert.equal(producer.framesCompleted, 0);
  assert.equal(producer.usedBytes, frameBytes(5) + frameBytes(0) + frameBytes(16));
  consumer.release();
  assert.equal(producer.framesCompleted, 3);
  assert.equal(producer.usedBytes, 0);
  assert.equal(consumer.empty, true);
  assert.equal(consumer.nextRun(1024), false);
});

test('a run stays within maxBytes, but has at least one frame', () => {
  const { producer, consumer } = pair(1024);
  for (const tag of [1, 2, 3]) send(producer, 56, tag);
  producer.publish();
  assert.ok(consumer.nextRun(1));
  assert.deepEqual(readRun(consumer), [[1, 56]]);
  assert.ok(consumer.nextRun(128));
  assert.deepEqual(readRun(consumer), [
    [1, 56],
    [2, 56],
  ]);
  consumer.release();
  assert.ok(consumer.nextRun(128));
  assert.deepEqual(readRun(consumer), [[3, 56]]);
});

test('the largest payload fits an empty ring wherever the ring stands, a larger one is refused', () => {
  const { producer, consumer } = pair(256);
  assert.equal(producer.maxPayloadBytes, 256 / 2 - FRAME_HEADER_BYTES);
  assert.throws(
    () => producer.reserve(producer.maxPayloadBytes + 1),
    (error) => error instanceof LsmError && error.code === 'INVALID_ARGUMENT',
  );
  for (let shift = 0; shift < 256 / 8; shift++) {
    assert.ok(send(producer, producer.maxPayloadBytes, shift));
    producer.publish();
    assert.ok(consumer.nextRun(256));
    assert.deepEqual(readRun(consumer), [[shift, producer.maxPayloadBytes]]);
    consumer.release();
    assert.ok(send(producer, 0, 255));
    producer.publish();
    assert.ok(consumer.nextRun(256));
    consumer.release();
  }
});

test('a ring that runs empty starts again at its beginning, a busy one goes on', () => {
  const { producer, consumer } = pair(8192);
  let highest = 0;
  for (let i = 0; i < 1000; i++) {
    assert.ok(send(producer, 40, i));
    producer.publish();
    assert.ok(consumer.nextRun(8192));
    highest = Math.max(highest, consumer.runEnd);
    consumer.release();
  }
  assert.ok(highest <= 8192 / 8 + frameBytes(40), `used up to ${highest}`);
  // One frame always in flight: no restart possible, so the ring is gone through whole.
  send(producer, 40, 0);
  producer.publish();
  for (let i = 0; i < 1000; i++) {
    assert.ok(send(producer, 40, i));
    producer.publish();
    assert.ok(consumer.nextRun(1));
    highest = Math.max(highest, consumer.runEnd);
    consumer.release();
  }
  assert.ok(highest > 8192 - frameBytes(40), `used up to ${highest}`);
});

test('a reservation that is not pushed leaves no trace', () => {
  const { producer, consumer } = pair(256);
  send(producer, 100, 1);
  send(producer, 60, 2);
  producer.publish();
  consumer.nextRun(1);
  consumer.release();
  // Would lead over the end of the ring: a skip mark is written, and must not count.
  assert.equal(producer.reserve(100), FRAME_HEADER_BYTES);
  assert.equal(producer.publish(), false);
  assert.ok(send(producer, 8, 3));
  assert.throws(() => producer.push(4));
  producer.reserve(8);
  assert.throws(() => producer.push(4, 9), { code: 'INVALID_ARGUMENT' });
  producer.publish();
  assert.ok(consumer.nextRun(256));
  assert.deepEqual(readRun(consumer), [
    [2, 60],
    [3, 8],
  ]);
});

test('publishing rings the doorbell, one turn of frames at a time', () => {
  const words = new Int32Array(new SharedArrayBuffer(16));
  const { producer } = pair(1024, { words, index: 2 });
  producer.publish();
  send(producer, 1, 1);
  send(producer, 1, 2);
  producer.publish();
  assert.deepEqual([...words], [0, 0, 1, 0]);
});

test('capacities that are no power of two, too small or too large are refused', () => {
  for (const capacity of [0, 32, 100, 96 << 10, 128 << 20]) {
    assert.throws(() => createRing(capacity), { code: 'INVALID_ARGUMENT' });
  }
  assert.throws(() => new RingProducer(new SharedArrayBuffer(1000)), { code: 'INVALID_ARGUMENT' });
});

test('a wait on an empty ring ends at its timeout, one on a ring with frames at once', () => {
  const { producer, consumer } = pair(64);
  consumer.wait(1);
  send(producer, 8, 1);
  producer.publish();
  consumer.wait(60_000);
  assert.ok(consumer.nextRun(64));
  assert.ok(send(producer, 8, 2));
  assert.ok(send(producer, 24, 3));
  assert.equal(producer.reserve(8), -1);
  producer.waitForRoom(1);
  consumer.release();
  producer.waitForRoom(60_000);
  assert.ok(producer.reserve(8) >= 0);
});

test('producers and consumers made anew on a drained ring go on where the old ones stopped', () => {
  const { ring, producer, consumer } = pair(256);
  for (let i = 0; i < 5; i++) {
    send(producer, 30, i);
    producer.publish();
    consumer.nextRun(256);
    consumer.release();
  }
  const later = new RingProducer(ring);
  assert.equal(later.framesPushed, 5);
  send(later, 30, 6);
  later.publish();
  const laterConsumer = new RingConsumer(ring);
  assert.ok(laterConsumer.nextRun(256));
  assert.deepEqual(readRun(laterConsumer), [[6, 30]]);
  laterConsumer.release();
  assert.equal(later.framesCompleted, 6);
});

test('a ring is a bounded queue', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('send' as const), bytes: fc.nat(60), spare: fc.nat(60) }),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'publish' as const }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), bytes: fc.nat(300) }) },
  );
  const startPosition = fc.constantFrom(0, 0x7fff_ff00, -1024, -256);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), startPosition, (steps, position) => {
      const ring = createRing(256);
      // Positions and counters about to wrap: words 0 (tail), 32 (head) and 33 (completed) of the control block.
      const words = new Int32Array(ring);
      words[0] = words[32] = position;
      words[33] = -3;
      const producer = new RingProducer(ring);
      const consumer = new RingConsumer(ring);
      const pushed: [number, number][] = [];
      const visible: [number, number][] = [];
      let completed = producer.framesCompleted;
      let framesPushed = producer.framesPushed;
      let tag = 0;
      const drain = (bytes: number) => {
        if (!consumer.nextRun(bytes)) return assert.equal(visible.length, 0);
        const run = readRun(consumer);
        assert.ok(run.length === 1 || consumer.runEnd - consumer.runStart <= bytes);
        assert.deepEqual(run, visible.splice(0, run.length));
        consumer.release();
        completed = (completed + run.length) >>> 0;
      };
      for (const each of steps) {
        if (each.kind === 'send') {
          if (send(producer, each.bytes, ++tag, each.spare)) {
            pushed.push([tag, each.bytes]);
            framesPushed = (framesPushed + 1) >>> 0;
          } else assert.ok(pushed.length + visible.length > 0, 'an empty ring takes any frame');
        } else if (each.kind === 'publish') {
          assert.equal(producer.publish(), pushed.length > 0);
          visible.push(...pushed.splice(0));
        } else drain(each.bytes);
        assert.equal(producer.framesPushed, framesPushed);
        assert.equal(producer.framesCompleted, completed);
        assert.ok(producer.usedBytes <= 256);
      }
      producer.publish();
      visible.push(...pushed.splice(0));
      while (visible.length > 0) drain(256);
      assert.ok(consumer.empty);
      assert.equal(producer.usedBytes, 0);
    }),
    { numRuns: 300 },
  );
});
