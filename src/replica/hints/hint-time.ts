/**
 * The time by which hints age: how long the node has run since it kept its first one. No clock of a machine is in it that
 * somebody may set, nor the node's own time, which may step forward with that of its peers; so nothing but waiting makes
 * hints old. It stands still while the node is stopped, and goes on from where it was, but for a minute at most.
 */
import type { Clock } from '../../clock.ts';

const FORMAT = 1;
const TIME_AT = 1;
const BYTES = 9;

/** No page has a name of one byte. */
export const HINT_TIME_NAME: Uint8Array = Uint8Array.of(0);

export class HintTime {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** This time minus the monotonic time. */
  #offsetMs: number;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
    this.#offsetMs = -clock.monotonicMs();
  }

  nowMs(): number {
    return this.#clock.monotonicMs() + this.#offsetMs;
  }

  /** It was at least that late when the node ran before. */
  resume(atLeastMs: number): void {
    this.#offsetMs = Math.max(this.#offsetMs, atLeastMs - this.#clock.monotonicMs());
  }
}

export function encodeHintTime(ms: number): Uint8Array {
  const bytes = Buffer.alloc(BYTES);
  bytes[0] = FORMAT;
  bytes.writeDoubleLE(ms, TIME_AT);
  return bytes;
}

/** Null: the bytes are none of this format. */
export function decodeHintTime(bytes: Uint8Array): number | null {
  if (bytes.length !== BYTES || bytes[0] !== FORMAT) return null;
  const ms = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readDoubleLE(TIME_AT);
  return Number.isFinite(ms) && ms >= 0 ? ms : null;
}
