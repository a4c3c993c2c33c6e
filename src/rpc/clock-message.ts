/** A node's answer to a question for its clock: three times in ms since the Unix epoch. Pure. */

/** Three big-endian float 64: the wall clock, the node's own time, and the time up to which it accepts timestamps. */
const CLOCK_BYTES = 24;

export interface ClockTimes {
  readonly wallMs: number;
  /** 0: the node knows none yet. */
  readonly ownMs: number;
  /** Without the drift allowed; at least its own time. */
  readonly acceptMs: number;
}

export function encodeClock({ wallMs, ownMs, acceptMs }: ClockTimes): Buffer {
  const bytes = Buffer.allocUnsafe(CLOCK_BYTES);
  bytes.writeDoubleBE(acceptMs, bytes.writeDoubleBE(ownMs, bytes.writeDoubleBE(wallMs, 0)));
  return bytes;
}

/** Null for bytes that no node answers. */
export function decodeClock(bytes: Uint8Array): ClockTimes | null {
  if (bytes.length !== CLOCK_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, CLOCK_BYTES);
  const [wallMs, ownMs, acceptMs] = [view.getFloat64(0), view.getFloat64(8), view.getFloat64(16)];
  const isSound = [wallMs, ownMs, acceptMs].every((ms) => ms >= 0 && ms <= Number.MAX_SAFE_INTEGER);
  return isSound ? { wallMs, ownMs, acceptMs } : null;
}
