import { LsmError } from '../errors.ts';
import { compareBytes } from '../format/bytes.ts';
import type { KeyBound } from '../iterator/key-bound.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { BLOCK_TRAILER_BYTES } from './block-codec.ts';
import type { TableHandle } from './table-handle.ts';
import { TableIndexBuilder } from './table-index.ts';
import type { TableMetadata } from './table-metadata.ts';

/**
 * Stands for a table whose file cannot be opened, or whose index, filter, properties or footer is damaged. The manifest
 * knows enough to keep its place: it gets a filter that lets every key pass, and one block, from its smallest key to
 * its largest, that nobody can read. So a search or a walk that needs it fails with the name of the file and the
 * offset, and one that does not need it never notices.
 * @param slots if they can be read, which tells in which version each of its keys is missing
 */
export function unreadableTable(
  path: string,
  metadata: TableMetadata,
  error: LsmError,
  slots: TableHandle['slots'],
): TableHandle {
  const { largestKey } = metadata;
  const builder = new TableIndexBuilder();
  builder.addBlock(0, 1 + BLOCK_TRAILER_BYTES, 1, largestKey, largestKey.length);
  const stored = builder.finish();
  const index = new SharedArrayBuffer(stored.length);
  new Uint8Array(index).set(stored);
  const fault = { message: error.message, offset: error.offset ?? 0 };
  // The slot versions know nothing of range tombstones: where there were any nobody knows what they have hidden.
  const known = metadata.rangeTombstones === undefined ? slots : null;
  return {
    metadata,
    path,
    index,
    filter: new SharedArrayBuffer(0),
    filterBytes: 0,
    ranges: null,
    slots: known,
    fault,
  };
}

/** @throws LsmError CORRUPTION when nothing of the table can be read */
export function refuseUnreadable({ fault, path }: TableHandle): void {
  if (fault === null) return;
  throw new LsmError('CORRUPTION', fault.message, { file: path, offset: fault.offset });
}

/**
 * A cursor over a table that cannot be read. It moves to the first key in its order that the table may have, and fails
 * when the entry is read. So a scan that ends before that key is not disturbed.
 */
export class UnreadableIterator implements RecordIterator {
  readonly #handle: TableHandle;
  readonly #bound: KeyBound;
  readonly #isReverse: boolean;
  #key: Uint8Array;
  #isDone = true;

  /** @param bound keys beyond it are not read */
  constructor(handle: TableHandle, bound: KeyBound, isReverse: boolean) {
    this.#handle = handle;
    this.#bound = bound;
    this.#isReverse = isReverse;
    this.#key = handle.metadata.smallestKey;
  }

  get valid(): boolean {
    return !this.#isDone;
  }
  get keyBytes(): Uint8Array {
    return this.#key;
  }
  get keyStart(): number {
    return 0;
  }
  get keyEnd(): number {
    return this.#key.length;
  }
  get recordBytes(): Uint8Array {
    return this.#fail();
  }
  get recordStart(): number {
    return this.#fail();
  }
  get recordEnd(): number {
    return this.#fail();
  }

  seekToFirst(): void {
    const { smallestKey, largestKey } = this.#handle.metadata;
    this.#standAt(this.#isReverse ? largestKey : smallestKey);
  }

  seek(key: Uint8Array, start: number, end: number): void {
    const { smallestKey, largestKey } = this.#handle.metadata;
    const toSmallest = compareBytes(key, start, end, smallestKey, 0, smallestKey.length);
    const toLargest = compareBytes(key, start, end, largestKey, 0, largestKey.length);
    const isBehind = this.#isReverse ? toSmallest <= 0 : toLargest > 0;
    const isBefore = this.#isReverse ? toLargest > 0 : toSmallest <= 0;
    if (isBehind) this.#isDone = true;
    else if (isBefore) this.seekToFirst();
    // Going back it may have anything below the key, so it comes before every table that has something there.
    else this.#standAt(key.slice(start, end));
  }

  next(): void {
    this.#fail();
  }

  addRun(): boolean {
    return this.#fail();
  }

  #standAt(key: Uint8Array): void {
    this.#key = key;
    this.#isDone = !this.#bound.admits(key, 0, key.length);
  }

  #fail(): never {
    refuseUnreadable(this.#handle);
    throw new Error(`${this.#handle.path} can be read`);
  }
}
