/**
 * The door of a simulated node. It lets nobody in, as simulated clients call the services themselves; it is there for the
 * encoder of scans, which the engine has of its doors.
 */
import { extname } from 'node:path';
import type { DoorFactory } from '../../admission/door.ts';
import type { RangeService } from '../../services.ts';
import { decodeEntries, type EncodedEntry } from './entry-encoder.ts';

/** Engines count encoders from 1, and there is no other door. */
const ENCODER = 1;
/** So small that most scans have several pages. */
const PAGE_BYTES = 2_000;

const nothing = (): void => undefined;

export const SCANNING_DOOR: DoorFactory = {
  entryEncoders: [new URL(`./entry-encoder${extname(import.meta.url)}`, import.meta.url).href],
  create: () => ({
    address: '',
    listen: () => Promise.resolve(),
    quiesce: nothing,
    close: () => Promise.resolve(),
    abort: nothing,
  }),
};

/**
 * All entries of a node from `start` on, page by page.
 * @param end exclusive; null: to the last key
 */
export async function scanAll(
  ranges: RangeService,
  start: Uint8Array,
  end: Uint8Array | null,
): Promise<EncodedEntry[]> {
  const { signal } = new AbortController();
  const entries: EncodedEntry[] = [];
  for (let next: Uint8Array | null = start; next !== null; ) {
    using page = await ranges.page(next, end, PAGE_BYTES, ENCODER, signal);
    entries.push(...decodeEntries(page.bytes, page.usedBytes));
    next = page.resumeAt === null ? null : Uint8Array.from(page.resumeAt);
  }
  return entries;
}
