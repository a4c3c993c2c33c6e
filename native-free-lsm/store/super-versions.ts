import type { RangeFragments } from '../range-tombstones/fragments.ts';
import { ControlWord } from '../shared/control.ts';
import type { EpochDomain } from '../shared/epochs.ts';
import type { RingProducer } from '../shared/ring.ts';
import type { OpenedTable, TableHandle } from '../sstable/table-handle.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { TableReader } from '../sstable/table-reader.ts';
import { TableSet } from '../sstable/table-set.ts';
import type { WorkerMessage } from '../threads/protocol/posted-messages.ts';
import type { Version } from '../version/version.ts';

/**
 * A consistent view of all data at one moment: the tables of a version and, by `tables.oldestGeneration`, the memtables
 * that are not in them. It never changes. It is pinned while it is current, while a command in a ring names it, and by
 * snapshots.
 */
export interface SuperVersion {
  readonly tables: TableSet;
  readonly version: Version;
  pins: number;
}

/** Above all generations: no memtable belongs to it. */
const NO_GENERATION = Number.MAX_SAFE_INTEGER;

/** What an opening has found: the tables, and the generation from which on memtables are not in them. */
interface FirstSuperVersion {
  readonly version: Version;
  readonly oldestGeneration: number;
  readonly handles: readonly OpenedTable[];
}

interface SuperVersionEvents {
  /** No super-version has the table any more, so its file may be removed. */
  onTableUnused(handle: TableHandle): void;
  /** No super-version has memtables below this generation. */
  onGenerationsUnused(below: number): void;
}

interface OutdatedSuperVersion {
  readonly superVersion: SuperVersion;
  /** Once the writer thread has followed to this epoch, it uses a newer one. */
  readonly superVersionEpoch: number;
  /** Once the writer has released this many frames, it uses none, and the next one that it uses is newer. */
  readonly framesPushed: number;
}

/**
 * The super-versions of one engine, on the main thread. It makes the current one from a version, tells the pool
 * threads, and releases each once nothing names it any more.
 *
 * Readers hold a super-version as long as commands that name it are in their rings (see EpochDomain). The writer only
 * uses the latest one that it has heard of. If it held them by its ring too, it could wait for a memtable that becomes
 * free only after the commands that are behind in that ring.
 */
export class SuperVersions {
  readonly #words: Int32Array;
  readonly #epochs: EpochDomain;
  readonly #events: SuperVersionEvents;
  readonly #links: { post(message: WorkerMessage): void }[] = [];
  readonly #readers = new Map<number, TableReader>();
  readonly #live = new Set<SuperVersion>();
  readonly #outdated: OutdatedSuperVersion[] = [];
  /** Tables that are not loaded yet. As long as there are any, threads are told nothing. */
  #late: readonly TableReader[];
  #writer: RingProducer | undefined;
  #current: SuperVersion;
  #nextId = 1;

  constructor(
    control: SharedArrayBuffer,
    epochs: EpochDomain,
    { version, oldestGeneration, handles }: FirstSuperVersion,
    events: SuperVersionEvents,
  ) {
    this.#words = new Int32Array(control);
    this.#epochs = epochs;
    this.#events = events;
    this.#current = this.#make(version, oldestGeneration, handles);
    this.#late = [...this.#readers.values()].filter(({ isLoaded }) => !isLoaded);
  }

  /** The tables whose index and filter the opening has left for later. */
  get late(): readonly TableReader[] {
    return this.#late;
  }

