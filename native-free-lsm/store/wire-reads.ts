import type { BlockCache } from '../cache/block-cache.ts';
import { KeyCache, keyCacheBytes } from '../cache/key-cache.ts';
import type { EngineClock } from '../clock.ts';
import type { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import type { EngineOptions } from '../options.ts';
import type { EpochDomain } from '../shared/epochs.ts';
import type { Executor } from '../threads/executor.ts';
import type { RoleInit } from '../threads/protocol/posted-messages.ts';
import type { Arenas } from './arenas.ts';
import { AskedReads } from './asked-reads.ts';
import type { BlockingReads } from './blocking-reads.ts';
import { CallerReads } from './caller-reads.ts';
import type { ClosingStack } from './closing-stack.ts';
import type { EngineConditions } from './conditions.ts';
import { ReadPath } from './read-path.ts';
import { maxPageBytes, ReaderChannels } from './reader-channels.ts';
import { ReaderSuccessors } from './reader-successors.ts';
import type { RingTraffic } from './ring-traffic.ts';
import { StartingReads } from './starting-reads.ts';
import type { SuperVersions } from './super-versions.ts';

interface ReadParts {
  readonly arenas: Arenas;
  readonly blocking: BlockingReads;
  readonly cache: BlockCache;
  readonly cacheMemory: SharedArrayBuffer;
  readonly clock: EngineClock;
  readonly conditions: EngineConditions;
  readonly epochs: EpochDomain;
  readonly executor: Executor;
  readonly hashSeed: HashSeed;
  readonly initOf: (requests: SharedArrayBuffer, responses: SharedArrayBuffer, thread: number) => RoleInit;
  readonly onDamage: (error: LsmError) => void;
  readonly opened: ClosingStack;
  readonly options: EngineOptions;
  readonly report: (message: string) => void;
  readonly superVersions: SuperVersions;
  readonly traffic: RingTraffic;
}

/** Makes the reader threads' channels and the way of a read through them. Whoever calls it starts the threads. */
export function wireReads(parts: ReadParts): { readonly readers: ReaderChannels; readonly reads: ReadPath } {
  const { arenas, blocking, cache, cacheMemory, clock, conditions, epochs, executor, hashSeed } = parts;
  const { initOf, onDamage, opened, options, report, superVersions, traffic } = parts;
  const readers = new ReaderChannels({
    executor,
    superVersions,
    epochs,
    cache: cacheMemory,
    options,
    initOf,
    onEnded: (index, error) => {
      if (error === undefined || opened.isClosing) return;
      starting.lasts();
      successors.ended(index, error);
      // Releases what only it might still have read: no answer that would do so may come any more.
      superVersions.collect();
    },
  });
  const starting = new StartingReads(executor.clock, readers.channels, () => traffic.isHeld);
  const keys = new KeyCache(cache, keyCacheBytes(options.blockCacheBytes));
  const caller = new CallerReads(arenas, superVersions, cache, keys, blocking, hashSeed, onDamage);
  const asked = new AskedReads(cache, readers.channels, {
    onQueued: () => traffic.publishSoon(),
    // At once, so that a reader works on a page while main writes the one before to a socket, or on the first of many
    // gets while main looks for the others.
    onUrgent: () => {
      if (!traffic.isHeld && asked.publish()) executor.kick();
    },
    onDamage,
  });
  const { maxQueuedReadBytes } = options;
  const reads = new ReadPath(
    superVersions,
    caller,
    asked,
    starting,
    maxQueuedReadBytes,
    maxPageBytes(options),
  );
  const successors = new ReaderSuccessors({ clock, conditions, report }, readers, reads);
  opened.defer(() => successors.close());
  return { readers, reads };
}
