import { type FileSystem, readFullySync } from './file-system.ts';

const CHUNK_BYTES = 1024 * 1024;

/**
 * Makes a second file of the same bytes; `to` must not exist. On return its bytes are durable, its name is not.
 * @throws Error of the file system; what has been copied by then stays
 */
export function copyFileSync(fs: FileSystem, from: string, to: string): void {
  let source = -1;
  let target = -1;
  try {
    source = fs.openReadSync(from);
    target = fs.createSync(to);
    const sizeBytes = fs.sizeSync(from);
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, sizeBytes));
    for (let done = 0; done < sizeBytes; done += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, sizeBytes - done);
      if (!readFullySync(fs, source, chunk, 0, length, done)) throw new Error(`${from} ended early`);
      fs.writeSync(target, [length === chunk.length ? chunk : chunk.subarray(0, length)], done);
    }
    fs.fdatasyncSync(target);
  } finally {
    if (source >= 0) fs.closeSync(source);
    if (target >= 0) fs.closeSync(target);
  }
}
