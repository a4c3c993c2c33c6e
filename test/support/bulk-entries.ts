/** Entries packed as the engine packs a page of a scan. */
export function bulkEntries(entries: readonly (readonly [key: string, record: Uint8Array])[]): Buffer {
  return Buffer.concat(
    entries.flatMap(([key, record]) => {
      const head = Buffer.alloc(8);
      head.writeUInt32LE(Buffer.byteLength(key), 0);
      head.writeUInt32LE(record.length, 4);
      return [head, Buffer.from(key), record];
    }),
  );
}
