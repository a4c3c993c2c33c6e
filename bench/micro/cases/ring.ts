import { frameLength, frameTag, nextFrame, payloadStart } from '../../../native-free-lsm/format/frame.ts';
import { createRing, RingConsumer, RingProducer } from '../../../native-free-lsm/shared/ring.ts';
import { recordOf } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const FRAMES = 4096;
const RING_BYTES = 256 * 1024;

/** Both ends are in one thread: it measures what words and copies cost, without the cache of a second processor. */
function passing(framesATurn: number): MicroCase {
  return {
    name: `ring: push and pop, ${framesATurn} a turn`,
    operations: FRAMES,
    prepare: () => {
      const ring = createRing(RING_BYTES);
      const producer = new RingProducer(ring);
      const consumer = new RingConsumer(ring);
      const payload = recordOf(1);
      return {
        run: () => {
          let sum = 0;
          for (let tag = 0; tag < FRAMES; ) {
            for (let end = tag + framesATurn; tag < end; tag++) {
              const at = producer.reserve(payload.length);
              for (let i = 0; i < payload.length; i++) producer.bytes[at + i] = payload[i];
              producer.push(tag);
            }
            producer.publish();
            while (consumer.nextRun(RING_BYTES)) {
              const { bytes, runEnd } = consumer;
              for (let frame = consumer.runStart; frame < runEnd; frame = nextFrame(bytes, frame)) {
                sum += frameTag(bytes, frame) + frameLength(bytes, frame) + bytes[payloadStart(frame)];
              }
              consumer.release();
            }
          }
          return sum;
        },
        // Records begin with their format, 1.
        expected: (FRAMES * (FRAMES - 1)) / 2 + FRAMES * (payload.length + 1),
      };
    },
  };
}

export const cases: readonly MicroCase[] = [passing(1), passing(64)];
