/** What the stores that are compared have in common, and the ways of calling them that each offers. */

export const STORE_NAMES = ['native-free-lsm', 'classic-level', 'lmdb', 'node:sqlite', 'rocksdb'] as const;
export type StoreName = (typeof STORE_NAMES)[number];

export interface StoreSettings {
  readonly directory: string;
  /** Of blocks or pages that the store itself keeps; lmdb keeps none and leaves it to the page cache. */
  readonly cacheBytes: number;
  /** Whether a write is answered only when it is on the disk. */
  readonly isSynced: boolean;
}

export interface Write {
  readonly key: Uint8Array;
  /** Undefined: the key is deleted. */
  readonly value: Uint8Array | undefined;
}

/** One of the ways in which a store can be called. The fastest of each row counts. */
export interface Way<Run> {
  readonly name: string;
  /** Whether it gives a promise, so that the event loop can go on meanwhile. */
  readonly isAsync: boolean;
  readonly run: Run;
}

/** All of them, or none. */
export type WriteBatch = (writes: readonly Write[]) => Promise<unknown> | undefined;
export type Put = (key: Uint8Array, value: Uint8Array) => Promise<unknown> | undefined;
/** Returns how many of the keys have a value of the length that was written. */
export type ReadKeys = (keys: readonly Uint8Array[]) => Promise<number> | number;
/** Goes through everything, from the first key or from the last; returns the number of entries. */
export type ScanAll = (isReverse: boolean) => Promise<number> | number;
/** Reads entries from the first key that is not below `from` on; returns their number. */
export type ScanSome = (from: Uint8Array, entries: number) => Promise<number> | number;

export interface Store extends AsyncDisposable {
  /** The fastest there is: a fill for each of several would take long. */
  readonly batch: Way<WriteBatch>;
  readonly puts: readonly Way<Put>[];
  readonly reads: readonly Way<ReadKeys>[];
  readonly scans: readonly Way<ScanAll>[];
  readonly starts: readonly Way<ScanSome>[];
}

export type OpenStore = (settings: StoreSettings) => Promise<Store>;

export const VALUE_BYTES = 100;
/** Of memory that takes writes before they go to tables, where a store has such. */
export const WRITE_BUFFER_BYTES = 12 * 1024 * 1024;
/** How many entries are asked for at a time, where the caller says so. */
export const PAGE_ENTRIES = 1000;

export function isWhole(value: Uint8Array | null | undefined): boolean {
  return value?.length === VALUE_BYTES;
}

export function countWhole(values: readonly (Uint8Array | null | undefined)[]): number {
  let whole = 0;
  for (const value of values) if (isWhole(value)) whole++;
  return whole;
}

export function asynchronous<Run>(name: string, run: Run): Way<Run> {
  return { name, isAsync: true, run };
}

export function synchronous<Run>(name: string, run: Run): Way<Run> {
  return { name, isAsync: false, run };
}
