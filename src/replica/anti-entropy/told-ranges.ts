/** What an owner tells of the ranges of slots that it was asked about. Pure. */
import { protocolError } from '../../errors.ts';
import { DIGEST_BYTES } from './digest-tree.ts';
import { decodeWords, encodeWords } from './packed-lists.ts';
import { FAN_OUT, type VersionEntry } from './version-list.ts';

const ENTRY_BYTES = 20;
/** Kind, what is settled, and the number of entries. */
const RANGE_HEAD_BYTES = 1 + 8 + 4;
const FOLDS_BYTES = DIGEST_BYTES * FAN_OUT;
const RangeKind = { list: 1, folds: 2 } as const;

/** What an owner holds of a range. */
export type ToldRange = { readonly settled: number } & (
  | { readonly entries: readonly VersionEntry[]; readonly folds: null }
  | { readonly entries: null; readonly folds: Uint32Array }
);

export function toldBytes(told: ToldRange): number {
  return RANGE_HEAD_BYTES + (told.entries === null ? FOLDS_BYTES : told.entries.length * ENTRY_BYTES);
}

/** Answers the first ranges that were asked about: as many as there was room for. */
export function encodeTold(ranges: readonly ToldRange[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(ranges.reduce((sum, told) => sum + toldBytes(told), 0));
  let at = 0;
  for (const { settled, entries, folds } of ranges) {
    at = bytes.writeUInt8(entries === null ? RangeKind.folds : RangeKind.list, at);
    at = bytes.writeDoubleLE(settled, at);
    at = bytes.writeUInt32LE(entries === null ? FAN_OUT : entries.length, at);
    if (entries === null) at += encodeWords(folds).copy(bytes, at);
    else for (const entry of entries) at = writeEntry(bytes, at, entry);
  }
  return bytes;
}

export function decodeTold(answer: Uint8Array): ToldRange[] {
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
  const ranges: ToldRange[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < RANGE_HEAD_BYTES) throw protocolError('a told range that ends in its head');
    const kind = bytes[at];
    const settled = bytes.readDoubleLE(at + 1);
    const count = bytes.readUInt32LE(at + 9);
    at += RANGE_HEAD_BYTES;
    const size = count * (kind === RangeKind.list ? ENTRY_BYTES : DIGEST_BYTES);
    if (bytes.length - at < size) throw protocolError('a told range that ends early');
    if (kind === RangeKind.list)
      ranges.push({ settled, entries: readEntries(bytes, at, count), folds: null });
    else if (kind === RangeKind.folds && count === FAN_OUT)
      ranges.push({ settled, entries: null, folds: decodeWords(bytes.subarray(at, at + size)) });
    else throw protocolError(`a told range of kind ${kind}`);
    at += size;
  }
  return ranges;
}

function writeEntry(bytes: Buffer, start: number, entry: VersionEntry): number {
  let at = bytes.writeUIntLE(entry.fingerprint, start, 6);
  at = bytes.writeUInt32LE(entry.timestamp % 0x1_0000_0000, at);
  at = bytes.writeUIntLE(Math.floor(entry.timestamp / 0x1_0000_0000), at, 3);
  at = bytes.writeUInt32LE(entry.writer, at);
  at = bytes.writeUInt16LE(entry.from, at);
  return bytes.writeUInt8(entry.flags, at);
}

function readEntries(bytes: Buffer, start: number, count: number): VersionEntry[] {
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * ENTRY_BYTES;
    return {
      fingerprint: bytes.readUIntLE(at, 6),
      timestamp: bytes.readUInt32LE(at + 6) + bytes.readUIntLE(at + 10, 3) * 0x1_0000_0000,
      writer: bytes.readUInt32LE(at + 13),
      from: bytes.readUInt16LE(at + 17),
      flags: bytes.readUInt8(at + 19),
    };
  });
}
