import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { writeUint32 } from '../../../native-free-lsm/format/integers.ts';
import { createRing, RingConsumer, RingProducer } from '../../../native-free-lsm/shared/ring.ts';
import { until } from '../../support/until.ts';
import type { CacheThreadData } from './cache-block.ts';
import { startThread } from './thread.ts';

export const CHANNEL_RING_BYTES = 16 << 10;

/** The main thread's end of one pool thread. */
export class CacheChannel {
  readonly producer: RingProducer;
  readonly responses: RingConsumer;
  readonly result: Promise<{ found: number; missed: number }>;
  readonly #worker: Worker;

  constructor(t: TestContext, memory: SharedArrayBuffer, doorbell: SharedArrayBuffer) {
    const data = {
      memory,
      requests: createRing(CHANNEL_RING_BYTES),
      responses: createRing(CHANNEL_RING_BYTES),
      doorbell,
    };
    this.producer = new RingProducer(data.requests);
    this.responses = new RingConsumer(data.responses);
    const thread = startThread<{ found: number; missed: number }>(
      t,
      './cache-thread.ts',
      data satisfies CacheThreadData,
    );
    this.#worker = thread.worker;
    this.result = thread.result;
  }

  /** Bytes of a command in the ring. */
  static readonly commandBytes = 24;

  get hasRoom(): boolean {
    return this.producer.usedBytes + 2 * CacheChannel.commandBytes < CHANNEL_RING_BYTES / 2;
  }

  send(command: number, first = 0, second = 0, third = 0): void {
    const at = this.producer.reserve(12);
    writeUint32(this.producer.bytes, at, first);
    writeUint32(this.producer.bytes, at + 4, second);
    writeUint32(this.producer.bytes, at + 8, third);
    this.producer.push(command);
  }

  /** The next message of the thread. */
  get firstMessage(): Promise<unknown> {
    return once(this.#worker, 'message').then(([message]) => message);
  }

  async kill(): Promise<void> {
    // It ends without its result, as this test wants.
    this.result.catch(() => undefined);
    await this.#worker.terminate();
  }

  /** Resolves when the thread has completed something since; not when it has nothing to do. */
  async drained(): Promise<void> {
    const before = this.producer.framesCompleted;
    await until(
      () => this.producer.framesCompleted !== before,
      30_000,
      () => 'the thread completes nothing',
    );
  }
}
