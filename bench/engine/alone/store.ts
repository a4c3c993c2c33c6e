/** What the two engines that are measured alone have in common, and each way of reading that they offer. */

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Reads these keys; resolves when all values have been seen. */
export type Read = (keys: readonly Uint8Array[]) => Promise<void>;
/** Reads everything in order; resolves with the number of entries. */
export type Scan = () => Promise<number>;

export interface AloneStore extends AsyncDisposable {
  /** Resolves when the entry is durable. */
  put(key: Uint8Array, value: Uint8Array): Promise<void>;
  /** The entries need not be durable one by one. */
  load(entries: readonly KeyValue[]): Promise<void>;
  /** Compacts everything into its final place. */
  compact(): Promise<void>;
  readonly reads: Readonly<Record<string, Read>>;
  readonly scans: Readonly<Record<string, Scan>>;
}

export const CACHE_BYTES = 64 * 1024 * 1024;
export const WRITE_BUFFER_BYTES = 32 * 1024 * 1024;
