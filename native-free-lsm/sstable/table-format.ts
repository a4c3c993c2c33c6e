import { corruption, LsmError, otherFormat } from '../errors.ts';
import { checksum } from '../format/checksum.ts';
import { readUint32, writeUint32 } from '../format/integers.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { readExactly } from './read-exactly.ts';

/**
 * The frame of a table file, little-endian throughout; FORMAT.md draws it with an example.
 *
 *   data blocks    each with its trailer (block-codec.ts), without gaps
 *   meta blocks    of any types, in the order of the directory, without gaps
 *   directory      16 bytes a meta block:
 *                    u16 type, u16 flags (bit 0: a reader that does not know the type must refuse the file),
 *                    u32 offset, u32 length, u32 CRC-32 of the meta block
 *   footer         32 bytes:
 *                    u32 where data blocks end, u32 offset, u32 length and u32 CRC-32 of the directory,
 *                    u32 format version, u32 CRC-32 of the 20 bytes before, 8 bytes magic
 *
 * There is no padding: every byte lies under one of the checksums or in the magic.
 */
export const TABLE_FORMAT_VERSION = 2;
export const FOOTER_BYTES = 32;
export const META_ENTRY_BYTES = 16;
/** Offsets have 32 bits. */
export const MAX_TABLE_BYTES = 0xffff_ffff;
/** "nflsmsst" */
const MAGIC = new Uint8Array([0x6e, 0x66, 0x6c, 0x73, 0x6d, 0x73, 0x73, 0x74]);
const FOOTER_CHECKSUM_AT = 20;
const MAGIC_AT = 24;

/** Append only; 0 is never given out. */
export const MetaBlockType = {
  index: 1,
  properties: 2,
  bloomFilter: 3,
  slotVersions: 4,
  rangeTombstones: 5,
} as const;

const REQUIRED_FLAG = 1;

export interface MetaBlock {
  readonly type: number;
  /** A reader that does not know the type must refuse the file; if false, it skips the block. */
  readonly required: boolean;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly checksum: number;
}

export interface TableLayout {
  readonly fileSizeBytes: number;
  /** Data blocks fill the file up to this offset. */
  readonly dataBytes: number;
  readonly metaBlocks: readonly MetaBlock[];
}

export function encodeDirectory(metaBlocks: readonly MetaBlock[]): Uint8Array {
  const bytes = new Uint8Array(metaBlocks.length * META_ENTRY_BYTES);
  let at = 0;
  for (const block of metaBlocks) {
    writeUint32(bytes, at, block.type | ((block.required ? REQUIRED_FLAG : 0) << 16));
    writeUint32(bytes, at + 4, block.offset);
    writeUint32(bytes, at + 8, block.lengthBytes);
    writeUint32(bytes, at + 12, block.checksum);
    at += META_ENTRY_BYTES;
  }
  return bytes;
}

export function encodeFooter(dataBytes: number, directoryOffset: number, directory: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FOOTER_BYTES);
  writeUint32(bytes, 0, dataBytes);
  writeUint32(bytes, 4, directoryOffset);
  writeUint32(bytes, 8, directory.length);
  writeUint32(bytes, 12, checksum(directory, 0, directory.length));
  writeUint32(bytes, 16, TABLE_FORMAT_VERSION);
  writeUint32(bytes, FOOTER_CHECKSUM_AT, checksum(bytes, 0, FOOTER_CHECKSUM_AT));
  bytes.set(MAGIC, MAGIC_AT);
  return bytes;
}

/**
 * Reads and verifies footer and directory of an open table.
 * @throws LsmError CORRUPTION, or UNSUPPORTED_FORMAT for what a newer version wrote
 */
