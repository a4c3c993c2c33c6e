import type { FileSystem } from '../fs/file-system.ts';
import { decodeFragments, FRAGMENTS_MAGIC, fragmentsLength } from '../range-tombstones/fragment-codec.ts';
import type { RangeFragments } from '../range-tombstones/fragments.ts';
import { readExactly } from '../sstable/read-exactly.ts';
import { damageOf } from './folder.ts';

const PART_BYTES = 4 * 1024 * 1024;

/**
 * The range tombstones of a table, found by their own bytes, as nothing says any more where they are. They are behind the
 * data, so the last ones count: a value may hold a piece of another table.
 * @returns undefined: there are none, or they cannot be read either
 */
export function findRanges(
  fs: FileSystem,
  fd: number,
  path: string,
  sizeBytes: number,
): RangeFragments | undefined {
  try {
    // From the end; each part goes a little into the one behind it, in which a magic may end.
    for (let end = sizeBytes; end > 0; end -= PART_BYTES) {
      const start = Math.max(0, end - PART_BYTES);
      const bytes = Buffer.alloc(Math.min(sizeBytes, end + FRAGMENTS_MAGIC.length) - start);
      readExactly(fs, fd, path, bytes, bytes.length, start);
      let at = bytes.lastIndexOf(FRAGMENTS_MAGIC);
      for (; at >= 0; at = at === 0 ? -1 : bytes.lastIndexOf(FRAGMENTS_MAGIC, at - 1)) {
        const found = rangesAt(fs, fd, path, start + at, sizeBytes);
        if (found !== undefined) return found;
      }
    }
  } catch (error) {
    damageOf(error, path);
  }
  return undefined;
}

function rangesAt(
  fs: FileSystem,
  fd: number,
  path: string,
  offset: number,
  sizeBytes: number,
): RangeFragments | undefined {
  const bytes = Buffer.alloc(sizeBytes - offset);
  readExactly(fs, fd, path, bytes, bytes.length, offset);
  const length = fragmentsLength(bytes, 0);
  if (length < 0) return undefined;
  try {
    return decodeFragments(Uint8Array.from(bytes.subarray(0, length)).buffer);
  } catch {
    return undefined;
  }
}
