import type { RingProducer } from '../shared/ring.ts';
import {
  COMPLETION_BYTES,
  encodeCompletion,
  type WriteCode,
  WriterAnswerKind,
} from './protocol/writer-messages.ts';

const COMPLETIONS_PER_FRAME = 1024;

/**
 * Packs the completions of a run into as few frames as possible. Publish them only after the run is released: when main
 * sees answers it pushes the writes that wait for room, and it may never be woken again. There is always room for the
 * completions, because main allows fewer writes under way than the response ring can answer (see WriteQueue).
 */
export class Answers {
  #responses!: RingProducer;
  #left = 0;
  #inFrame = 0;
  #at = 0;

  begin(responses: RingProducer, count: number): void {
    this.#responses = responses;
    this.#left = count;
    this.#inFrame = 0;
  }

  add(tag: number, code: WriteCode, metTimestamp: number, metWriter: number): void {
    if (this.#inFrame === 0) {
      this.#inFrame = Math.min(this.#left, COMPLETIONS_PER_FRAME);
      this.#at = this.#responses.reserve(this.#inFrame * COMPLETION_BYTES);
    }
    encodeCompletion(this.#responses.bytes, this.#at, tag, code, metTimestamp, metWriter);
    this.#at += COMPLETION_BYTES;
    this.#left--;
    if (--this.#inFrame === 0) this.#responses.push(WriterAnswerKind.completions);
  }
}
