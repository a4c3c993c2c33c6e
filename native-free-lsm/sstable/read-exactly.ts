import { corruption } from '../errors.ts';
import { type FileSystem, readFullySync } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';

/**
 * Reads `length` bytes from `offset` on to the start of `target`.
 * @throws LsmError CORRUPTION when the file ends before, IO_ERROR
 */
export function readExactly(
  fs: FileSystem,
  fd: number,
  file: string,
  target: Uint8Array,
  length: number,
  offset: number,
): void {
  let whole: boolean;
  try {
    whole = readFullySync(fs, fd, target, 0, length, offset);
  } catch (error) {
    throw ioFailure('read', file, error);
  }
  if (!whole) throw corruption(file, offset, `the file ends within the ${length} bytes that start here`);
}
