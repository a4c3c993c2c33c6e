/**
 * What stands around the keys and values of a scan whose pages are passed on as they are, to a client for example:
 * the thread that reads an entry writes it in its final form, and main has nothing to do for it. Only entries that
 * clients may see are encoded: values without the record's header, nothing deleted, nothing expired.
 *
 *   head, key, middle, value, tail
 *
 * As no function can be sent to a thread, an encoder is named by the address of a module that exports it as `encoder`
 * and imports nothing that a reader thread should not have. Each function writes at `at` and returns the index
 * behind what it wrote.
 */
export interface EntryEncoder {
  /** The most that an entry takes besides key and value. */
  readonly overheadBytes: number;
  writeHead(target: Uint8Array, at: number, keyBytes: number, valueBytes: number): number;
  writeMiddle(target: Uint8Array, at: number, valueBytes: number): number;
  writeTail(target: Uint8Array, at: number): number;
}
