import { protocolError } from '../errors.ts';
import { FRAME_LENGTH_BYTES, readFrameLength } from './codec.ts';

export interface FrameSink {
  /** Set once no more frames are wanted. */
  readonly isClosed: boolean;
  /**
   * The message of one frame: `bytes[start, end)`.
   * @returns whether some of it may still be used later; if false, the memory may serve for the next frame
   */
  onFrame(bytes: Buffer, start: number, end: number): boolean;
}

/**
 * Cuts a stream of bytes into frames. A frame that is complete in a chunk is handed out in place. A frame that spans
 * chunks is put together in memory of its own, of exactly its size, so that no chunk is kept because of it. The
 * fragments of large messages all span chunks and have the same size, so they are put together in the same memory one
 * after the other. Pure.
 */
export class FrameSplitter {
  readonly #sink: FrameSink;
  #maxFrameBytes: number;
  /** The length bytes of a frame when a chunk ended among them. */
  readonly #header = Buffer.alloc(FRAME_LENGTH_BYTES);
  #headerUsed = 0;
  /** The message of a frame whose rest is still to come. */
  #message: Buffer | null = null;
  #messageUsed = 0;
  /** Memory that can be used again, because nobody uses its content any more. */
  #spare: Buffer | null = null;

  constructor(sink: FrameSink, maxFrameBytes: number) {
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** It holds from the next frame on. */
  setMaxFrameBytes(maxFrameBytes: number): void {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** @throws QuorateError PROTOCOL for a length that no frame has, and whatever the sink throws */
  push(chunk: Buffer): void {
    const sink = this.#sink;
    const end = chunk.length;
    let at = this.#headerUsed > 0 || this.#message !== null ? this.#completeSpanning(chunk) : 0;
    while (!sink.isClosed && end - at >= FRAME_LENGTH_BYTES) {
      const length = this.#checked(readFrameLength(chunk, at));
      const start = at + FRAME_LENGTH_BYTES;
      if (length > end - start) {
        this.#startMessage(length);
        this.#addToMessage(chunk, start);
        return;
      }
      at = start + length;
      sink.onFrame(chunk, start, at);
    }
    if (at < end && !sink.isClosed) this.#headerUsed = chunk.copy(this.#header, 0, at);
  }

  /** Continues the frame that an earlier chunk began, and returns where the next frame starts. */
  #completeSpanning(chunk: Buffer): number {
    let at = 0;
    if (this.#message === null) {
      at = chunk.copy(this.#header, this.#headerUsed, 0);
      this.#headerUsed += at;
      if (this.#headerUsed < FRAME_LENGTH_BYTES) return at;
      this.#startMessage(this.#checked(readFrameLength(this.#header, 0)));
    }
    at += this.#addToMessage(chunk, at);
    const message = this.#message;
    if (message === null || this.#messageUsed < message.length) return at;
    this.#message = null;
    if (!this.#sink.onFrame(message, 0, message.length)) this.#spare = message;
    return at;
  }

  #startMessage(length: number): void {
    this.#headerUsed = 0;
    const spare = this.#spare;
    if (spare !== null && spare.length === length) {
      this.#message = spare;
      this.#spare = null;
    } else {
      this.#message = Buffer.allocUnsafeSlow(length);
    }
    this.#messageUsed = 0;
  }

  #addToMessage(chunk: Buffer, start: number): number {
    if (this.#message === null) return 0;
    const copied = chunk.copy(this.#message, this.#messageUsed, start);
    this.#messageUsed += copied;
    return copied;
  }

  #checked(length: number): number {
    if (length > 0 && length <= this.#maxFrameBytes) return length;
    throw protocolError(`a frame of ${length} bytes where 1 to ${this.#maxFrameBytes} are allowed`);
  }
}
