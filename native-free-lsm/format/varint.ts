/**
 * Unsigned integers of up to 32 bits in base 128, low group first, with the high bit set on every byte but the last
 * (LEB128, as in LevelDB and protocol buffers). They always take the fewest bytes, so the length of an encoding follows
 * from its value and a reader has to return only one number.
 */
export const MAX_VARINT_BYTES = 5;

/** How many bytes `value` takes. */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

/** Writes `value`, a whole number from 0 to 2^32 - 1; returns the offset behind it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest >= 0x80) {
    target[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[next++] = rest;
  return next;
}

/**
 * The integer at `at`, or -1 when there is none: it is longer than 32 bits, not in the fewest bytes, or cut off by the
 * end of `bytes`. The next field starts at `at + varintBytes(value)`.
 */
export function readVarint(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return first;
  let value = first & 0x7f;
  let scale = 0x80;
  for (let i = 1; i < MAX_VARINT_BYTES; i++) {
    const byte = bytes[at + i];
    if (byte < 0x80) {
      if (byte === 0) return -1;
      value += byte * scale;
      return value <= 0xffff_ffff ? value : -1;
    }
    value += (byte & 0x7f) * scale;
    scale *= 0x80;
  }
  return -1;
}
