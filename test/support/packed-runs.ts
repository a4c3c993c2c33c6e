/** Runs of records as an engine takes them from outside, and what it leaves of them. */
import { type KeyedRecord, type PackedPiece, Page } from '../../native-free-lsm/index.ts';

/** @param runs in any order; each is packed in the order of its keys, in one piece */
export function packRuns(runs: readonly (readonly KeyedRecord[])[]): {
  readonly entries: SharedArrayBuffer;
  readonly pieces: PackedPiece[][];
} {
  const packed = runs.map((records) =>
    Buffer.concat(records.toSorted((a, b) => Buffer.compare(a.key, b.key)).map(packEntry)),
  );
  const entries = new SharedArrayBuffer(packed.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  const pieces = packed.map((bytes) => {
    new Uint8Array(entries).set(bytes, at);
    const start = at;
    at += bytes.length;
    return [{ start, end: at }];
  });
  return { entries, pieces };
}

export function entriesOf(packed: Uint8Array): KeyedRecord[] {
  const page = new Page(packed, packed.length, null);
  const entries: KeyedRecord[] = [];
  while (page.next())
    entries.push({
      key: packed.slice(page.keyStart, page.keyEnd),
      record: packed.slice(page.recordStart, page.recordEnd),
    });
  return entries;
}

function packEntry({ key, record }: KeyedRecord): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(key.length, 0);
  head.writeUInt32LE(record.length, 4);
  return Buffer.concat([head, key, record]);
}
