import { RingConsumer, RingProducer } from '../shared/ring.ts';
import type { RoleHandle } from '../threads/executor.ts';

export const READER_REQUEST_RING_BYTES = 1024 * 1024;

/** Main's end of one reader thread: its two rings and its handle. The messages are in threads/protocol. */
export class ReaderChannel {
  readonly requests: RingProducer;
  readonly responses: RingConsumer;
  readonly requestRing: SharedArrayBuffer;
  readonly responseRing: SharedArrayBuffer;
  readonly thread: number;
  /** Index in the epoch domain. */
  epoch = -1;
  handle: RoleHandle | undefined;
  #isDown = false;

  constructor(requestRing: SharedArrayBuffer, responseRing: SharedArrayBuffer, thread: number) {
    this.requestRing = requestRing;
    this.responseRing = responseRing;
    this.requests = new RingProducer(requestRing);
    this.responses = new RingConsumer(responseRing);
    this.thread = thread;
  }

  /** Whether its thread could not be started when that was last tried, and has not come since. */
  get isDown(): boolean {
    this.#isDown &&= !this.requests.hasConsumer;
    return this.#isDown;
  }

  set isDown(isDown: boolean) {
    this.#isDown = isDown;
  }

  get queued(): number {
    return (this.requests.framesPushed - this.requests.framesCompleted) >>> 0;
  }
}
