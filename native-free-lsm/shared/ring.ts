/**
 * A ring of frames (format/frame.ts) in shared memory, from one producer thread to one consumer thread.
 *
 * A frame is contiguous: where it would run over the end of the ring, a skip mark (length 0xffffffff) takes the rest of the
 * lap and the frame starts at offset 0. So a run of frames can be handed on verbatim, to a log for example.
 *
 * Memory: 256 bytes of control words, then the data, a power of two up to 64 MiB. Positions count bytes ever
 * passed, modulo 2^32, and so do the frame counters; only differences are looked at, which makes wrapping safe.
 *
 *   word   writer     meaning
 *      0   producer   tail: position behind the last published frame
 *      1   producer   1 while it waits for room
 *     32   consumer   head: position behind the last released frame
 *     33   consumer   frames released (the consumer's epoch word, see epochs.ts)
 *     34   consumer   1 while it sleeps for frames
 *     35   consumer   1 since there is one
 *
 * Each side's words lie on a pair of cache lines of its own (pairs: processors prefetch the neighbour).
 *
 * Thread safety. Data between head and tail belongs to the consumer, the rest to the producer. Both write and
 * read it plainly: the store of tail orders frame bytes before it, the load of tail by the consumer orders its
 * reads behind; head does the same in the other direction, so freed bytes are overwritten only after the
 * consumer's last read of them.
 *
 * Sleeping without lost wake-ups (Dekker's pattern; Atomics are sequentially consistent): the sleeper stores its
 * flag, then `Atomics.wait` compares the word it watches; the other side stores that word, then loads the flag.
 * In the one total order either the flag comes first, and the waker sees it and notifies, or the word comes
 * first, and the compare sees it and does not sleep. A sleeper not asleep costs the waker one load (8 ns)
 * instead of a notify (54 ns, a lock all threads of the process share).
 *
 * A ring that runs empty starts again at offset 0 once an eighth of it was used, by an ordinary skip mark: no
 * race, because the consumer learns of it as of any frame, and a large ring with little in it touches few pages.
 * Until the consumer has passed the mark the producer has that used part as room, at least an eighth.
 */
import { LsmError } from '../errors.ts';
import { FRAME_HEADER_BYTES, frameBytes, frameLength, writeFrameHeader } from '../format/frame.ts';
import { readUint32, writeUint32 } from '../format/integers.ts';

const SKIP_MARK = 0xffff_ffff;
const CONTROL_BYTES = 256;
const MIN_CAPACITY_BYTES = 64;
const MAX_CAPACITY_BYTES = 64 << 20;
const MIN_USUAL_BYTES = 256 * 1024;
const MAX_USUAL_BYTES = 4 * 1024 * 1024;

const TAIL = 0;
const PRODUCER_WAITS = 1;
const HEAD = 32;
const COMPLETED = 33;
const CONSUMER_SLEEPS = 34;
const CONSUMER_THERE = 35;

/** A word on which one sleeper waits for several rings; `publish` adds 1 to it. */
export interface Doorbell {
  readonly words: Int32Array;
  readonly index: number;
}

/** @param capacityBytes a power of two from 64 bytes to 64 MiB; a frame may take half of it */
export function createRing(capacityBytes: number): SharedArrayBuffer {
  checkCapacity(capacityBytes);
  return new SharedArrayBuffer(CONTROL_BYTES + capacityBytes);
}

/** The capacity for a frame of this payload, which may take half of a ring, and for many small ones. */
export function ringBytesFor(payloadBytes: number, leastBytes = MAX_USUAL_BYTES): number {
  let bytes = leastBytes;
  while (bytes / 2 < payloadBytes + 4096) bytes *= 2;
  return bytes;
}

/** The capacity for many small frames on their way into memtables of this size: more would only wait for their flush. */
export function usualRingBytes(memtableBytes: number): number {
  let bytes = MIN_USUAL_BYTES;
  while (bytes < memtableBytes && bytes < MAX_USUAL_BYTES) bytes *= 2;
  return bytes;
}

