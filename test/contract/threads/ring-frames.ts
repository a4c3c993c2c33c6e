import assert from 'node:assert/strict';
import { frameLength, frameTag, nextFrame, payloadStart } from '../../../native-free-lsm/format/frame.ts';
import type { RingConsumer, RingProducer } from '../../../native-free-lsm/shared/ring.ts';
import { randomFrom } from './thread.ts';

export interface RingRun {
  readonly ring: SharedArrayBuffer;
  readonly frames: number;
  readonly seed: number;
  readonly doorbell?: SharedArrayBuffer;
}

/** Frame number `tag` of a run: its length and every byte follow from its number. */
function payloadBytes(tag: number, maxBytes: number): number {
  const random = Math.imul(tag + 1, 0x9e3779b1) >>> 0;
  // Mostly small, now and then as large as can be.
  return (random >>> 8) % (random % 64 === 0 ? maxBytes + 1 : 40);
}

/** Pushes all frames, in bursts of random length, and sleeps when there is no room. */
export function produce(producer: RingProducer, frames: number, seed: number): void {
  const random = randomFrom(seed);
  let burst = 1;
  for (let tag = 0; tag < frames; tag++) {
    const length = payloadBytes(tag, producer.maxPayloadBytes);
    let at = producer.reserve(length);
    while (at < 0) {
      producer.waitForRoom(Number.POSITIVE_INFINITY);
      at = producer.reserve(length);
    }
    producer.bytes.fill(tag, at, at + length);
    producer.push(tag);
    if (--burst > 0) continue;
    producer.publish();
    burst = 1 + random(random(8) === 0 ? 100 : 4);
  }
  producer.publish();
}

/** Takes one run and checks every byte; returns how many frames it held. */
export function consumeRun(
  consumer: RingConsumer,
  firstTag: number,
  maxBytes: number,
  maxPayload: number,
): number {
  if (!consumer.nextRun(maxBytes)) return 0;
  const { bytes } = consumer;
  let tag = firstTag;
  for (let at = consumer.runStart; at < consumer.runEnd; at = nextFrame(bytes, at), tag++) {
    assert.equal(frameTag(bytes, at), tag);
    const length = frameLength(bytes, at);
    assert.equal(length, payloadBytes(tag, maxPayload));
    for (let i = payloadStart(at); i < nextFrame(bytes, at); i++) {
      const expected = i < payloadStart(at) + length ? tag & 0xff : 0;
      if (bytes[i] !== expected) assert.fail(`byte ${i} of frame ${tag} is ${bytes[i]}, not ${expected}`);
    }
  }
  const { runFrames } = consumer;
  assert.equal(tag - firstTag, runFrames);
  consumer.release();
  return runFrames;
}
