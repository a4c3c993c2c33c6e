import type { LsmError } from '../errors.ts';
import { writeUint32 } from '../format/integers.ts';
import type { RingProducer } from '../shared/ring.ts';
import { encodeError, WriterTag } from './protocol.ts';

const NO_BYTES = new Uint8Array(0);

/** What the writer tells main of itself, among its answers. */
export class WriterNews {
  readonly #responses: RingProducer;
  /** Code of the error that main knows writes to fail with; empty: they go well. */
  #told = '';

  constructor(responses: RingProducer) {
    this.#responses = responses;
  }

  /** The first log of this run is there. */
  begun(generation: number): void {
    this.#generation(WriterTag.begun, generation);
  }

  rotated(generation: number): void {
    this.#generation(WriterTag.rotated, generation);
  }

  /** Writes fail with this error; said once for each code. */
  failing(error: LsmError): void {
    const { code } = error;
    // Main knows of a fault already, and sees for itself when memory is short.
    if (code !== this.#told && code !== 'POISONED' && code !== 'OVERLOADED')
      this.#tell(code, encodeError(error));
  }

  working(): void {
    if (this.#told !== '') this.#tell('', NO_BYTES);
  }

  /** Nothing is acknowledged any more. */
  fault(error: LsmError): void {
    const body = encodeError(error);
    const at = this.#responses.reserve(body.length);
    this.#responses.bytes.set(body, at);
    this.#responses.push(WriterTag.fault);
  }

  #generation(tag: typeof WriterTag.begun | typeof WriterTag.rotated, generation: number): void {
    const at = this.#responses.reserve(4);
    writeUint32(this.#responses.bytes, at, generation);
    this.#responses.push(tag);
    this.#responses.publish();
  }

  /** Where the ring has no room the next run tells. */
  #tell(code: string, body: Uint8Array): void {
    const at = this.#responses.reserve(body.length);
    if (at === -1) return;
    this.#responses.bytes.set(body, at);
    this.#responses.push(WriterTag.failing);
    this.#told = code;
  }
}
