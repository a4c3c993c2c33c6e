/**
 * LevelDB by way of classic-level, and RocksDB by way of @nxtedition/rocksdb: native addons behind abstract-level. Only
 * the benchmarks have these packages, so they are looked for at run time.
 */
import {
  asynchronous,
  countWhole,
  isWhole,
  type OpenStore,
  PAGE_ENTRIES,
  type ReadKeys,
  type Store,
  type StoreSettings,
  synchronous,
  type Way,
  WRITE_BUFFER_BYTES,
} from './store.ts';

const CLASSIC_LEVEL: string = 'classic-level';
const ROCKSDB: string = '@nxtedition/rocksdb';
const ENCODING = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;
/** Tables of RocksDB have no filters unless they are asked for; LevelDB's have 10 bits a key. */
const ROCKSDB_FILTER = 'bloomfilter:10';

/** The part of abstract-level that is used here. */
interface Level {
  open(): Promise<void>;
  close(): Promise<void>;
  put(key: Uint8Array, value: Uint8Array, options: LevelWriteOptions): Promise<void>;
  batch(operations: readonly LevelWrite[], options: LevelWriteOptions): Promise<void>;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  getSync?(key: Uint8Array): Uint8Array | undefined;
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** RocksDB's binding has it, below abstract-level. */
  _getManySync?(keys: readonly Uint8Array[]): readonly (Uint8Array | undefined)[];
  iterator(options: LevelRange): LevelIterator;
}

interface LevelWriteOptions {
  readonly sync: boolean;
}

type LevelWrite =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

interface LevelRange {
  readonly reverse?: boolean;
  readonly gte?: Uint8Array;
  readonly limit?: number;
  readonly highWaterMarkBytes?: number;
}

interface LevelIterator extends AsyncIterable<readonly [Uint8Array, Uint8Array]> {
  nextv(size: number): Promise<readonly unknown[]>;
  all(): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

type LevelClass = new (directory: string, options: Readonly<Record<string, unknown>>) => Level;

export async function loadClassicLevel(): Promise<OpenStore> {
  const { ClassicLevel } = (await import(CLASSIC_LEVEL)) as { readonly ClassicLevel: LevelClass };
  return async (settings) => {
    const { cacheBytes: cacheSize, directory } = settings;
    const options = { ...ENCODING, cacheSize, writeBufferSize: WRITE_BUFFER_BYTES };
    return await openLevel(new ClassicLevel(directory, options), settings);
  };
}

export async function loadRocksdb(): Promise<OpenStore> {
  const { RocksLevel } = (await import(ROCKSDB)) as { readonly RocksLevel: LevelClass };
  return async (settings) => {
    const { cacheBytes: cacheSize, directory } = settings;
    const options = {
      ...ENCODING,
      cacheSize,
      createIfMissing: true,
      memtableMemoryBudget: 4 * WRITE_BUFFER_BYTES,
      compaction: 'level',
      filterPolicy: ROCKSDB_FILTER,
    };
    return await openLevel(new RocksLevel(directory, options), settings);
  };
}

async function openLevel(level: Level, { isSynced }: StoreSettings): Promise<Store> {
  await level.open();
  const how = { sync: isSynced };
  return {
    batch: asynchronous('batch', (writes) =>
      level.batch(
        writes.map(({ key, value }) =>
          value === undefined ? { type: 'del', key } : { type: 'put', key, value },
        ),
        how,
      ),
    ),
    puts: [asynchronous('put', (key, value) => level.put(key, value, how))],
    reads: readsOf(level),
    scans: [
      asynchronous(`iterator.nextv(${PAGE_ENTRIES})`, async (reverse) => {
        const iterator = level.iterator({ reverse });
        let entries = 0;
        for (;;) {
          const page = await iterator.nextv(PAGE_ENTRIES);
          if (page.length === 0) break;
          entries += page.length;
        }
        await iterator.close();
        return entries;
      }),
      asynchronous('for await', async (reverse) => {
        let entries = 0;
        for await (const _entry of level.iterator({ reverse })) entries++;
        return entries;
      }),
    ],
    starts: [
      asynchronous('iterator.nextv', async (gte, limit) => {
        const iterator = level.iterator({ gte, limit });
        const entries = await iterator.nextv(limit);
        await iterator.close();
        return entries.length;
      }),
    ],
    [Symbol.asyncDispose]: () => level.close(),
  };
}

function readsOf(level: Level): Way<ReadKeys>[] {
  const ways: Way<ReadKeys>[] = [
    asynchronous('get', async (keys) =>
      countWhole(await Promise.all(keys.map((key) => found(level.get(key))))),
    ),
    asynchronous('getMany', async (keys) => countWhole(await level.getMany(keys))),
  ];
  const isBinding = level._getManySync !== undefined;
  if (level.getSync !== undefined && !isBinding) {
    ways.push(
      synchronous('getSync', (keys) => {
        let whole = 0;
        for (const key of keys) if (isWhole(level.getSync?.(key))) whole++;
        return whole;
      }),
    );
  }
  if (isBinding)
    ways.push(synchronous('getManySync', (keys) => countWhole(level._getManySync?.(keys) ?? [])));
  return ways;
}

/** Older versions of abstract-level reject where newer ones give undefined. */
function found(value: Promise<Uint8Array | undefined>): Promise<Uint8Array | undefined> {
  return value.catch((error: { readonly code?: string }) => {
    if (error.code !== 'LEVEL_NOT_FOUND') throw error;
    return undefined;
  });
}
