import type { RangePage } from '../../src/replica/storage-engine.ts';

/** What is left of a page, as copies; disposes of it. */
export function pageEntries(asked: RangePage): [key: Buffer, record: Buffer][] {
  using page = asked;
  const entries: [Buffer, Buffer][] = [];
  while (page.next()) {
    const key = Buffer.from(page.bytes.subarray(page.keyStart, page.keyEnd));
    entries.push([key, Buffer.from(page.bytes.subarray(page.recordStart, page.recordEnd))]);
  }
  return entries;
}
