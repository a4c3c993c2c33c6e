/**
 * LevelDB through classic-level, a native addon. Only the benchmarks have this package, so it is looked for at run
 * time.
 */
import {
  type AloneStore,
  CACHE_BYTES,
  type KeyValue,
  type Read,
  type Scan,
  WRITE_BUFFER_BYTES,
} from './store.ts';

const PACKAGE: string = 'classic-level';
const PAGE_ENTRIES = 1000;
const ENCODING = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;

/** The part of classic-level 3 that is used here. */
interface Level {
  open(): Promise<void>;
  close(): Promise<void>;
  put(key: Uint8Array, value: Uint8Array, options: { readonly sync: boolean }): Promise<void>;
  batch(
    operations: readonly { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }[],
  ): Promise<void>;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  getSync(key: Uint8Array): Uint8Array | undefined;
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  iterator(): LevelIterator;
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>;
}

interface LevelIterator extends AsyncIterable<readonly [Uint8Array, Uint8Array]> {
  nextv(size: number): Promise<readonly unknown[]>;
  all(): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

interface LevelPackage {
  readonly ClassicLevel: new (directory: string, options: Readonly<Record<string, unknown>>) => Level;
}

export class ClassicStore implements AloneStore {
  readonly #level: Level;
  readonly reads: Readonly<Record<string, Read>>;
  readonly scans: Readonly<Record<string, Scan>>;

  private constructor(level: Level) {
    this.#level = level;
    this.reads = {
      'get, all in flight': async (keys) => checkAll(await Promise.all(keys.map((key) => level.get(key)))),
      getSync: async (keys) => {
        for (const key of keys) if (level.getSync(key) === undefined) throw new Error('a key is not there');
      },
      getMany: async (keys) => checkAll(await level.getMany(keys)),
    };
    this.scans = {
      [`iterator.nextv(${PAGE_ENTRIES})`]: async () => {
        const iterator = level.iterator();
        let entries = 0;
        for (;;) {
          const page = await iterator.nextv(PAGE_ENTRIES);
          if (page.length === 0) break;
          entries += page.length;
        }
        await iterator.close();
        return entries;
      },
      'iterator.all': async () => (await level.iterator().all()).length,
      'for await of iterator': async () => {
        let entries = 0;
        for await (const _entry of level.iterator()) entries++;
        return entries;
      },
    };
  }

  static async open(directory: string): Promise<ClassicStore> {
    const { ClassicLevel } = (await import(PACKAGE)) as LevelPackage;
    const options = { ...ENCODING, cacheSize: CACHE_BYTES, writeBufferSize: WRITE_BUFFER_BYTES };
    const level = new ClassicLevel(directory, options);
    await level.open();
    return new ClassicStore(level);
  }

  put(key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.#level.put(key, value, { sync: true });
  }

  load(entries: readonly KeyValue[]): Promise<void> {
    return this.#level.batch(entries.map(({ key, value }) => ({ type: 'put', key, value })));
  }

  compact(): Promise<void> {
    return this.#level.compactRange(Buffer.from('k'), Buffer.from('l'));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#level.close();
  }
}

function checkAll(values: readonly (Uint8Array | undefined)[]): void {
  if (values.includes(undefined)) throw new Error('a key is not there');
}