  /** All tables are loaded: tells the threads. */
  loaded(): void {
    if (this.#late.length === 0) return;
    this.#late = [];
    for (const link of this.#links) this.#tellAll(link);
  }

  get current(): TableSet {
    return this.#current.tables;
  }

  get version(): Version {
    return this.#current.version;
  }

  handle(tableId: number): TableHandle {
    return (this.#readers.get(tableId) as TableReader).handle;
  }

  /** The file of a table. */
  path(tableId: number): string {
    return (this.#readers.get(tableId) as TableReader).path;
  }

  /** The range tombstones of a table. */
  ranges(tableId: number): RangeFragments {
    return (this.#readers.get(tableId) as TableReader).ranges;
  }

  /** Replaces the current super-version. Commands already in a ring keep the old one until they are answered. */
  install(version: Version, oldestGeneration: number, added: readonly TableHandle[]): void {
    const previous = this.#current;
    this.#current = this.#make(version, oldestGeneration, added);
    this.#post(message(this.#current, added, true));
    // Only main writes it: this is the count that came with the message above.
    const superVersionEpoch = Atomics.load(this.#words, ControlWord.superVersionEpoch);
    const framesPushed = this.#writer?.framesPushed ?? 0;
    this.#epochs.retire(() =>
      this.#outdated.push({ superVersion: previous, superVersionEpoch, framesPushed }),
    );
    this.collect();
  }

  /** A super-version for snapshots of `base` alone, with tables in the place of all its memtables. It is pinned once. */
  branch(base: SuperVersion, added: readonly TableHandle[]): SuperVersion {
    const version = base.version.apply({ added: added.map(({ metadata }) => metadata), removed: [] });
    const superVersion = this.#make(version, NO_GENERATION, added);
    this.#post(message(superVersion, added, false));
    return superVersion;
  }

  #make(version: Version, oldestGeneration: number, added: readonly OpenedTable[]): SuperVersion {
    for (const handle of added) this.#readers.set(handle.metadata.id, new TableReader(handle));
    const readersOf = (tables: readonly TableMetadata[]): TableReader[] =>
      tables.map((table) => this.#readers.get(table.id) as TableReader);
    const levels = version.levels.map(readersOf);
    const tables = new TableSet(this.#nextId++, oldestGeneration, levels, readersOf(version.quarantine));
    const superVersion = { tables, version, pins: 1 };
    this.#live.add(superVersion);
    return superVersion;
  }

  /** The writer thread takes its requests from this ring. */
  attachWriter(requests: RingProducer): void {
    this.#writer = requests;
  }

  /** The writer thread is dead: it uses nothing any more. */
  detachWriter(): void {
    this.#writer = undefined;
    this.collect();
  }

  /** Releases what no thread can use any more. Call it when threads have answered, or died. */
  collect(): void {
    this.#epochs.collect();
    while (this.#outdated.length > 0 && this.#writerIsPast(this.#outdated[0])) {
      this.unpin((this.#outdated.shift() as OutdatedSuperVersion).superVersion);
    }
  }

  #writerIsPast({ superVersionEpoch, framesPushed }: OutdatedSuperVersion): boolean {
    if (this.#writer === undefined) return true;
    // Both counters wrap, but their differences do not.
    if (((this.#writer.framesCompleted - framesPushed) | 0) >= 0) return true;
    // Acquire: the writer stored the count after it had read through an older super-version for the last time.
    return ((Atomics.load(this.#words, ControlWord.writerSuperVersionEpoch) - superVersionEpoch) | 0) >= 0;
  }

  /** Keeps the super-version of a snapshot for a request that is in no ring yet. */
  hold(superVersion: SuperVersion): void {
    superVersion.pins++;
  }

  /** Ends a `hold` once the requests that are in the rings now are answered. */
  letGoOnceAsked(superVersion: SuperVersion): void {
    this.#epochs.retire(() => this.unpin(superVersion));
  }

  /** Tells a thread that has just started everything that requests to it may name. */
  link(link: { post(message: WorkerMessage): void }): void {
    this.#links.push(link);
    if (this.#late.length === 0) this.#tellAll(link);
  }

  #tellAll(link: { post(message: WorkerMessage): void }): void {
    let added = [...this.#readers.values()].map((reader) => reader.handle);
    for (const superVersion of this.#live) {
      link.post(message(superVersion, added, superVersion === this.#current));
      added = [];
    }
    this.#announce();
  }

  unlink(link: { post(message: WorkerMessage): void }): void {
    const index = this.#links.indexOf(link);
    if (index >= 0) this.#links.splice(index, 1);
  }

  announceArena(index: number, arena: SharedArrayBuffer): void {
    this.#post({ type: 'arena', index, arena });
  }

  pin(): SuperVersion {
    this.#current.pins++;
    return this.#current;
  }

  unpin(superVersion: SuperVersion): void {
    if (--superVersion.pins > 0) return;
    this.#live.delete(superVersion);
    this.#post({ type: 'forget', id: superVersion.tables.id });
    let oldest = Number.MAX_SAFE_INTEGER;
    const used = new Set<number>();
    for (const { tables } of this.#live) {
      oldest = Math.min(oldest, tables.oldestGeneration);
      for (const readers of [...tables.levels, tables.quarantine])
        for (const reader of readers) used.add(reader.metadata.id);
    }
    for (const [id, reader] of this.#readers) {
      if (used.has(id)) continue;
      this.#readers.delete(id);
      this.#events.onTableUnused(reader.handle);
    }
    this.#events.onGenerationsUnused(oldest);
  }

  #post(posted: WorkerMessage): void {
    for (const link of this.#links) link.post(posted);
    this.#announce();
  }

  #announce(): void {
    // After the messages are posted, before any command that needs them: see SuperVersionTracker.
    Atomics.add(this.#words, ControlWord.superVersionEpoch, 1);
  }
}

function message(
  superVersion: SuperVersion,
  added: readonly TableHandle[],
  isCurrent: boolean,
): WorkerMessage {
  return {
    type: 'superVersion',
    id: superVersion.tables.id,
    oldestGeneration: superVersion.tables.oldestGeneration,
    levels: superVersion.version.levels.map((tables) => tables.map((table) => table.id)),
    quarantine: superVersion.version.quarantine.map((table) => table.id),
    added,
    isCurrent,
  };
}
