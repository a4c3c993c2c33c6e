import type { LsmError } from '../errors.ts';
import type { RingProducer } from '../shared/ring.ts';
import { encodeError } from './protocol/errors.ts';
import {
  encodeFailing,
  encodeGeneration,
  GENERATION_BYTES,
  WriterAnswerKind,
} from './protocol/writer-messages.ts';

/** What the writer tells main about itself, between its answers. */
export class WriterNews {
  readonly #responses: RingProducer;
  /** The code of the error that main was told writes fail with; empty: main knows that writes succeed. */
  #told = '';
  #isSpaceShort = false;
  /** The place of which main was told last that it is damaged. */
  #damaged = '';

  constructor(responses: RingProducer) {
    this.#responses = responses;
  }

  /** The first log of this run exists, and its name is durable. */
  begun(generation: number): void {
    this.#generation(WriterAnswerKind.begun, generation);
  }

  rotated(generation: number): void {
    this.#generation(WriterAnswerKind.rotated, generation);
  }

  /** Tells main that writes fail with this error, once for each code. */
  failing(error: LsmError): void {
    const { code } = error;
    if (code === 'NO_SPACE') this.#isSpaceShort = true;
    // Main has heard of a fault by `fault`, and it knows itself when memory is short.
    if (code !== this.#told && code !== 'POISONED' && code !== 'OVERLOADED') this.#tell(code, error);
  }

  /** Whether the disk was full, and nothing has shown since that it has room. */
  get isSpaceShort(): boolean {
    return this.#isSpaceShort;
  }

  working(): void {
    this.#isSpaceShort = false;
    if (this.#told !== '') this.#tell('', undefined);
  }

  /** Nothing is acknowledged any more. */
  fault(error: LsmError): void {
    const body = encodeError(error);
    const at = this.#responses.reserve(body.length);
    this.#responses.bytes.set(body, at);
    this.#responses.push(WriterAnswerKind.fault);
  }

  /**
   * Tells main that a write has met damage, once in a row for each place. There is never more than one such message in
   * the ring, as the rest of it is for answers: while main has something to read, the next write that meets the place
   * tells it.
   */
  damaged(error: LsmError): void {
    const place = `${error.file} ${error.offset}`;
    if (place === this.#damaged || this.#responses.usedBytes > 0) return;
    const body = encodeError(error);
    const at = this.#responses.reserve(body.length);
    if (at === -1) return;
    this.#responses.bytes.set(body, at);
    this.#responses.push(WriterAnswerKind.damaged);
    this.#damaged = place;
  }

  #generation(
    kind: typeof WriterAnswerKind.begun | typeof WriterAnswerKind.rotated,
    generation: number,
  ): void {
    const at = this.#responses.reserve(GENERATION_BYTES);
    encodeGeneration(this.#responses.bytes, at, generation);
    this.#responses.push(kind);
    this.#responses.publish();
  }

  /** When the ring has no room, the next run tells it. */
  #tell(code: string, error: LsmError | undefined): void {
    const body = encodeFailing(error);
    const at = this.#responses.reserve(body.length);
    if (at === -1) return;
    this.#responses.bytes.set(body, at);
    this.#responses.push(WriterAnswerKind.failing);
    this.#told = code;
  }
}
