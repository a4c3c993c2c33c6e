import { Engine, type ReadSink, recordValueStart } from '../../../native-free-lsm/index.ts';
import {
  type AloneStore,
  CACHE_BYTES,
  type KeyValue,
  type Read,
  type Scan,
  WRITE_BUFFER_BYTES,
} from './store.ts';

const PAGE_BYTES = 128 * 1024;
const PAGE_ENTRIES = 4096;
const NO_BYTES = new Uint8Array(0);

export class OurStore implements AloneStore {
  readonly #engine: Engine;
  readonly reads: Readonly<Record<string, Read>>;
  readonly scans: Readonly<Record<string, Scan>>;

  private constructor(engine: Engine) {
    this.#engine = engine;
    this.reads = {
      'get, all in flight': async (keys) => {
        for (const value of await Promise.all(keys.map((key) => engine.get(key)))) {
          if (value === undefined) throw new Error('a key is not there');
        }
      },
      'store.read, all in flight': (keys) => readAll(engine, keys),
    };
    this.scans = {
      range: async () => {
        let entries = 0;
        for await (const _entry of engine.range()) entries++;
        return entries;
      },
      'store.rangePage': () => scanPages(engine),
    };
  }

  static async open(directory: string): Promise<OurStore> {
    const options = { blockCacheBytes: CACHE_BYTES, memtableBytes: WRITE_BUFFER_BYTES };
    return new OurStore(await Engine.open(directory, options));
  }

  put(key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.#engine.put(key, value);
  }

  load(entries: readonly KeyValue[]): Promise<void> {
    return this.#engine.write(entries.map(({ key, value }) => ({ type: 'put', key, value })));
  }

  compact(): Promise<void> {
    return this.#engine.compact();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#engine.close();
  }
}

function readAll(engine: Engine, keys: readonly Uint8Array[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let left = keys.length;
  const sink: ReadSink = {
    onRead(_token, record, error) {
      if (record === null) reject(error ?? new Error('a key is not there'));
      else if (--left === 0) resolve();
    },
  };
  for (let i = 0; i < keys.length; i++) engine.store.read(keys[i], sink, i);
  return promise;
}

async function scanPages(engine: Engine): Promise<number> {
  let entries = 0;
  let start: Uint8Array = NO_BYTES;
  for (;;) {
    using page = await engine.store.rangePage({
      start,
      end: null,
      maxBytes: PAGE_BYTES,
      maxEntries: PAGE_ENTRIES,
      includeTombstones: false,
      encoder: 0,
      nowMs: 0,
    });
    const { bytes } = page;
    while (page.next()) {
      // Copied, because the other engine returns copies.
      const key = bytes.subarray(page.keyStart, page.keyEnd);
      const value = bytes.subarray(recordValueStart(bytes, page.recordStart), page.recordEnd);
      if (key.length > 0 && value.length > 0) entries++;
    }
    if (page.resumeAt === null) return entries;
    start = page.resumeAt;
  }
}
