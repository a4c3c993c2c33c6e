/** Which slots have been filled, as it is kept in the node's own records. Pure. */

const FORMAT = 1;
const INCARNATION_BYTES = 16;
const HEADER_BYTES = 1 + 8 + INCARNATION_BYTES;

/**
 * @param lack what was missing, see `FolderWholeness.lack`
 * @param incarnation of the folder: 32 hexadecimal digits
 * @param slots a bit for each slot
 */
export function encodeFilled(lack: number, incarnation: string, slots: Uint8Array): Uint8Array {
  const record = Buffer.alloc(HEADER_BYTES + slots.length);
  record[0] = FORMAT;
  record.writeDoubleLE(lack, 1);
  record.write(incarnation, 9, 'hex');
  record.set(slots, HEADER_BYTES);
  return record;
}

/** The bits; null: what was kept is for another folder or another lack, and says nothing of this one. */
export function decodeFilled(kept: Uint8Array, lack: number, incarnation: string): Uint8Array | null {
  const record = Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength);
  if (record.length < HEADER_BYTES || record[0] !== FORMAT || record.readDoubleLE(1) !== lack) return null;
  if (record.toString('hex', 9, HEADER_BYTES) !== incarnation) return null;
  return kept.subarray(HEADER_BYTES);
}
