import type { RangePage } from '../../src/replica/storage-engine.ts';

/** The entries left in a page, as copies; disposes of the page. */
export function pageEntries(asked: RangePage): [key: Buffer, record: Buffer][] {
  using page = asked;
  const entries: [Buffer, Buffer][] = [];
  while (page.next()) {
    const key = Buffer.from(page.bytes.subarray(page.keyStart, page.keyEnd));
    entries.push([key, Buffer.from(page.bytes.subarray(page.recordStart, page.recordEnd))]);
  }
  return entries;
}
