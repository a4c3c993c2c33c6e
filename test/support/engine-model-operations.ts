/** The operations and configurations of the model test, as plain data: a failure prints what was done. */
import fc from 'fast-check';
import { type EngineOptions, MAX_TIMESTAMP } from '../../native-free-lsm/index.ts';
import { STOPS, type Stop } from './engine-crash.ts';
import { type Bound, type BoundPair, KEYS, keyAtRank } from './engine-model-keys.ts';

/** How much older a version is for each step of its age. */
export const AGE_TICKS = 137;

/** A value of this many bytes; -1 is a deletion. */
interface Value {
  readonly key: number;
  readonly size: number;
  readonly fill: number;
}

/** A scan by the engine's door. */
export interface Scanned extends BoundPair {
  readonly most: number;
  /** Whether the scan is told of `most`, or broken off. */
  readonly isLimited: boolean;
  readonly reverse: boolean;
  readonly values: boolean;
  /** Where it goes to after so many entries. */
  readonly seek: { readonly to: Bound; readonly after: number } | null;
}

/** A version given by the caller: `age` older than the newest, or newer; `days` until it expires, 0: never. */
export interface VersionItem extends Value {
  readonly age: number;
  readonly days: number;
}

/** That the key has what it has, or nothing, or a version that it has not. */
export interface AskedCondition {
  readonly key: number;
  readonly is: 'as it is' | 'absent' | 'other';
}

/** How a write is made: whether it is answered when it is on the disk; for so many days, 0: for ever. */
export interface WriteManner {
  readonly sync?: boolean;
  readonly days?: number;
}

export type Operation =
  | ({ readonly type: 'put' } & Value & WriteManner)
  | ({ readonly type: 'delete'; readonly key: number } & WriteManner)
  | ({ readonly type: 'batch'; readonly items: readonly Value[] } & WriteManner)
  /** One batch of all keys, often larger than a memtable. */
  | ({ readonly type: 'largeBatch'; readonly size: number; readonly rounds: number } & WriteManner)
  | ({
      readonly type: 'conditional';
      readonly conditions: readonly AskedCondition[];
      readonly items: readonly Value[];
    } & WriteManner)
  | { readonly type: 'burst'; readonly count: number; readonly first: number; readonly size: number }
  /** Several versions given by the caller, in one batch. */
  | { readonly type: 'versions'; readonly items: readonly VersionItem[] }
  /** Runs of versions that the engine is to take below all others, and versions that are put meanwhile. */
  | {
      readonly type: 'ingest';
      readonly runs: readonly (readonly VersionItem[])[];
      readonly meanwhile: readonly VersionItem[];
    }
  /** Deletes a range, in one batch with what is written before and after it; a replica's engine must refuse it. */
  | ({
      readonly type: 'clear';
      readonly before?: readonly Value[];
      readonly after?: readonly Value[];
    } & BoundPair &
      WriteManner)
  | { readonly type: 'get'; readonly key: number }
  | { readonly type: 'getMany'; readonly keys: readonly number[] }
  | ({ readonly type: 'range' } & Scanned)
  | {
      readonly type: 'pages';
      readonly start: Bound;
      readonly end: Bound | null;
      readonly maxBytes: number;
      readonly maxEntries: number;
      readonly includeTombstones: boolean;
      readonly reverse: boolean;
    }
  | { readonly type: 'snapshot' }
  | { readonly type: 'readSnapshot'; readonly which: number; readonly key: number; readonly whole: boolean }
  | { readonly type: 'releaseSnapshot'; readonly which: number }
  | { readonly type: 'flush' | 'compact' | 'idle' | 'reopen' }
  /** Makes a copy, and compares what is in it. */
  | { readonly type: 'checkpoint' }
  /** Looks by a reader beside the engine, which shows the moment at which it was opened or looked anew. */
  | { readonly type: 'beside'; readonly isRefreshed: boolean; readonly from: number }
  /** Compares what the engine says of all slots. */
  | { readonly type: 'slots' }
  /** Has it find out digests of the slots of some keys, which it keeps, while other operations go on. */
  | { readonly type: 'lookAtSlots'; readonly keys: readonly number[] }
  /** Raises the watermarks of the slots of some keys, to so much before the newest version, and purges by them. */
  | { readonly type: 'settle'; readonly keys: readonly number[]; readonly age: number }
  | { readonly type: 'pass'; readonly days: number }
  /** So little time that nothing expires, and so much that the writer forgets that a scan has asked for order. */
  | { readonly type: 'pause'; readonly ms: number }
  | { readonly type: 'crash'; readonly stop: Stop; readonly seed: number };

