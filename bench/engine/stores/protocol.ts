/** What the process of one store is asked, and what it answers. One question at a time. */
import type { RowName } from './rows.ts';
import type { StoreName, StoreSettings } from './store.ts';

export interface StoreTask {
  readonly store: StoreName;
  /** Of ours, the compiled package instead of the sources. */
  readonly isBuilt: boolean;
  readonly entries: number;
  /** Of the rows that run for a time. */
  readonly seconds: number;
}

export type Question =
  | { readonly ask: 'open'; readonly settings: StoreSettings }
  /** @param way only this one; undefined: each, one after the other */
  | { readonly ask: 'row'; readonly row: RowName; readonly way: string | undefined; readonly seed: number }
  /** Resolves when the store does nothing in the background any more. */
  | { readonly ask: 'settle' }
  | { readonly ask: 'close' };

/** How a row went in one way. */
export interface WayResult {
  readonly way: string;
  readonly isAsync: boolean;
  readonly perSecond: number;
  /** User and system time of the process, all its threads, for each operation. */
  readonly cpuMicros: number;
  readonly delayP999Ms: number;
  readonly delayMaxMs: number;
}

export interface Answer {
  readonly error?: string;
  /** Of a row. */
  readonly results: readonly WayResult[];
  /** Of an opening: with the first get. */
  readonly openMs: number;
  /** Of an opening: what loading the package took before. */
  readonly loadMs: number;
  /** The most that the process had resident since its start, all its threads. */
  readonly peakMib: number;
  /** Bytes handed to the system to be written, since the start. */
  readonly writtenBytes: number;
}
