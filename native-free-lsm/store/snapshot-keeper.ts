import type { HashSeed } from '../format/hash.ts';
import { type EngineOptions, tableOptions } from '../options.ts';
import type { BackgroundResult } from '../threads/protocol/posted-messages.ts';
import type { Arenas } from './arenas.ts';
import type { BackgroundJobs } from './background-jobs.ts';
import type { Snapshots } from './snapshots.ts';
import type { SnapshotPoint } from './store-snapshot.ts';
import type { SuperVersions } from './super-versions.ts';

/** How many moments may be kept in tables of their own, each of which takes up to a few memtables of disk. */
const MAX_KEPT_MOMENTS = 16;
const TOO_MANY =
  `snapshots of ${MAX_KEPT_MOMENTS} older moments are held, and more was written since than memtables hold: ` +
  'release each snapshot when you are done with it (`using`, or `release()`), and take a new one';

interface SnapshotKeeperParts {
  readonly directory: string;
  readonly options: EngineOptions;
  readonly hashSeed: HashSeed;
  readonly superVersions: SuperVersions;
  readonly snapshots: Snapshots;
  readonly arenas: Arenas;
  readonly jobs: BackgroundJobs;
  readonly expiryNowMs: () => number;
  readonly takeFileIds: (count: number) => number[];
  readonly report: (message: string) => void;
}

/**
 * Keeps snapshots whose memtables are needed for writing: what they see of these memtables is written to tables of
 * their own, which are in no manifest, and from then on they read a super-version of these and their old tables. The
 * files go when the last snapshot of that moment does, or at the next start. Where that is not possible, because the
 * disk fails or too many moments are kept already, the snapshot is given up.
 */
export class SnapshotKeeper {
  readonly #parts: SnapshotKeeperParts;
  #running: Promise<void> | undefined;
  #closed = false;
  /** Whether the last snapshot that came in question was given up because too many were kept: that is reported once. */
  #isFull = false;

  constructor(parts: SnapshotKeeperParts) {
    this.#parts = parts;
  }

  /** The writer has begun a memtable: no snapshot needs to pin more than may wait for their flush. */
  rotated(activeGeneration: number): void {
    const oldestPinned = activeGeneration - this.#parts.options.maxSealedMemtables;
    this.#keepThose(({ superVersion }) => superVersion.tables.oldestGeneration < oldestPinned);
  }

  /** No memtable is left for the writer: no snapshot needs to pin one that is in tables by now. */
  makeRoom(): void {
    const { superVersions } = this.#parts;
    const { oldestGeneration } = superVersions.current;
    this.#keepThose(({ superVersion }) => superVersion.tables.oldestGeneration < oldestGeneration);
  }

  /** Resolves when nothing is being written: background work was cancelled. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  /** One after the other, oldest first. */
  #keepThose(pinsTooMuch: (point: SnapshotPoint) => boolean): void {
    const { arenas, snapshots } = this.#parts;
    while (this.#running === undefined && !this.#closed) {
      const point = snapshots.oldest();
      if (point === undefined || !pinsTooMuch(point)) return;
      if (snapshots.keptMoments < MAX_KEPT_MOMENTS) {
        this.#isFull = false;
        this.#running = this.#write(point).finally(() => {
          this.#running = undefined;
          this.rotated(arenas.activeGeneration);
        });
      } else {
        if (!this.#isFull) this.#parts.report(`a snapshot is given up, as ${TOO_MANY}`);
        this.#isFull = true;
        snapshots.giveUp(point, TOO_MANY);
      }
    }
  }

  async #write(point: SnapshotPoint): Promise<void> {
    const { report, snapshots, superVersions } = this.#parts;
    // The snapshot may be released meanwhile.
    superVersions.hold(point.superVersion);
    try {
      const { tables } = await this.#tablesOf(point);
      const kept = superVersions.branch(point.superVersion, tables);
      snapshots.move(point, kept);
      superVersions.unpin(kept);
    } catch (error) {
      const why = `it could not be kept in tables of its own: ${(error as Error).message}`;
      if (!this.#closed) report(`a snapshot is given up, as ${why}`);
      snapshots.giveUp(point, why);
    } finally {
      superVersions.unpin(point.superVersion);
    }
  }

  #tablesOf({ generation, limit, superVersion }: SnapshotPoint): Promise<BackgroundResult> {
    const { arenas, directory, expiryNowMs, hashSeed, jobs, options, takeFileIds } = this.#parts;
    const memtables = [];
    for (let g = generation; g >= superVersion.tables.oldestGeneration; g--) {
      const visible = g === generation ? limit : arenas.memtable(g).publishedOffset;
      memtables.push({ arena: arenas.memory(g), limit: visible });
    }
    const bytes = memtables.length * options.memtableBytes;
    return jobs.run({
      type: 'snapshot',
      directory,
      memtables,
      fileIds: takeFileIds(2 + Math.ceil(bytes / options.targetFileBytes) * 2),
      targetFileBytes: options.targetFileBytes,
      table: tableOptions(options, false, hashSeed),
      nowMs: expiryNowMs(),
    });
  }
}
