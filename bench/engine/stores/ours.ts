import { fileURLToPath } from 'node:url';
import type * as Package from '../../../native-free-lsm/index.ts';
import {
  asynchronous,
  countWhole,
  isWhole,
  PAGE_ENTRIES,
  type Store,
  type StoreSettings,
  synchronous,
  VALUE_BYTES,
  WRITE_BUFFER_BYTES,
} from './store.ts';

const SOURCES = '../../../native-free-lsm/index.ts';
const BUILT = '../../../native-free-lsm/dist/index.js';
const PAGE_BYTES = 1024 * 1024;
const MAX_PAGE_ENTRIES = 50_000;

/** @param isBuilt the compiled package, as users have it, and not the sources */
export async function loadOurs(isBuilt: boolean): Promise<(settings: StoreSettings) => Promise<Store>> {
  const file = fileURLToPath(new URL(isBuilt ? BUILT : SOURCES, import.meta.url));
  const package_ = (await import(file)) as typeof Package;
  return async ({ cacheBytes, directory, isSynced }) => {
    const engine = await package_.open(directory, {
      blockCacheBytes: cacheBytes,
      memtableBytes: WRITE_BUFFER_BYTES,
      durability: isSynced ? 'sync' : 'none',
    });
    return storeOf(engine, package_);
  };
}

function storeOf(engine: Package.Engine, package_: typeof Package): Store {
  const range = async (options: Package.RangeOptions, entries: number): Promise<number> => {
    const scan = engine.range(options);
    let seen = 0;
    for (;;) {
      const page = await scan.nextMany(Math.min(PAGE_ENTRIES, entries - seen));
      if (page.length === 0) break;
      seen += page.length;
      if (seen === entries) break;
    }
    await scan.return();
    return seen;
  };
  return {
    batch: asynchronous('write', (writes) =>
      engine.write(
        writes.map(({ key, value }) =>
          value === undefined ? { type: 'delete', key } : { type: 'put', key, value },
        ),
      ),
    ),
    puts: [asynchronous('put', (key, value) => engine.put(key, value))],
    reads: [
      asynchronous('get', async (keys) => countWhole(await Promise.all(keys.map((key) => engine.get(key))))),
      asynchronous('getMany', async (keys) => countWhole(await engine.getMany(keys))),
      asynchronous('store.readInPlace', (keys) => readInPlace(engine, keys, package_)),
      synchronous('getSync', (keys) => {
        let whole = 0;
        for (const key of keys) if (isWhole(engine.getSync(key))) whole++;
        return whole;
      }),
    ],
    scans: [
      asynchronous('range().nextMany', (reverse) => range({ reverse }, Number.POSITIVE_INFINITY)),
      asynchronous('store.rangePage', (reverse) => scanPages(engine, reverse, package_)),
    ],
    starts: [
      asynchronous('range().nextMany', (gte, limit) => range({ gte, limit }, limit)),
      synchronous(
        'range().nextManySync',
        (gte, limit) => engine.range({ gte, limit }).nextManySync(limit).length,
      ),
    ],
    [Symbol.asyncDispose]: () => engine.close(),
  };
}

/** Where values go, each over the one before: what lmdb's `getBinaryFast` does by itself. */
const reused = Buffer.allocUnsafe(64 * 1024);

function readInPlace(
  engine: Package.Engine,
  keys: readonly Uint8Array[],
  { copyBytes, isVisible, recordValueStart }: typeof Package,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let left = keys.length;
  let whole = 0;
  const sink: Package.InPlaceSink = {
    onRecord(_token, bytes, start, end) {
      if (isVisible(bytes, start, Date.now)) {
        const valueStart = recordValueStart(bytes, start);
        copyBytes(bytes, valueStart, end, reused, 0);
        if (end - valueStart === VALUE_BYTES) whole++;
      }
      if (--left === 0) resolve(whole);
    },
    onRead(_token, record, error) {
      if (error !== null) reject(error);
      if (record !== null && record.length - recordValueStart(record, 0) === VALUE_BYTES) whole++;
      if (--left === 0) resolve(whole);
    },
  };
  for (let i = 0; i < keys.length; i++) engine.store.readInPlace(keys[i], undefined, sink, i);
  return promise;
}

async function scanPages(
  engine: Package.Engine,
  reverse: boolean,
  { keyBehind, recordValueStart }: typeof Package,
): Promise<number> {
  const ask = (start: Uint8Array, end: Uint8Array | null): Promise<Package.Page> =>
    engine.store.rangePage({
      start,
      end,
      reverse,
      maxBytes: PAGE_BYTES,
      maxEntries: MAX_PAGE_ENTRIES,
      includeTombstones: false,
      encoder: 0,
      nowMs: 0,
    });
  let entries = 0;
  let asked = ask(NOTHING, null);
  for (;;) {
    using page = await asked;
    const { bytes, resumeAt } = page;
    // A reader makes the next page, which goes on with that key, while this one is gone through.
    if (resumeAt !== null) asked = reverse ? ask(NOTHING, keyBehind(resumeAt)) : ask(resumeAt, null);
    while (page.next()) {
      // Views of both are made, as by every other way.
      const key = bytes.subarray(page.keyStart, page.keyEnd);
      const value = bytes.subarray(recordValueStart(bytes, page.recordStart), page.recordEnd);
      if (key.length > 0 && value.length > 0) entries++;
    }
    if (resumeAt === null) return entries;
  }
}

const NOTHING = new Uint8Array(0);
