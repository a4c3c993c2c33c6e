import { corruption, type LsmError, otherFormat } from '../errors.ts';
import { checksum } from '../format/checksum.ts';
import type { HashSeed } from '../format/hash.ts';
import { readUint32, readUint53, writeUint32, writeUint53 } from '../format/integers.ts';

/**
 * The slot versions of a table: a meta block that says of each record which key it is of, by fingerprint, its version
 * and the data block it is in, ordered by slot. So whoever compares two engines reads a few bytes a record, and of one
 * slot only its part. FORMAT.md draws it with an example; little-endian throughout.
 *
 *   head      u8 format (2), u8 bytes of a timestamp, u8 bytes of a class, u8 bytes of a block number,
 *             u32 u32 seed of the fingerprints, low and high, u32 rows, u32 pieces, u32 classes,
 *             u53 smallest timestamp, u32 purgeable rows, u32 private rows, u32 samples,
 *             18 bytes a sample: u16 slot, u53 timestamp, u53 expiry,
 *             u32 CRC-32 of the head up to here
 *   index     8 bytes a class: u32 writer, u16 from, u8 flags, u8 0
 *             8 bytes a piece: u16 slot of its first row, u16 rows, u32 CRC-32 of the piece
 *             u32 CRC-32 of the index up to here
 *   pieces    rows of one size, in ascending order of fingerprints:
 *             u8 slot, counted from that of the piece's first row, u16 and u32 the other 48 bits of the fingerprint,
 *             timestamp, counted from the smallest, class, block number
 *
 * Every record has a row. Purgeable are tombstones and values with an expiry, without those with `from` 0; the samples
 * are some of them, evenly chosen.
 */
const SLOT_SECTION_FORMAT = 2;
/** Without samples and checksum. */
export const HEAD_BYTES = 44;
export const CHECKSUM_BYTES = 4;
export const SAMPLE_BYTES = 18;
export const MAX_SAMPLES = 16;
/** Room for a head with all its samples. */
const MOST_HEAD_BYTES = HEAD_BYTES + MAX_SAMPLES * SAMPLE_BYTES + CHECKSUM_BYTES;
export const CLASS_BYTES = 8;
export const PIECE_ENTRY_BYTES = 8;
/** Slot, and what the slot leaves of the fingerprint. */
export const ROW_KEY_BYTES = 7;
/** A piece has at most so many rows, of slots that a byte can count from the first. */
export const MAX_PIECE_ROWS = 256;
export const MAX_PIECE_SLOTS = 256;

/** Some of the rows that may be purged one day: a column for each thing. Plain data. */
interface PurgeSamples {
  readonly slots: Uint16Array;
  readonly timestamps: Float64Array;
  /** 0: a tombstone. */
  readonly expiries: Float64Array;
}

/** What the head says. Plain data: it is posted with the table's handle. */
export interface SlotSectionHead {
  readonly timestampBytes: number;
  readonly classBytes: number;
  readonly blockBytes: number;
  readonly seed: HashSeed;
  readonly rows: number;
  readonly pieces: number;
  readonly classes: number;
  readonly smallestTimestamp: number;
  readonly purgeable: number;
  /** Rows of records with `from` 0. */
  readonly privateRows: number;
  readonly samples: PurgeSamples;
}

/** Where the section lies in its file. */
export interface SlotSectionPlace {
  readonly offset: number;
  readonly lengthBytes: number;
}

export function headBytes({ samples }: SlotSectionHead): number {
  return HEAD_BYTES + samples.slots.length * SAMPLE_BYTES + CHECKSUM_BYTES;
}

export function indexBytes({ classes, pieces }: SlotSectionHead): number {
  return classes * CLASS_BYTES + pieces * PIECE_ENTRY_BYTES + CHECKSUM_BYTES;
}

export function rowBytes({ timestampBytes, classBytes, blockBytes }: SlotSectionHead): number {
  return ROW_KEY_BYTES + timestampBytes + classBytes + blockBytes;
}