function checkCapacity(capacityBytes: number): void {
  const fits = capacityBytes >= MIN_CAPACITY_BYTES && capacityBytes <= MAX_CAPACITY_BYTES;
  if (fits && (capacityBytes & (capacityBytes - 1)) === 0) return;
  const range = `from ${MIN_CAPACITY_BYTES} bytes to ${MAX_CAPACITY_BYTES >> 20} MiB`;
  throw new LsmError('INVALID_ARGUMENT', `a ring of ${capacityBytes} bytes: give a power of two ${range}`);
}

/** The sending end. Make one per ring, while nothing is in flight. */
export class RingProducer {
  /** The ring's data: every offset counts from its start. */
  readonly bytes: Uint8Array;
  /** Larger payloads never fit. */
  readonly maxPayloadBytes: number;
  readonly #words: Int32Array;
  readonly #doorbell: Doorbell | undefined;
  readonly #capacity: number;
  readonly #restartOffset: number;
  /** The head as last loaded; the true one is never behind it. */
  #head: number;
  #published: number;
  #pushed: number;
  #framesPushed: number;
  #framesPublished: number;
  #reservedStart = 0;
  #reservedPayloadBytes = -1;

  constructor(ring: SharedArrayBuffer, doorbell?: Doorbell) {
    this.#capacity = ring.byteLength - CONTROL_BYTES;
    checkCapacity(this.#capacity);
    this.bytes = new Uint8Array(ring, CONTROL_BYTES, this.#capacity);
    this.maxPayloadBytes = this.#capacity / 2 - FRAME_HEADER_BYTES;
    this.#words = new Int32Array(ring, 0, CONTROL_BYTES / 4);
    this.#doorbell = doorbell;
    this.#restartOffset = this.#capacity / 8;
    // In a fresh ring, or one that another producer left drained: start where that one stopped.
    this.#head = Atomics.load(this.#words, HEAD);
    this.#published = Atomics.load(this.#words, TAIL);
    this.#pushed = this.#published;
    this.#framesPushed = Atomics.load(this.#words, COMPLETED);
    this.#framesPublished = this.#framesPushed;
  }

  /**
   * Reserves room for one frame. Returns the offset of its payload in `bytes`, or -1 when there is no room now. Write
   * the payload before `push`. A reservation that is not pushed is forgotten by the next one.
   * @throws LsmError INVALID_ARGUMENT above maxPayloadBytes
   */
  reserve(payloadBytes: number): number {
    if (payloadBytes > this.maxPayloadBytes) {
      const limit = `this ring takes ${this.maxPayloadBytes}`;
      throw new LsmError('INVALID_ARGUMENT', `a frame of ${payloadBytes} bytes: ${limit} at most`);
    }
    const size = frameBytes(payloadBytes);
    const offset = this.#pushed & (this.#capacity - 1);
    const lapRest = this.#capacity - offset;
    const skip = size > lapRest || this.#canRestart(offset, size);
    const start = skip ? (this.#pushed + lapRest) | 0 : this.#pushed;
    if (((start + size - this.#head) | 0) > this.#capacity) {
      // Ordered before our writes: the consumer has already read what was in the bytes that it freed.
      this.#head = Atomics.load(this.#words, HEAD);
      if (((start + size - this.#head) | 0) > this.#capacity) return -1;
    }
    if (skip) writeUint32(this.bytes, offset, SKIP_MARK);
    this.#reservedStart = start;
    this.#reservedPayloadBytes = payloadBytes;
    return (start & (this.#capacity - 1)) + FRAME_HEADER_BYTES;
  }

  #canRestart(offset: number, size: number): boolean {
    if (offset < this.#restartOffset || size > offset || this.#pushed !== this.#published) return false;
    // Ordered before our writes, as in reserve: an empty ring is all ours.
    this.#head = Atomics.load(this.#words, HEAD);
    return this.#head === this.#pushed;
  }

  /**
   * Completes the reserved frame. It becomes visible with the next `publish`.
   * @param payloadBytes how much of the reservation was needed
   */
  push(tag: number, payloadBytes = this.#reservedPayloadBytes): void {
    if (this.#reservedPayloadBytes < 0) throw new LsmError('INVALID_ARGUMENT', 'push without a reservation');
    if (payloadBytes > this.#reservedPayloadBytes) {
      throw new LsmError('INVALID_ARGUMENT', `push of ${payloadBytes} bytes, more than were reserved`);
    }
    const at = this.#reservedStart & (this.#capacity - 1);
    const size = frameBytes(payloadBytes);
    writeFrameHeader(this.bytes, at, payloadBytes, tag);
    for (let to = at + FRAME_HEADER_BYTES + payloadBytes; to < at + size; to++) this.bytes[to] = 0;
    this.#pushed = (this.#reservedStart + size) | 0;
    this.#framesPushed = (this.#framesPushed + 1) | 0;
    this.#reservedPayloadBytes = -1;
  }

  /** Takes back what was pushed and is not published: nobody has seen it. */
  withdraw(): void {
    this.#pushed = this.#published;
    this.#framesPushed = this.#framesPublished;
    this.#reservedPayloadBytes = -1;
  }

  /** Takes back all that was pushed, published or not. Only while nobody is the consumer, nor about to be. */
  takeBack(): void {
    // Nobody else changes any of these words.
    this.#published = Atomics.load(this.#words, HEAD);
    this.#framesPublished = Atomics.load(this.#words, COMPLETED);
    // The next consumer starts at the head, and finds nothing.
    Atomics.store(this.#words, TAIL, this.#published);
    this.withdraw();
  }

  /** Makes all pushed frames visible and wakes the consumer; returns false when there are none. */
  publish(): boolean {
    if (this.#pushed === this.#published) return false;
    this.#published = this.#pushed;
    this.#framesPublished = this.#framesPushed;
    // Release: the bytes of the frames are written before the consumer can see the tail behind them.
    Atomics.store(this.#words, TAIL, this.#published);
    // After the store of tail, never before: see "sleeping" above.
    if (Atomics.load(this.#words, CONSUMER_SLEEPS) !== 0) Atomics.notify(this.#words, TAIL, 1);
    if (this.#doorbell !== undefined) {
      // After the store of tail: a sleeper that sees the bell changed finds the frames. An add, because many rings
      // share a bell.
      Atomics.add(this.#doorbell.words, this.#doorbell.index, 1);
      Atomics.notify(this.#doorbell.words, this.#doorbell.index);
    }
    return true;
  }

  /**
   * Has a consumer that sleeps look up though there is no frame for it. One that is just about to fall asleep may miss
   * it: say it again until the consumer has done what it is to do.
   */
  nudge(): void {
    // A word that has not changed is notified: whoever waits must be ready to find nothing, as after a timeout.
    Atomics.notify(this.#words, TAIL, 1);
  }

  /** How many frames were pushed, published or not; u32, wrapping. */
  get framesPushed(): number {
    return this.#framesPushed >>> 0;
  }

  /** How many frames the consumer has released; u32, wrapping. Ordered: what it did for them is done. */
  get framesCompleted(): number {
    // Acquire: the consumer stored the count after its work for the frames.
    return Atomics.load(this.#words, COMPLETED) >>> 0;
  }

  /** Whether the consumer's thread has come so far that it takes frames. */
  get hasConsumer(): boolean {
    // Any recent value will do: a frame that is published before lies there until the consumer comes.
    return Atomics.load(this.#words, CONSUMER_THERE) === 1;
  }

  /** Bytes of frames, padding and skipped ends that the consumer has not released yet. */
  get usedBytes(): number {
    // Any recent value will do; atomic so that a caller that polls sees it change.
    return (this.#pushed - Atomics.load(this.#words, HEAD)) >>> 0;
  }

  /**
   * Publishes what was pushed, then blocks until the consumer has freed something since the last refused `reserve`, or
   * for `timeoutMs`. Only for pool threads.
   */
  waitForRoom(timeoutMs: number): void {
    this.publish();
    // Before the compare of head in wait: see "sleeping" above.
    Atomics.store(this.#words, PRODUCER_WAITS, 1);
    Atomics.wait(this.#words, HEAD, this.#head, timeoutMs);
    // It only saves the consumer useless notifies; no order needed.
    Atomics.store(this.#words, PRODUCER_WAITS, 0);
  }
}

/** The receiving end. Make one per ring. */
export class RingConsumer {
  /** The ring's data: `runStart` and `runEnd` are offsets in it. */
  readonly bytes: Uint8Array;
  /** The current run, valid from a `nextRun` that returned true until `release`. */
  runStart = 0;
  runEnd = 0;
  runFrames = 0;
  readonly #words: Int32Array;
  readonly #capacity: number;
  #head: number;
  #completed: number;
  /** The position behind the current run; the head when there is none. */
  #runEndPosition: number;

  constructor(ring: SharedArrayBuffer) {
    this.#capacity = ring.byteLength - CONTROL_BYTES;
    checkCapacity(this.#capacity);
    this.bytes = new Uint8Array(ring, CONTROL_BYTES, this.#capacity);
    this.#words = new Int32Array(ring, 0, CONTROL_BYTES / 4);
    // Where an earlier consumer, if any, has stopped; there is only one at a time.
    this.#head = Atomics.load(this.#words, HEAD);
    this.#completed = Atomics.load(this.#words, COMPLETED);
    this.#runEndPosition = this.#head;
    // It only says how far this thread is; nothing is ordered by it.
    Atomics.store(this.#words, CONSUMER_THERE, 1);
  }

  /**
   * Finds the longest run of whole frames that are contiguous in memory, starts behind the last release and stays
   * within `maxBytes` (the first frame is taken whatever its size). Returns false when there is none. It consumes
   * nothing: called again before `release`, it starts at the same frame.
   */
  nextRun(maxBytes: number): boolean {
    const bytes = this.bytes;
    // Acquire: everything up to this tail was written before it was stored.
    const tail = Atomics.load(this.#words, TAIL);
    let position = this.#head;
    this.#runEndPosition = position;
    this.runFrames = 0;
    if (position === tail) return false;
    let at = position & (this.#capacity - 1);
    if (readUint32(bytes, at) === SKIP_MARK) {
      // A skip mark is published together with the frame behind it.
      position = (position + this.#capacity - at) | 0;
      at = 0;
    }
    this.runStart = at;
    let frames = 0;
    let end = at;
    while (end < this.#capacity && ((position + end - at) | 0) !== tail) {
      const length = frameLength(bytes, end);
      if (length === SKIP_MARK) break;
      const size = frameBytes(length);
      if (frames > 0 && end + size - at > maxBytes) break;
      end += size;
      frames++;
    }
    this.runEnd = end;
    this.runFrames = frames;
    this.#runEndPosition = (position + end - at) | 0;
    return true;
  }

  /** How many frames there are up to the end of the current run, counted as `framesPushed` is; u32, wrapping. */
  get framesTaken(): number {
    return (this.#completed + this.runFrames) >>> 0;
  }

  /** Ends the current run before its frame at `end`, which is the `frames`-th, counted from 0. */
  cutRun(end: number, frames: number): void {
    this.#runEndPosition = (this.#runEndPosition - (this.runEnd - end)) | 0;
    this.runEnd = end;
    this.runFrames = frames;
  }

  /** Gives the current run back: its bytes may be overwritten, and its frames count as completed. */
  release(): void {
    if (this.runFrames === 0) return;
    this.#completed = (this.#completed + this.runFrames) | 0;
    this.#head = this.#runEndPosition;
    this.runFrames = 0;
    // Release: everything done for these frames comes before the counter that says it is over.
    Atomics.store(this.#words, COMPLETED, this.#completed);
    // Release: our reads of the run come before the producer can see its bytes as free.
    Atomics.store(this.#words, HEAD, this.#head);
    // After the store of head, never before: see "sleeping" above.
    if (Atomics.load(this.#words, PRODUCER_WAITS) !== 0) Atomics.notify(this.#words, HEAD, 1);
  }

  /** Blocks until frames wait behind the last release, for `timeoutMs`, or until a nudge. Only for pool threads. */
  wait(timeoutMs: number): void {
    // Look first: under load there is something, and the flag's two stores and the wait are saved.
    if (!this.empty) return;
    // Before the compare of tail in wait: see "sleeping" above.
    Atomics.store(this.#words, CONSUMER_SLEEPS, 1);
    Atomics.wait(this.#words, TAIL, this.#head, timeoutMs);
    // It only saves the producer useless notifies; no order needed.
    Atomics.store(this.#words, CONSUMER_SLEEPS, 0);
  }

  /** Whether no published frame waits behind the last release. */
  get empty(): boolean {
    // Any recent value will do: the bytes are read only after nextRun's own load.
    return Atomics.load(this.#words, TAIL) === this.#head;
  }
}
