import type { FileSystem } from './file-system.ts';

const CHUNK_BYTES = 1024 * 1024;

/**
 * A second file of the same bytes, which must not be there yet; its bytes are durable on return, its name is not.
 * @throws Error of the file system; what there is of the copy stays
 */
export function copyFileSync(fs: FileSystem, from: string, to: string): void {
  let source = -1;
  let target = -1;
  try {
    source = fs.openReadSync(from);
    target = fs.createSync(to);
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let done = 0; ; ) {
      const count = fs.readSync(source, chunk, 0, chunk.length, done);
      if (count === 0) break;
      fs.writeSync(target, [chunk.subarray(0, count)], done);
      done += count;
    }
    fs.fdatasyncSync(target);
  } finally {
    if (source >= 0) fs.closeSync(source);
    if (target >= 0) fs.closeSync(target);
  }
}