export function readTableLayout(fs: FileSystem, fd: number, file: string): TableLayout {
  const fileSizeBytes = sizeOf(fs, file);
  const footerOffset = fileSizeBytes - FOOTER_BYTES;
  if (footerOffset < 0) throw corruption(file, 0, `${fileSizeBytes} bytes are too few for a table`);
  const footer = new Uint8Array(FOOTER_BYTES);
  readExactly(fs, fd, file, footer, FOOTER_BYTES, footerOffset);
  requireFooter(footer, file, footerOffset);
  const dataBytes = readUint32(footer, 0);
  const directoryOffset = readUint32(footer, 4);
  const directoryBytes = readUint32(footer, 8);
  if (directoryOffset + directoryBytes !== footerOffset || directoryBytes % META_ENTRY_BYTES !== 0) {
    throw corruption(file, footerOffset, 'the directory does not end where the footer starts');
  }
  const directory = new Uint8Array(directoryBytes);
  readExactly(fs, fd, file, directory, directoryBytes, directoryOffset);
  if (checksum(directory, 0, directoryBytes) !== readUint32(footer, 12)) {
    throw corruption(file, directoryOffset, 'the directory does not match its checksum');
  }
  return {
    fileSizeBytes,
    dataBytes,
    metaBlocks: decodeDirectory(directory, file, directoryOffset, dataBytes),
  };
}

function requireFooter(footer: Uint8Array, file: string, footerOffset: number): void {
  for (let i = 0; i < MAGIC.length; i++) {
    if (footer[MAGIC_AT + i] !== MAGIC[i]) {
      throw corruption(file, footerOffset + MAGIC_AT, 'it does not end as a table does');
    }
  }
  if (checksum(footer, 0, FOOTER_CHECKSUM_AT) !== readUint32(footer, FOOTER_CHECKSUM_AT)) {
    throw corruption(file, footerOffset, 'the footer does not match its checksum');
  }
  const version = readUint32(footer, 16);
  if (version !== TABLE_FORMAT_VERSION) {
    const place = { file, offset: footerOffset + 16 };
    throw otherFormat(`${file} is a table`, version, TABLE_FORMAT_VERSION, place);
  }
}

function decodeDirectory(
  directory: Uint8Array,
  file: string,
  directoryOffset: number,
  dataBytes: number,
): MetaBlock[] {
  const metaBlocks: MetaBlock[] = [];
  let expectedOffset = dataBytes;
  for (let at = 0; at < directory.length; at += META_ENTRY_BYTES) {
    const type = directory[at] | (directory[at + 1] << 8);
    const flags = directory[at + 2] | (directory[at + 3] << 8);
    const offset = readUint32(directory, at + 4);
    const lengthBytes = readUint32(directory, at + 8);
    const place = directoryOffset + at;
    const required = (flags & REQUIRED_FLAG) !== 0;
    const known = type >= MetaBlockType.index && type <= MetaBlockType.rangeTombstones;
    if ((!known && required) || flags > REQUIRED_FLAG) {
      throw new LsmError(
        'UNSUPPORTED_FORMAT',
        `${file} has a part of type ${type} and flags ${flags} that this version does not know and must not skip`,
        { file, offset: place },
      );
    }
    if (offset !== expectedOffset)
      throw corruption(file, place, `part ${type} does not follow the one before it`);
    expectedOffset += lengthBytes;
    metaBlocks.push({ type, required, offset, lengthBytes, checksum: readUint32(directory, at + 12) });
  }
  if (expectedOffset !== directoryOffset) {
    throw corruption(file, directoryOffset, 'the parts of the table do not reach up to the directory');
  }
  return metaBlocks;
}

/** Reads a meta block into `target`, which has its length, and verifies it. */
export function readMetaBlock(
  fs: FileSystem,
  fd: number,
  file: string,
  block: MetaBlock,
  target: Uint8Array,
): void {
  readExactly(fs, fd, file, target, block.lengthBytes, block.offset);
  if (checksum(target, 0, target.length) !== block.checksum) {
    throw corruption(file, block.offset, `part ${block.type} of the table does not match its checksum`);
  }
}

/** The one meta block of a type that every table has one of. */
export function requireMetaBlock(layout: TableLayout, type: number, file: string): MetaBlock {
  const found = layout.metaBlocks.find((block) => block.type === type);
  if (found === undefined) throw corruption(file, layout.dataBytes, `the table has no part of type ${type}`);
  return found;
}

function sizeOf(fs: FileSystem, file: string): number {
  try {
    return fs.sizeSync(file);
  } catch (error) {
    throw ioFailure('look at', file, error);
  }
}
