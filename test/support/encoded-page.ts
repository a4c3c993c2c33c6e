import { type EntryEncoder, encodeRecord, PageBuilder, pageEntryBytes } from '../../native-free-lsm/index.ts';
import type { EncodedPage } from '../../src/services.ts';

type Bytes = string | Uint8Array;

/** A page of live entries as a storage engine encodes them. Its memory is overwritten once it is disposed of. */
export function encodedPage(
  entries: readonly (readonly [key: Bytes, value: Bytes])[],
  encoder: EntryEncoder,
  resumeAt: Uint8Array | null,
): EncodedPage {
  const fields = { timestamp: 1, writer: 1, tombstone: false, from: 3, expiryMs: 0 };
  const stored = entries.map(
    ([key, value]) => [Buffer.from(key), encodeRecord(fields, Buffer.from(value))] as const,
  );
  let room = 0;
  for (const [key, record] of stored) room += pageEntryBytes(key.length, record.length, encoder);
  const page = new PageBuilder();
  const limits = { maxEntries: entries.length, includeTombstones: false };
  page.begin(Buffer.alloc(room), 0, room, { ...limits, encoder, nowMs: 0 });
  for (const [key, record] of stored) {
    if (!page.add(key, 0, key.length, record, 0, record.length)) throw new Error('a page without room');
  }
  const { bytes, at: usedBytes } = page;
  // Overwritten, so that a use after it shows.
  return { bytes, usedBytes, resumeAt, [Symbol.dispose]: () => void bytes.fill(0xff) };
}
