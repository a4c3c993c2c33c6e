/** The messages between the cache's threads. A command's payload is four u32. */
export interface CacheThreadData {
  readonly memory: SharedArrayBuffer;
  readonly requests: SharedArrayBuffer;
  readonly responses: SharedArrayBuffer;
  readonly doorbell: SharedArrayBuffer;
}

export const CacheCommand = {
  /** slot, table, ordinal, length: fill the region. */
  fill: 1,
  /** seed: look blocks up and read them, again and again, until the command is completed. */
  look: 2,
  end: 3,
  /** slot, table, ordinal: fill half of the region, say so, and do nothing more. */
  fillHalf: 4,
} as const;

export const TABLES = 6;
export const ORDINALS = 150;

export function blockBytes(tableId: number, ordinal: number): number {
  const random = Math.imul(tableId * 1000 + ordinal + 1, 0x9e3779b1) >>> 0;
  return 16 + ((random >>> 8) % (random % 16 === 0 ? 12_000 : 3000));
}

/** Every 8 bytes of a block say which block it is and where in it they are. */
export function fillBlock(
  bytes: Uint8Array,
  start: number,
  tableId: number,
  ordinal: number,
  length = blockBytes(tableId, ordinal),
): void {
  for (let i = 0; i < length; i++) bytes[start + i] = (tableId * 37 + ordinal * 11 + (i >>> 3)) & 0xff;
}

export function checkBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  tableId: number,
  ordinal: number,
): void {
  let whole = end - start === blockBytes(tableId, ordinal);
  for (let i = 0; i < end - start && whole; i++) {
    whole = bytes[start + i] === ((tableId * 37 + ordinal * 11 + (i >>> 3)) & 0xff);
  }
  if (!whole) throw new Error(`block ${tableId}:${ordinal} at ${start} is torn or another's`);
}
