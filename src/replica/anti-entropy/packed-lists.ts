/**
 * Lists of numbers as messages of rounds have them: little-endian, one item directly behind the other. A round has lists
 * of all slots: they are gone through by index, as an iterator makes an object for each item. Pure.
 */
import { protocolError } from '../../errors.ts';
import { DIGEST_BYTES } from './digest-tree.ts';
import { FAN_OUT, MAX_DEPTH, type SlotRange } from './version-list.ts';

const RANGE_BYTES = 17;
const FINGERPRINT_BYTES = 8;
const SLOT_BYTES = 2;

/** A range of a slot, and up to where the asker may have purged. */
export interface AskedRange extends SlotRange {
  readonly purgeableTo: number;
}

/** A key's fingerprint, with its slot. */
export interface SlotFingerprint {
  readonly slot: number;
  readonly fingerprint: number;
}

export function encodeRanges(ranges: readonly AskedRange[]): Buffer {
  const bytes = Buffer.allocUnsafe(ranges.length * RANGE_BYTES);
  let at = 0;
  for (const { slot, depth, prefix, purgeableTo } of ranges) {
    at = bytes.writeUInt16LE(slot, at);
    at = bytes.writeUInt8(depth, at);
    at = bytes.writeUIntLE(prefix, at, MAX_DEPTH);
    at = bytes.writeDoubleLE(purgeableTo, at);
  }
  return bytes;
}

export function decodeRanges(bytes: Buffer): AskedRange[] {
  return Array.from({ length: countOf(bytes, RANGE_BYTES) }, (_, index) => {
    const at = index * RANGE_BYTES;
    const depth = bytes.readUInt8(at + 2);
    const prefix = bytes.readUIntLE(at + 3, MAX_DEPTH);
    if (depth > MAX_DEPTH || prefix >= FAN_OUT ** depth) throw protocolError(`a range of depth ${depth}`);
    return { slot: bytes.readUInt16LE(at), depth, prefix, purgeableTo: bytes.readDoubleLE(at + 9) };
  });
}

export function encodeFingerprints(wanted: readonly SlotFingerprint[]): Buffer {
  const bytes = Buffer.allocUnsafe(wanted.length * FINGERPRINT_BYTES);
  let at = 0;
  for (const { slot, fingerprint } of wanted)
    at = bytes.writeUIntLE(fingerprint, bytes.writeUInt16LE(slot, at), MAX_DEPTH);
  return bytes;
}

export function decodeFingerprints(bytes: Buffer): SlotFingerprint[] {
  return Array.from({ length: countOf(bytes, FINGERPRINT_BYTES) }, (_, index) => ({
    slot: bytes.readUInt16LE(index * FINGERPRINT_BYTES),
    fingerprint: bytes.readUIntLE(index * FINGERPRINT_BYTES + SLOT_BYTES, MAX_DEPTH),
  }));
}

export function encodeSlots(slots: Uint16Array): Buffer {
  const bytes = Buffer.allocUnsafe(slots.length * SLOT_BYTES);
  for (let index = 0; index < slots.length; index++) bytes.writeUInt16LE(slots[index], index * SLOT_BYTES);
  return bytes;
}

export function decodeSlots(answer: Uint8Array): Uint16Array {
  const bytes = viewOf(answer);
  const slots = new Uint16Array(countOf(bytes, SLOT_BYTES));
  for (let index = 0; index < slots.length; index++) slots[index] = bytes.readUInt16LE(index * SLOT_BYTES);
  return slots;
}

export function encodeWords(words: Uint32Array): Buffer {
  const bytes = Buffer.allocUnsafe(words.length * 4);
  for (let index = 0; index < words.length; index++) bytes.writeUInt32LE(words[index], index * 4);
  return bytes;
}

/** Pairs of words. */
export function decodeWords(answer: Uint8Array): Uint32Array {
  const bytes = viewOf(answer);
  const words = new Uint32Array(2 * countOf(bytes, DIGEST_BYTES));
  for (let index = 0; index < words.length; index++) words[index] = bytes.readUInt32LE(index * 4);
  return words;
}

function countOf(bytes: Uint8Array, size: number): number {
  if (bytes.length % size !== 0) throw protocolError(`${bytes.length} bytes are no list of ${size} each`);
  return bytes.length / size;
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
