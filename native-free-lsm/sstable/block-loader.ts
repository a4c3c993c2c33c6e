import { lz4Output } from '../format/lz4-memory.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ControlWord } from '../shared/control.ts';
import type { DescriptorCache } from './descriptor-cache.ts';
import type { TableReader } from './table-reader.ts';

const FIRST_SCRATCH_BYTES = 64 * 1024;
/** A larger buffer is not kept: one large value must not hold its memory for good. */
const KEPT_SCRATCH_BYTES = 1024 * 1024;

/** Reads data blocks for one thread and counts them in the thread's words of the control block. */
export class BlockLoader {
  /** Where `load` puts a block; valid until the next one. */
  scratch: Uint8Array = new Uint8Array(FIRST_SCRATCH_BYTES);
  /** Where `loadForNow` has put a block. */
  lent: Uint8Array = this.scratch;
  readonly #fs: FileSystem;
  readonly #descriptors: DescriptorCache;
  readonly #words: Int32Array;
  readonly #thread: number;

  constructor(fs: FileSystem, descriptors: DescriptorCache, words: Int32Array, thread: number) {
    this.#fs = fs;
    this.#descriptors = descriptors;
    this.#words = words;
    this.#thread = thread;
  }

  /** Reads a block to the start of `scratch`; returns where it ends there. */
  load(reader: TableReader, ordinal: number): number {
    const bytes = reader.blockMemoryBytes(ordinal);
    if (bytes > this.scratch.length || this.scratch.length > KEPT_SCRATCH_BYTES) {
      this.scratch = new Uint8Array(Math.max(bytes, FIRST_SCRATCH_BYTES));
    }
    return this.loadInto(reader, ordinal, this.scratch, 0);
  }

  /**
   * As `load`, but to `lent`, which others of the thread use as well: the block is there until the thread reads another
   * one in any way. For who searches it at once, as one copy less is made of it.
   */
  loadForNow(reader: TableReader, ordinal: number): number {
    const output = lz4Output();
    if (output === null || reader.blockMemoryBytes(ordinal) > output.length) {
      const end = this.load(reader, ordinal);
      this.lent = this.scratch;
      return end;
    }
    this.lent = output;
    return this.loadInto(reader, ordinal, output, 0);
  }

  loadInto(reader: TableReader, ordinal: number, target: Uint8Array, targetStart: number): number {
    const fd = this.#descriptors.get(reader.handle);
    const length = reader.readBlock(this.#fs, fd, ordinal, target, targetStart);
    // Counters with one writer. A word is never read half written, and nothing is ordered by them.
    this.#words[ControlWord.tableReads + this.#thread]++;
    this.#words[ControlWord.tableReadKib + this.#thread] += (length + 1023) >>> 10;
    return targetStart + length;
  }
}
