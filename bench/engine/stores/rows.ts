/** What is measured of each store, in the order in which it is, and what ours is to reach. */

export interface Row {
  /** db_bench's name where it has one. */
  readonly name: string;
  /** In a few words. */
  readonly title: string;
  /** The most that one operation may take in the fastest way; figures of such a row are told in ms. */
  readonly mostMs?: number;
  /** Only ways that give promises. */
  readonly isAsyncOnly?: true;
  /** The least ratio to another store, of its fastest way. */
  readonly targets: readonly Target[];
}

export interface Target {
  readonly against: 'classic-level' | 'lmdb';
  readonly least: number;
}

const CLASSIC = 'classic-level';

export const ROWS = [
  {
    name: 'fillseq',
    title: 'puts in ascending order, batches of 1,000',
    targets: [{ against: CLASSIC, least: 1.2 }],
  },
  {
    name: 'fillrandom',
    title: 'puts in random order, batches of 1,000',
    targets: [{ against: CLASSIC, least: 1.2 }],
  },
  { name: 'overwrite', title: 'the same once more over all keys', targets: [] },
  {
    name: 'readrandom',
    title: 'keys in the cache, in the fastest way',
    targets: [
      { against: CLASSIC, least: 1.5 },
      { against: 'lmdb', least: 0.8 },
    ],
  },
  {
    name: 'readrandom-async',
    title: 'keys in the cache, by promises',
    isAsyncOnly: true,
    targets: [{ against: CLASSIC, least: 2 }],
  },
  {
    name: 'readmissing',
    title: 'keys that are not there',
    targets: [
      { against: CLASSIC, least: 1.5 },
      { against: 'lmdb', least: 1.5 },
    ],
  },
  {
    name: 'readseq',
    title: 'everything in order',
    targets: [{ against: 'lmdb', least: 3 }],
  },
  {
    name: 'readreverse',
    title: 'everything against the order',
    targets: [{ against: CLASSIC, least: 2 }],
  },
  { name: 'first-entry', title: 'the first entry of a scan, in the cache', mostMs: 0.1, targets: [] },
  { name: 'hundred-entries', title: 'scans of 100 entries, in the cache', mostMs: 0.3, targets: [] },
  {
    name: 'seekrandom',
    title: 'the first entry of a scan, of all keys',
    targets: [{ against: CLASSIC, least: 1 }],
  },
  {
    name: 'readwhilewriting',
    title: 'of all keys, beside 20,000 puts a second',
    targets: [{ against: CLASSIC, least: 2 }],
  },
  {
    name: 'put',
    title: 'single puts, 64 at a time',
    targets: [{ against: CLASSIC, least: 2 }],
  },
  { name: 'deleterandom', title: 'deletes in random order, batches of 1,000', targets: [] },
  {
    name: 'fillsync',
    title: 'single puts, 64 at a time, each on the disk when it is answered',
    targets: [{ against: CLASSIC, least: 10 }],
  },
  { name: 'reopen', title: 'opening, and the first get', mostMs: 60, targets: [] },
  {
    name: 'readlarge',
    title: 'of all keys, with a cache of a tenth of them',
    targets: [{ against: CLASSIC, least: 1 }],
  },
] as const satisfies readonly Row[];

export type RowName = (typeof ROWS)[number]['name'];