const ALL_KEYS = Array.from({ length: KEYS }, (_, index) => index);
const key = fc.nat(KEYS - 1);
const fewOrAll = fc.oneof(fc.constant(ALL_KEYS), fc.array(key, { minLength: 1, maxLength: 8 }));
const size = fc.oneof(
  { weight: 8, arbitrary: fc.nat(60) },
  { weight: 2, arbitrary: fc.nat(3000) },
  { weight: 2, arbitrary: fc.constant(-1) },
);
const value = { key, size, fill: fc.nat(255) };
const manner = { sync: fc.boolean(), days: fc.constantFrom(0, 0, 1, 2) };
const sync = fc.boolean();
const condition = fc.record({
  key,
  is: fc.constantFrom('as it is', 'as it is', 'as it is', 'absent', 'other'),
});
const bound = fc.record({ key, place: fc.constantFrom('at', 'behind', 'piece', 'first') });
const maybeBound = fc.option(bound, { freq: 3 });

function operation<T extends Operation['type']>(
  type: T,
  fields: Record<string, fc.Arbitrary<unknown>> = {},
): fc.Arbitrary<Operation> {
  return fc.record({ type: fc.constant(type), ...fields }) as fc.Arbitrary<Operation>;
}

const version = fc.record({ ...value, age: fc.nat(30), days: fc.constantFrom(0, 0, 0, 1, 2) });
const ingest = operation('ingest', {
  runs: fc.array(fc.array(version, { maxLength: 12 }), { minLength: 1, maxLength: 2 }),
  meanwhile: fc.array(version, { maxLength: 4 }),
});

const put = operation('put', { ...value, ...manner, size: fc.nat(3000) });
const deletion = operation('delete', { key, sync });
const cleared = { start: bound, end: maybeBound, isAbove: fc.boolean(), isUpTo: fc.boolean() };
const few = fc.array(fc.record(value), { maxLength: 4 });
const clear = fc.oneof(
  operation('clear', cleared),
  operation('clear', { ...cleared, ...manner, before: few, after: few }),
);
const range = operation('range', {
  start: bound,
  end: maybeBound,
  isAbove: fc.boolean(),
  isUpTo: fc.boolean(),
  most: fc.constantFrom(1, 5, 1000),
  isLimited: fc.boolean(),
  reverse: fc.boolean(),
  values: fc.boolean(),
  seek: fc.option(fc.record({ to: bound, after: fc.nat(6) }), { freq: 1 }),
});
const pages = operation('pages', {
  start: bound,
  end: maybeBound,
  maxBytes: fc.constantFrom(1, 100, 5000, 1 << 20),
  maxEntries: fc.constantFrom(1, 2, 7, 1000),
  includeTombstones: fc.boolean(),
  reverse: fc.boolean(),
});
const snapshot = operation('snapshot');
const readSnapshot = operation('readSnapshot', { which: fc.nat(2), key, whole: fc.boolean() });
const flush = operation('flush');
const beside = operation('beside', { isRefreshed: fc.boolean(), from: key });
const crash = operation('crash', { stop: fc.constantFrom(...STOPS), seed: fc.nat() });

