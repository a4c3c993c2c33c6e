import { BlockCache, createBlockCacheMemory } from '../cache/block-cache.ts';
import { keyCacheBytes } from '../cache/key-cache.ts';
import { FolderFollower, type FollowedManifest } from '../follower/folder-follower.ts';
import { MemtableChain } from '../follower/memtable-chain.ts';
import { OpenTables } from '../follower/open-tables.ts';
import type { HashSeed } from '../format/hash.ts';
import type { EngineOptions } from '../options.ts';
import { ControlWord, createControl } from '../shared/control.ts';
import { EpochDomain } from '../shared/epochs.ts';
import { hashSeedOf } from '../sstable/load-table.ts';
import type { Executor } from '../threads/executor.ts';
import { Arenas } from './arenas.ts';
import { BlockingReads } from './blocking-reads.ts';
import { ClosingStack } from './closing-stack.ts';
import { EngineConditions } from './conditions.ts';
import type { Environment } from './environment.ts';
import type { ReadPath } from './read-path.ts';
import type { CompleteReaderOptions } from './reader-options.ts';
import { RingTraffic } from './ring-traffic.ts';
import { Snapshots } from './snapshots.ts';
import { SuperVersions } from './super-versions.ts';
import { wireReads } from './wire-reads.ts';
import { LEAST_CACHE_BYTES } from './wire-store.ts';

/** The parts of a store that another process writes, connected and started. */
export interface FollowedParts {
  readonly options: EngineOptions;
  readonly follower: FolderFollower;
  readonly chain: MemtableChain;
  readonly tables: OpenTables;
  readonly arenas: Arenas;
  readonly superVersions: SuperVersions;
  readonly snapshots: Snapshots;
  readonly reads: ReadPath;
  readonly generations: {
    /** No super-version has an older one. */
    readonly oldest: number;
  };
  readonly opened: ClosingStack;
}

/** Does the steps of a look at the folder. */
type Follow = (steps: Generator<void, FollowedManifest, void>) => Promise<FollowedManifest>;

/** What has read the folder, and what was read. */
interface FirstView {
  readonly follower: FolderFollower;
  readonly chain: MemtableChain;
  readonly tables: OpenTables;
  readonly manifest: FollowedManifest;
  readonly hashSeed: HashSeed;
}

/**
 * Reads a folder, makes the parts of a store and connects them. Should it fail, everything that was opened is closed
 * again.
 */
export async function openFollowed(
  directory: string,
  options: CompleteReaderOptions,
  environment: Environment,
  follow: Follow,
): Promise<FollowedParts> {
  const { drawHashSeed, fs, report } = environment;
  const { engine, maxMemtableBytes } = options;
  const opened = new ClosingStack();
  const tables = new OpenTables(fs, directory, report);
  opened.defer(() => tables.closeAll());
  let seed: HashSeed | undefined;
  const hashSeed = (): HashSeed => {
    seed ??= hashSeedOf(tables.handles) ?? drawHashSeed();
    return seed;
  };
  const chain = new MemtableChain({
    memtableBytes: engine.memtableBytes,
    maxBytes: maxMemtableBytes,
    hashSeed,
  });
  const follower = new FolderFollower(fs, directory, tables, chain);
  try {
    const manifest = await follow(follower.follow());
    const view = { follower, chain, tables, manifest, hashSeed: hashSeed() };
    return connect(directory, engine, environment, view, opened);
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/** As `wireStore` does it: first all parts are made, then they are started. */
function connect(
  directory: string,
  options: EngineOptions,
  { clock, executor: makeExecutor, fs, report }: Environment,
  { chain, follower, hashSeed, manifest, tables }: FirstView,
  opened: ClosingStack,
): FollowedParts {
  const control = createControl();
  const words = new Int32Array(control);
  const epochs = new EpochDomain();
  const cacheBytes = Math.max(options.blockCacheBytes, LEAST_CACHE_BYTES);
  const blockBytes = Math.max(cacheBytes - keyCacheBytes(cacheBytes), LEAST_CACHE_BYTES);
  const cacheMemory = createBlockCacheMemory(blockBytes, hashSeed);
  const cache = new BlockCache(cacheMemory, epochs);
  const arenas = new Arenas(control, 0, 0, hashSeed);
  chain.publish();
  for (const [index, memtable] of chain.memtables.entries()) {
    memtable.generation = index + 1;
    arenas.succeed(memtable.generation, memtable.memory, () => undefined);
  }
  const generations = { oldest: 1 };
  const { version } = manifest;
  const first = { version, oldestGeneration: 1, handles: tables.takeNew(version) };
  const superVersions = new SuperVersions(control, epochs, first, {
    onTableUnused: ({ metadata }) => {
      cache.removeTable(metadata.id);
      tables.close(metadata.id);
    },
    onGenerationsUnused: (below) => {
      generations.oldest = below;
      arenas.release(below);
    },
  });
  const blocking = new BlockingReads(fs, words, options.maxOpenFilesPerThread, cache, cacheMemory, arenas);
  opened.defer(() => blocking.close());
  const snapshots = new Snapshots(superVersions, epochs);

  const traffic = new RingTraffic(clock, {
    onPublished: () => executor.kick(),
    onDrained: () => superVersions.collect(),
  });
  const executor: Executor = makeExecutor({
    control,
    fs,
    clock,
    threads: options.readers,
    backgroundThreads: 1,
    isSingleThread: false,
    onResponses: () => traffic.drain(),
  });
  opened.defer(() => executor.close());

  const { readers, reads } = wireReads({
    arenas,
    blocking,
    cache,
    cacheMemory,
    clock,
    // Nobody asks for them: `report` says the same.
    conditions: new EngineConditions(clock),
    epochs,
    executor,
    hashSeed,
    initOf: (requests, responses, thread) => {
      const rings = { requests, responses };
      return { directory, options, control, ...rings, arenas: arenas.memories, thread, hashSeed };
    },
    // Whoever writes the folder takes care of it; the read says what it was.
    onDamage: () => undefined,
    opened,
    options,
    report,
    superVersions,
    traffic,
  });
  traffic.add(reads);
  opened.defer(async () => {
    // The wake-up requests are published after the word that they make threads look at.
    Atomics.store(words, ControlWord.stop, 1);
    readers.wake();
    traffic.publish();
    await Promise.all(readers.ended);
  });
  for (let reader = 0; reader < options.readers; reader++) readers.start(reader);
  return { options, follower, chain, tables, arenas, superVersions, snapshots, reads, generations, opened };
}
