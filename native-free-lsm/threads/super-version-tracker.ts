import { Memtable } from '../memtable/memtable.ts';
import { ControlWord } from '../shared/control.ts';
import type { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { TableReader } from '../sstable/table-reader.ts';
import { TableSet } from '../sstable/table-set.ts';
import type { WorkerMessage } from './protocol/posted-messages.ts';

/** Takes the next control message of a pool thread, without blocking. */
export type Inbox = () => WorkerMessage | undefined;

/**
 * The super-versions and arenas of a pool thread, brought up to date from its inbox. Main posts a message, then counts
 * up superVersionEpoch, then publishes the command that needs the message. So a thread that looks at the epoch after it
 * has seen a command has every super-version that the command may name.
 */
export class SuperVersionTracker {
  readonly #words: Int32Array;
  readonly #inbox: Inbox;
  readonly #descriptors: DescriptorCache;
  readonly #sets = new Map<number, TableSet>();
  readonly #tables = new Map<number, TableReader>();
  readonly #memtables: Memtable[] = [];
  #seenEpoch = -1;
  #latest = new TableSet(-1, 0, []);

  constructor(
    control: SharedArrayBuffer,
    arenas: readonly SharedArrayBuffer[],
    inbox: Inbox,
    descriptors: DescriptorCache,
  ) {
    this.#words = new Int32Array(control);
    this.#inbox = inbox;
    this.#descriptors = descriptors;
    for (const arena of arenas) this.#memtables.push(new Memtable(arena));
  }

  /** The count of control messages that have all arrived. */
  get seenEpoch(): number {
    return this.#seenEpoch;
  }

  /** The tables of the newest super-version that has arrived. */
  get latest(): TableSet {
    return this.#latest;
  }

  refresh(): void {
    // The epoch is loaded before the inbox is emptied: a message that is posted later is found at the next refresh.
    const epoch = Atomics.load(this.#words, ControlWord.superVersionEpoch);
    if (epoch === this.#seenEpoch) return;
    this.#seenEpoch = epoch;
    for (let message = this.#inbox(); message !== undefined; message = this.#inbox()) this.#take(message);
  }

  tables(id: number): TableSet | undefined {
    return this.#sets.get(id);
  }

  memtable(arena: number): Memtable {
    return this.#memtables[arena];
  }

  #take(message: WorkerMessage): void {
    if (message.type === 'arena') {
      this.#memtables[message.index] = new Memtable(message.arena);
      return;
    }
    if (message.type === 'forget') {
      this.#sets.delete(message.id);
      this.#dropUnusedTables();
      return;
    }
    for (const handle of message.added) {
      this.#tables.set(handle.metadata.id, new TableReader(handle));
    }
    const readersOf = (ids: readonly number[]): TableReader[] =>
      ids.map((id) => this.#tables.get(id) as TableReader);
    const levels = message.levels.map(readersOf);
    const set = new TableSet(message.id, message.oldestGeneration, levels, readersOf(message.quarantine));
    this.#sets.set(set.id, set);
    if (message.isCurrent) this.#latest = set;
  }

  #dropUnusedTables(): void {
    const used = new Set<number>();
    for (const set of this.#sets.values()) {
      for (const readers of [...set.levels, set.quarantine])
        for (const reader of readers) used.add(reader.metadata.id);
    }
    for (const id of this.#tables.keys()) {
      if (used.has(id)) continue;
      this.#tables.delete(id);
      this.#descriptors.forget(id);
    }
  }
}
