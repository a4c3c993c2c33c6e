import { ControlWord } from '../shared/control.ts';
import type { EpochDomain } from '../shared/epochs.ts';
import type { RingProducer } from '../shared/ring.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { TableReader } from '../sstable/table-reader.ts';
import { TableView } from '../sstable/table-view.ts';
import type { WorkerMessage } from '../threads/messages.ts';
import type { Version } from '../version/version.ts';

/** A view with the number of those who still need it: itself while current, commands in rings, snapshots. */
export interface PinnedView {
  readonly table: TableView;
  readonly version: Version;
  pins: number;
}

export interface ViewEvents {
  /** No view needs the table any more: its file may go. */
  onTableUnused(handle: TableHandle): void;
  /** No view needs memtables below this generation. */
  onGenerationsUnused(below: number): void;
}

interface OutdatedView {
  readonly view: PinnedView;
  /** Once the writer thread has followed so far it uses a newer one. */
  readonly viewEpoch: number;
  /** Once it has released so many frames it uses none, and the next it uses is a newer one. */
  readonly framesPushed: number;
}

/**
 * The views of one engine, on the main thread: makes the current one from a version, tells the pool threads,
 * and lets go of a view once nothing names it any more.
 *
 * Readers hold a view as long as commands that name it are in their rings (see EpochDomain). The writer only ever
 * uses the latest it has heard of; were it to hold views by its ring too, it could wait for a memtable that is
 * free only after what stands in its ring behind.
 */
export class Views {
  readonly #words: Int32Array;
  readonly #epochs: EpochDomain;
  readonly #events: ViewEvents;
  readonly #links: { post(message: WorkerMessage): void }[] = [];
  readonly #readers = new Map<number, TableReader>();
  readonly #live = new Set<PinnedView>();
  readonly #outdated: OutdatedView[] = [];
  #writer: RingProducer | undefined;
  #current: PinnedView;
  #nextId = 1;

  constructor(control: SharedArrayBuffer, epochs: EpochDomain, version: Version, events: ViewEvents) {
    this.#words = new Int32Array(control);
    this.#epochs = epochs;
    this.#events = events;
    this.#current = { table: new TableView(0, 0, []), version, pins: 1 };
    this.#live.add(this.#current);
  }

  get current(): TableView {
    return this.#current.table;
  }

  get version(): Version {
    return this.#current.version;
  }

  handle(tableId: number): TableHandle {
    return (this.#readers.get(tableId) as TableReader).handle;
  }

  /** Replaces the current view. Commands already in a ring keep the old one until they are answered. */
  install(version: Version, oldestGeneration: number, added: readonly TableHandle[]): void {
    for (const handle of added) this.#readers.set(handle.metadata.id, new TableReader(handle));
    const readersOf = (tables: readonly TableMetadata[]): TableReader[] =>
      tables.map((table) => this.#readers.get(table.id) as TableReader);
    const levels = version.levels.map(readersOf);
    const quarantine = readersOf(version.quarantine);
    const previous = this.#current;
    const table = new TableView(this.#nextId++, oldestGeneration, levels, quarantine);
    this.#current = { table, version, pins: 1 };
    this.#live.add(this.#current);
    this.#post(message(this.#current, added));
    // Main alone writes it: this is the count that came with the message above.
    const viewEpoch = Atomics.load(this.#words, ControlWord.viewEpoch);
    const framesPushed = this.#writer?.framesPushed ?? 0;
    this.#epochs.retire(() => this.#outdated.push({ view: previous, viewEpoch, framesPushed }));
    this.collect();
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

  /** Lets go of what no thread can use any more: to be called when threads have answered, or died. */
  collect(): void {
    this.#epochs.collect();
    while (this.#outdated.length > 0 && this.#writerIsPast(this.#outdated[0])) {
      this.unpin((this.#outdated.shift() as OutdatedView).view);
    }
  }

  #writerIsPast({ viewEpoch, framesPushed }: OutdatedView): boolean {
    if (this.#writer === undefined) return true;
    // Both counters wrap; their differences do not.
    if (((this.#writer.framesCompleted - framesPushed) | 0) >= 0) return true;
    // Acquire: what the writer read by way of an older view it had read before it stored the count.
    return ((Atomics.load(this.#words, ControlWord.writerViewEpoch) - viewEpoch) | 0) >= 0;
  }

  /** Keeps the view of a snapshot for a request that is in no ring yet. */
  hold(view: PinnedView): void {
    view.pins++;
  }

  /** Ends a `hold` once what is in the rings now is answered. */
  letGoOnceAsked(view: PinnedView): void {
    this.#epochs.retire(() => this.unpin(view));
  }

  /** Tells a thread that has just started all that it may be asked about. */
  link(link: { post(message: WorkerMessage): void }): void {
    this.#links.push(link);
    let added = [...this.#readers.values()].map((reader) => reader.handle);
    for (const view of this.#live) {
      link.post(message(view, added));
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

  pin(): PinnedView {
    this.#current.pins++;
    return this.#current;
  }

  unpin(view: PinnedView): void {
    if (--view.pins > 0) return;
    this.#live.delete(view);
    this.#post({ type: 'forget', id: view.table.id });
    let oldest = Number.MAX_SAFE_INTEGER;
    const used = new Set<number>();
    for (const { table } of this.#live) {
      oldest = Math.min(oldest, table.oldestGeneration);
      for (const readers of [...table.levels, table.quarantine])
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
    // After the messages are posted, before any command that needs them: see ViewTracker.
    Atomics.add(this.#words, ControlWord.viewEpoch, 1);
  }
}

function message(view: PinnedView, added: readonly TableHandle[]): WorkerMessage {
  return {
    type: 'view',
    id: view.table.id,
    oldestGeneration: view.table.oldestGeneration,
    levels: view.version.levels.map((tables) => tables.map((table) => table.id)),
    quarantine: view.version.quarantine.map((table) => table.id),
    added,
  };
}
