import { ownBytes } from '../format/copy.ts';
import { Fingerprinter, slotOfFingerprint } from '../format/fingerprint.ts';
import type { HashSeed } from '../format/hash.ts';
import { recordFlags, recordFrom, recordTimestamp, recordWriter } from '../format/record.ts';
import { slotOf } from '../format/slot.ts';
import type { Page } from '../iterator/page.ts';
import { SlotRows } from '../slots/slot-rows.ts';
import type { SlotVersions } from '../slots/slot-versions.ts';
import type { KeyedRecord } from './sinks.ts';

const PAGE_BYTES = 256 * 1024;
const PAGE_ENTRIES = 16_384;

/** Answers questions about slots by a walk of all entries. */
export class SlotScan {
  readonly #pageFrom: (start: Uint8Array, maxBytes: number, maxEntries: number) => Promise<Page>;
  readonly #fingerprinter: Fingerprinter;
  readonly #watermarks: Float64Array | null;

  constructor(
    pageFrom: (start: Uint8Array, maxBytes: number, maxEntries: number) => Promise<Page>,
    seed: HashSeed,
    watermarks: SharedArrayBuffer | null,
  ) {
    this.#pageFrom = pageFrom;
    this.#fingerprinter = new Fingerprinter(seed);
    this.#watermarks = watermarks === null ? null : new Float64Array(watermarks);
  }

  async digests(slots: Uint16Array, minFroms: Uint8Array, signal?: AbortSignal): Promise<Uint32Array> {
    const asked = new Set<number>(slots);
    // Most slots of a small store are empty, and all of them are asked for: only those with a key get rows.
    const rows = new Map<number, SlotRows>();
    await this.#each(signal, (page) => {
      const slot = slotOfKey(page);
      if (!asked.has(slot)) return;
      const ofSlot = rows.get(slot) ?? new SlotRows();
      rows.set(slot, ofSlot);
      this.#gather(page, ofSlot);
    });
    const sums = new Uint32Array(slots.length * 2);
    for (const [at, slot] of slots.entries())
      rows.get(slot)?.fold(sums, at * 2, minFroms[at], this.#watermarks?.[slot] ?? 0);
    return sums;
  }

  async versions(slot: number, signal?: AbortSignal): Promise<SlotVersions> {
    const rows = new SlotRows();
    await this.#each(signal, (page) => this.#gather(page, slotOfKey(page) === slot ? rows : undefined));
    return rows.versions();
  }

  async records(
    slot: number,
    fingerprints: Uint32Array,
    maxBytes: number,
    signal?: AbortSignal,
  ): Promise<KeyedRecord[]> {
    const wanted = new Set<string>();
    for (let at = 0; at < fingerprints.length; at += 2)
      wanted.add(`${fingerprints[at]}-${fingerprints[at + 1]}`);
    const found: KeyedRecord[] = [];
    let left = maxBytes;
    await this.#each(signal, (page) => {
      const { bytes, keyStart, keyEnd, recordStart, recordEnd } = page;
      this.#fingerprinter.take(bytes, keyStart, keyEnd);
      const { high, low } = this.#fingerprinter;
      if (slotOfFingerprint(high) !== slot || !wanted.has(`${high}-${low}`)) return;
      if (recordFrom(bytes, recordStart) === 0 || (found.length > 0 && recordEnd - keyStart > left)) return;
      left -= recordEnd - keyStart;
      found.push({
        key: ownBytes(bytes, keyStart, keyEnd),
        record: ownBytes(bytes, recordStart, recordEnd),
      });
    });
    return found;
  }

  #gather({ bytes, keyStart, keyEnd, recordStart: at }: Page, rows: SlotRows | undefined): void {
    if (rows === undefined || recordFrom(bytes, at) === 0) return;
    this.#fingerprinter.take(bytes, keyStart, keyEnd);
    const { high, low } = this.#fingerprinter;
    const version = [recordTimestamp(bytes, at), recordWriter(bytes, at)] as const;
    rows.add(high, low, ...version, recordFrom(bytes, at), recordFlags(bytes, at), 0, 0);
  }

  async #each(signal: AbortSignal | undefined, take: (page: Page) => void): Promise<void> {
    let start: Uint8Array | null = new Uint8Array(0);
    while (start !== null) {
      signal?.throwIfAborted();
      using page = await this.#pageFrom(start, PAGE_BYTES, PAGE_ENTRIES);
      while (page.next()) take(page);
      start = page.resumeAt;
    }
  }
}

function slotOfKey({ bytes, keyStart, keyEnd }: Page): number {
  return slotOf(bytes, keyStart, keyEnd);
}
