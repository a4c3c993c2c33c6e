/** LMDB by way of lmdb-js, a native addon that the benchmarks alone have. */
import { join } from 'node:path';
import {
  asynchronous,
  countWhole,
  isWhole,
  type OpenStore,
  type Store,
  type StoreSettings,
  synchronous,
} from './store.ts';

const LMDB: string = 'lmdb';
/** Keys are compared byte by byte up to their end, so a key above all others ends a scan in reverse. */
const ABOVE_ALL = Buffer.from([0xff]);
const BELOW_ALL = Buffer.from([0x00]);

/** The part of lmdb-js that is used here. */
interface Lmdb {
  put(key: Uint8Array, value: Uint8Array): Promise<boolean>;
  putSync(key: Uint8Array, value: Uint8Array): boolean;
  removeSync(key: Uint8Array): boolean;
  transactionSync(action: () => void): void;
  get(key: Uint8Array): Uint8Array | undefined;
  getBinaryFast(key: Uint8Array): Uint8Array | undefined;
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  getRange(options: LmdbRange): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>;
  close(): Promise<void>;
}

interface LmdbRange {
  readonly start?: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
}

interface LmdbPackage {
  readonly open: (options: Readonly<Record<string, unknown>>) => Lmdb;
}

export async function loadLmdb(): Promise<OpenStore> {
  const { open } = (await import(LMDB)) as LmdbPackage;
  return async ({ directory, isSynced }: StoreSettings) => {
    const db = open({
      path: join(directory, 'lmdb'),
      keyEncoding: 'binary',
      encoding: 'binary',
      noSync: !isSynced,
      // Else a put is answered before it is on the disk.
      overlappingSync: false,
    });
    return storeOf(db);
  };
}

function storeOf(db: Lmdb): Store {
  const count = (options: LmdbRange): number => {
    let entries = 0;
    for (const { key, value } of db.getRange(options)) if (key.length > 0 && value.length > 0) entries++;
    return entries;
  };
  return {
    batch: synchronous('transactionSync', (writes) => {
      db.transactionSync(() => {
        for (const { key, value } of writes) {
          if (value === undefined) db.removeSync(key);
          else db.putSync(key, value);
        }
      });
      return undefined;
    }),
    puts: [asynchronous('put', (key, value) => db.put(key, value))],
    reads: [
      synchronous('get', (keys) => {
        let whole = 0;
        for (const key of keys) if (isWhole(db.get(key))) whole++;
        return whole;
      }),
      synchronous('getBinaryFast', (keys) => {
        let whole = 0;
        for (const key of keys) if (isWhole(db.getBinaryFast(key))) whole++;
        return whole;
      }),
      asynchronous('getMany', async (keys) => countWhole(await db.getMany(keys))),
    ],
    scans: [synchronous('getRange', (reverse) => count({ reverse, start: reverse ? ABOVE_ALL : BELOW_ALL }))],
    starts: [synchronous('getRange', (start, limit) => count({ start, limit }))],
    [Symbol.asyncDispose]: () => db.close(),
  };
}