/** Anything that an engine does. */
const single = fc.oneof(
  { weight: 8, arbitrary: put },
  { weight: 3, arbitrary: deletion },
  {
    weight: 3,
    arbitrary: operation('batch', { ...manner, items: fc.array(fc.record(value), { maxLength: 8 }) }),
  },
  {
    weight: 1,
    arbitrary: operation('largeBatch', {
      ...manner,
      size: fc.nat(3000),
      rounds: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 6,
    arbitrary: operation('conditional', {
      ...manner,
      conditions: fc.array(condition, { minLength: 1, maxLength: 3 }),
      items: fc.array(fc.record(value), { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: operation('burst', {
      count: fc.integer({ min: 1, max: 120 }),
      first: key,
      size: fc.integer({ min: 0, max: 2500 }),
    }),
  },
  {
    weight: 6,
    arbitrary: operation('versions', { items: fc.array(version, { minLength: 1, maxLength: 4 }) }),
  },
  { weight: 5, arbitrary: ingest },
  { weight: 4, arbitrary: clear },
  { weight: 4, arbitrary: operation('get', { key }) },
  { weight: 2, arbitrary: operation('getMany', { keys: fc.array(key, { maxLength: 20 }) }) },
  { weight: 3, arbitrary: range },
  { weight: 3, arbitrary: pages },
  { weight: 2, arbitrary: snapshot },
  { weight: 4, arbitrary: readSnapshot },
  { weight: 1, arbitrary: operation('releaseSnapshot', { which: fc.nat(2) }) },
  { weight: 3, arbitrary: flush },
  { weight: 2, arbitrary: operation('compact') },
  { weight: 1, arbitrary: operation('idle') },
  { weight: 1, arbitrary: operation('reopen') },
  { weight: 1, arbitrary: operation('checkpoint') },
  { weight: 3, arbitrary: beside },
  { weight: 6, arbitrary: operation('slots') },
  { weight: 4, arbitrary: operation('lookAtSlots', { keys: fewOrAll }) },
  { weight: 4, arbitrary: operation('settle', { keys: fewOrAll, age: fc.nat(30) }) },
  { weight: 1, arbitrary: operation('pass', { days: fc.integer({ min: 1, max: 2 }) }) },
  { weight: 2, arbitrary: crash },
);

/** So many puts that the writer puts their keys in order later: of any keys, or of some that follow each other. */
const manyPuts: fc.Arbitrary<Operation> = fc
  .tuple(
    fc.record(manner),
    fc.nat(KEYS - 1),
    fc.constantFrom(3, 12, KEYS),
    fc.array(
      fc.record({
        rank: fc.nat(KEYS - 1),
        size: fc.oneof({ weight: 5, arbitrary: fc.nat(60) }, size),
        fill: fc.nat(255),
      }),
      { minLength: 8, maxLength: 30 },
    ),
  )
  .map(([how, first, span, items]) => ({
    type: 'batch',
    ...how,
    items: items.map(({ rank, ...rest }) => ({ key: keyAtRank(first + (rank % span)), ...rest })),
  }));
const allKeys = operation('largeBatch', { ...manner, size: fc.nat(60), rounds: fc.constant(1) });
const clearMuch = fc.oneof(
  operation('clear', {
    start: fc.constant({ key: 0, place: 'first' }),
    end: maybeBound,
    isAbove: fc.constant(false),
    isUpTo: fc.boolean(),
  }),
  clear,
);
const walk = fc.oneof(range, pages);
const walkOverAll = operation('range', {
  start: fc.constant({ key: 0, place: 'first' }),
  end: fc.constant(null),
  isAbove: fc.constant(false),
  isUpTo: fc.constant(false),
  most: fc.constant(1000),
  isLimited: fc.boolean(),
  reverse: fc.boolean(),
  values: fc.boolean(),
  seek: fc.constant(null),
});
const look = fc.oneof(
  { weight: 5, arbitrary: walk },
  { weight: 2, arbitrary: readSnapshot },
  { weight: 1, arbitrary: beside },
);
const pause = fc.constantFrom(0, 1100).map((ms): Operation => ({ type: 'pause', ms }));

/**
 * Ranges that are deleted and written again, many puts at a time, and read before the writer has put their keys in order:
 * it does so after some ms without a write, or at once for a second after a scan has met such keys.
 */
const unordered: fc.Arbitrary<Operation[]> = fc
  .tuple(
    fc.array(fc.oneof(allKeys, manyPuts, flush), { maxLength: 3 }),
    pause,
    fc.oneof(
      { weight: 2, arbitrary: fc.tuple(allKeys, flush, put, put, clearMuch, manyPuts, walkOverAll, walk) },
      { weight: 1, arbitrary: fc.tuple(clearMuch, manyPuts, look, look) },
      { weight: 1, arbitrary: fc.tuple(manyPuts, snapshot, manyPuts, readSnapshot) },
      { weight: 1, arbitrary: fc.tuple(manyPuts, clearMuch, look, look) },
      {
        weight: 1,
        arbitrary: fc.array(fc.oneof(manyPuts, clearMuch, put, deletion, snapshot, look), { maxLength: 6 }),
      },
    ),
  )
  .map(([before, rest, all]) => [...before, rest, ...all]);

export const operations: fc.Arbitrary<Operation[]> = fc
  .array(
    fc.oneof({ weight: 12, arbitrary: single.map((one) => [one]) }, { weight: 1, arbitrary: unordered }),
    { minLength: 1, maxLength: 60, size: 'max' },
  )
  .map((pieces) => pieces.flat());

const fewKey = fc.nat(5);
const fewKeys = fc.array(fewKey, { minLength: 1, maxLength: 4 });

/** Small writes of a few keys, with many questions about their slots: what the engine keeps of these must stay true. */
export const slotOperations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: operation('put', { ...value, key: fewKey, size: fc.nat(60) }) },
    { weight: 4, arbitrary: operation('delete', { key: fewKey }) },
    {
      weight: 2,
      arbitrary: operation('versions', {
        items: fc.array(
          fc.record({
            ...value,
            key: fewKey,
            size: fc.integer({ min: -1, max: 60 }),
            age: fc.nat(3),
            days: fc.nat(2),
          }),
          { minLength: 1, maxLength: 2 },
        ),
      }),
    },
    { weight: 2, arbitrary: ingest },
    { weight: 8, arbitrary: operation('slots') },
    { weight: 4, arbitrary: operation('lookAtSlots', { keys: fewKeys }) },
    { weight: 4, arbitrary: operation('settle', { keys: fewKeys, age: fc.nat(3) }) },
    { weight: 3, arbitrary: flush },
    { weight: 2, arbitrary: operation('compact') },
    { weight: 1, arbitrary: operation('idle') },
    { weight: 1, arbitrary: operation('reopen') },
    { weight: 1, arbitrary: operation('pass', { days: fc.integer({ min: 1, max: 2 }) }) },
    { weight: 1, arbitrary: crash },
  ),
  { minLength: 1, maxLength: 60, size: 'max' },
);

/** See `backgroundAfter`: 20 ms are about twenty operations. */
export const backgroundDelayMs = fc.constantFrom(0, 3, 20);

/** By the simulation's clock, which starts with 2025: deletions of the first two days may be forgotten. */
const TWO_DAYS_IN = (Date.UTC(2025, 0, 3) - Date.UTC(2024, 0, 1)) * 4096;

/** Whether the engine is written as a node's: each record says how many replicas it asked for; there are watermarks. */
export const isReplica = fc.boolean();

const configurations = fc.record({
  maxRecordBytes: fc.constant(16 << 10),
  memtableBytes: fc.constantFrom(64 << 10, 96 << 10, 1 << 20),
  maxSealedMemtables: fc.integer({ min: 1, max: 4 }),
  writeStallTimeoutMs: fc.constant(60_000),
  blockCacheBytes: fc.constantFrom(0, 8 << 10, 256 << 10),
  readers: fc.integer({ min: 1, max: 3 }),
  maxOpenFilesPerThread: fc.constant(16),
  blockSizeBytes: fc.constantFrom(64, 300, 4096),
  bottomBlockSizeBytes: fc.constantFrom(64, 1000, 16_384),
  compression: fc.constantFrom('none', 'lz4'),
  fingerprintSeed: fc.constantFrom(null, { low: 0, high: 0 }),
  bottomCompression: fc.constantFrom('none', 'lz4', 'zstd'),
  restartInterval: fc.constantFrom(1, 3, 16),
  bloomBitsPerKey: fc.constantFrom(0, 1, 2, 10, 30),
  targetFileBytes: fc.constantFrom(4 << 10, 32 << 10),
  l0CompactionTables: fc.constantFrom(1, 4),
  baseLevelBytes: fc.constantFrom(4 << 10, 64 << 10),
  levelMultiplier: fc.constantFrom(2, 3, 10),
  maxCompactionBytes: fc.constantFrom(32 << 10, 1 << 20),
  maxBackgroundJobs: fc.integer({ min: 1, max: 3 }),
  durability: fc.constantFrom('sync', 'interval', 'none'),
  syncIntervalMs: fc.constantFrom(1, 100),
  singleThread: fc.constantFrom(null, true),
  dropTombstonesBelow: fc.constantFrom(0, TWO_DAYS_IN, MAX_TIMESTAMP),
});

/** With one thread, which has one reader, main syncs the log while it grows and when it ends. */
export const configuration: fc.Arbitrary<Partial<EngineOptions>> = configurations.map((options) =>
  options.singleThread === true ? { ...options, readers: 1 } : options,
);
