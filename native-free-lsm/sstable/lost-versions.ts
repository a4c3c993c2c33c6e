import type { LsmError } from '../errors.ts';
import { Fingerprinter, slotOfFingerprint } from '../format/fingerprint.ts';
import type { FileSystem } from '../fs/file-system.ts';
import type { DescriptorCache } from './descriptor-cache.ts';
import { type RowSink, SlotSection } from './slot-section.ts';
import type { TableHandle } from './table-handle.ts';

/** Whether the slot versions of the table have a row for each of its records. */
export function namesAllRecords({ metadata, slots }: TableHandle): boolean {
  return slots !== null && slots.head.rows === metadata.entries;
}

/**
 * Tells which version of a key a table holds whose data block cannot be read: its slot versions have fingerprint and
 * version of every record, at another place of the file. So damage is known to hide nothing newer than that, and a
 * record that is as new may take the place of the one that was lost.
 */
export class LostVersions implements RowSink {
  /** The version that `find` has found. */
  timestamp = 0;
  writer = 0;
  readonly #fs: FileSystem;
  readonly #descriptors: DescriptorCache;
  #high = 0;
  #low = 0;
  #isFound = false;

  constructor(fs: FileSystem, descriptors: DescriptorCache) {
    this.#fs = fs;
    this.#descriptors = descriptors;
  }

  /**
   * Whether the table has a record of the key; `timestamp` and `writer` are its version.
   * @param cause why the block could not be read
   * @throws LsmError the cause, when the slot versions do not say it, as they are missing or damaged themselves
   */
  find(handle: TableHandle, key: Uint8Array, start: number, end: number, cause: LsmError): boolean {
    const { path, slots } = handle;
    if (slots === null || !namesAllRecords(handle)) throw cause;
    const fingerprinter = new Fingerprinter(slots.head.seed);
    fingerprinter.take(key, start, end);
    this.#high = fingerprinter.high;
    this.#low = fingerprinter.low;
    this.#isFound = false;
    try {
      const fdOf = (): number => this.#descriptors.getForSlotVersions(handle);
      const section = new SlotSection(this.#fs, fdOf, path, slots, slots.head, false);
      section.collectAll(slotOfFingerprint(this.#high), this, 0);
    } catch {
      // The block is what whoever asks has come for.
      throw cause;
    }
    return this.#isFound;
  }

  add(high: number, low: number, timestamp: number, writer: number): void {
    if (high !== this.#high || low !== this.#low) return;
    this.#isFound = true;
    this.timestamp = timestamp;
    this.writer = writer;
  }
}
