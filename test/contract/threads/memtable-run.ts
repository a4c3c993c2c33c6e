import { hashBytes } from '../../../native-free-lsm/format/hash.ts';
import { readUint32, writeUint32 } from '../../../native-free-lsm/format/integers.ts';
import { RECORD_HEADER_BYTES, recordTimestamp, writeRecord } from '../../../native-free-lsm/format/record.ts';
import { HASH_SEED } from '../../support/hash-flood.ts';

export interface MemtableRun {
  readonly arena: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly keys: number;
  readonly seed: number;
}

/** Words of `control`. */
export const RunWord = {
  /** Readers that are ready. */
  ready: 0,
  /** Every sequence number below it is published. */
  published: 1,
  /** 1 when the writer is through. */
  done: 2,
} as const;

/** The key that sequence number `sequence` writes: some keys often, most seldom. */
export function keyNumber(sequence: number, keys: number): number {
  const random = Math.imul(sequence + 1, 0x9e3779b1) >>> 0;
  return (random >>> 7) % (random % 4 === 0 ? 16 : keys);
}

/** Writes key number `number` at the start of `target`; returns its length. Digits are hashed: no order of writing. */
export function writeKey(target: Uint8Array, number: number): number {
  const text = `key${(Math.imul(number, 0x2545f491) >>> 0).toString(36)}.${number}`;
  for (let i = 0; i < text.length; i++) target[i] = text.charCodeAt(i);
  return text.length;
}

const value = new Uint8Array(400);

/** A record that contains its key, its number and its length. */
export function writeOwnRecord(
  target: Uint8Array,
  key: Uint8Array,
  keyLength: number,
  sequence: number,
): number {
  const length = 12 + (sequence % 97 === 0 ? 300 : sequence % 50);
  value.fill(sequence, 12, length);
  writeUint32(value, 0, hashBytes(key, 0, keyLength, HASH_SEED));
  writeUint32(value, 4, sequence);
  writeUint32(value, 8, length);
  const fields = { timestamp: sequence + 1, writer: 1, tombstone: false, from: 3, expiryMs: 0 };
  return writeRecord(target, 0, fields, value.subarray(0, length));
}

/** The sequence number of a record, once it is proved to be whole and of this key. */
export function checkOwnRecord(bytes: Uint8Array, start: number, end: number, keyHash: number): number {
  const at = start + RECORD_HEADER_BYTES;
  const sequence = readUint32(bytes, at + 4);
  const length = readUint32(bytes, at + 8);
  let whole = readUint32(bytes, at) === keyHash && end - at === length;
  whole &&= recordTimestamp(bytes, start) === sequence + 1;
  for (let i = at + 12; i < end && whole; i++) whole = bytes[i] === (sequence & 0xff);
  if (!whole) throw new Error(`a torn or foreign record, number ${sequence}, at ${start}`);
  return sequence;
}