/** @returns where the head ends */
export function writeHead(target: Uint8Array, head: SlotSectionHead): number {
  target[0] = SLOT_SECTION_FORMAT;
  target[1] = head.timestampBytes;
  target[2] = head.classBytes;
  target[3] = head.blockBytes;
  writeUint32(target, 4, head.seed.low);
  writeUint32(target, 8, head.seed.high);
  writeUint32(target, 12, head.rows);
  writeUint32(target, 16, head.pieces);
  writeUint32(target, 20, head.classes);
  writeUint53(target, 24, head.smallestTimestamp);
  writeUint32(target, 32, head.purgeable);
  const { slots, timestamps, expiries } = head.samples;
  writeUint32(target, 36, head.privateRows);
  writeUint32(target, 40, slots.length);
  let at = HEAD_BYTES;
  for (let sample = 0; sample < slots.length; sample++) {
    target[at] = slots[sample];
    target[at + 1] = slots[sample] >>> 8;
    writeUint53(target, at + 2, timestamps[sample]);
    writeUint53(target, at + 10, expiries[sample]);
    at += SAMPLE_BYTES;
  }
  writeUint32(target, at, checksum(target, 0, at));
  return at + CHECKSUM_BYTES;
}

/** How much of a section must be read to have its head. */
export function headReadBytes({ lengthBytes }: SlotSectionPlace): number {
  return Math.min(lengthBytes, MOST_HEAD_BYTES);
}

/**
 * Verifies the head at the start of `bytes`, of which there are `headReadBytes`.
 * @throws LsmError CORRUPTION; UNSUPPORTED_FORMAT for what a later version wrote
 */
export function readHead(
  bytes: Uint8Array,
  { lengthBytes, offset }: SlotSectionPlace,
  file: string,
): SlotSectionHead {
  const damaged = (what: string): LsmError => corruption(file, offset, `the slot versions ${what}`);
  if (bytes.length < HEAD_BYTES + CHECKSUM_BYTES) throw damaged('are shorter than their head');
  const samples = readUint32(bytes, 40);
  const crcAt = HEAD_BYTES + samples * SAMPLE_BYTES;
  if (samples > MAX_SAMPLES || crcAt + CHECKSUM_BYTES > bytes.length) throw damaged('end within their head');
  if (checksum(bytes, 0, crcAt) !== readUint32(bytes, crcAt))
    throw damaged('have a head that does not match its checksum');
  if (bytes[0] !== SLOT_SECTION_FORMAT) {
    throw otherFormat(`${file} has slot versions`, bytes[0], SLOT_SECTION_FORMAT, { file, offset });
  }
  const head: SlotSectionHead = {
    timestampBytes: bytes[1],
    classBytes: bytes[2],
    blockBytes: bytes[3],
    seed: { low: readUint32(bytes, 4), high: readUint32(bytes, 8) },
    rows: readUint32(bytes, 12),
    pieces: readUint32(bytes, 16),
    classes: readUint32(bytes, 20),
    smallestTimestamp: readUint53(bytes, 24),
    purgeable: readUint32(bytes, 32),
    privateRows: readUint32(bytes, 36),
    samples: readSamples(bytes, samples),
  };
  if (headBytes(head) + indexBytes(head) + head.rows * rowBytes(head) !== lengthBytes)
    throw damaged(`have ${lengthBytes} bytes, and not what their head says`);
  return head;
}

function readSamples(bytes: Uint8Array, count: number): PurgeSamples {
  const samples = {
    slots: new Uint16Array(count),
    timestamps: new Float64Array(count),
    expiries: new Float64Array(count),
  };
  for (let sample = 0; sample < count; sample++) {
    const at = HEAD_BYTES + sample * SAMPLE_BYTES;
    samples.slots[sample] = bytes[at] | (bytes[at + 1] << 8);
    samples.timestamps[sample] = readUint53(bytes, at + 2);
    samples.expiries[sample] = readUint53(bytes, at + 10);
  }
  return samples;
}
