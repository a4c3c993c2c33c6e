import type { RangePage } from '../../src/replica/storage-engine.ts';

/** What is left of a page, as copies. */
export function pageEntries(page: RangePage): [key: Buffer, record: Buffer][] {
  const entries: [Buffer, Buffer][] = [];
  while (page.next()) {
    const key = Buffer.from(page.bytes.subarray(page.keyStart, page.keyEnd));
    entries.push([key, Buffer.from(page.bytes.subarray(page.recordStart, page.recordEnd))]);
  }
  return entries;
}
