import type { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import type { EngineOptions } from '../options.ts';
import { createMemtableSlots, isMostlyPurgeable, type MemtableView } from '../slots/memtable-slots.ts';
import type { SlotJobResult, SlotJobSpec } from '../slots/slot-job.ts';
import { SlotSet } from '../slots/slot-set.ts';
import type { SlotVersions } from '../slots/slot-versions.ts';
import { isDamage } from '../sstable/damage.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import type { Executor } from '../threads/executor.ts';
import { toLsmError } from '../threads/protocol/errors.ts';
import type { Arenas } from './arenas.ts';
import { KeptDigests } from './kept-digests.ts';
import { LostWatch } from './lost-watch.ts';
import type { KeyedRecord } from './sinks.ts';
import { DigestsAsk, LostAsk, RecordsAsk, VersionsAsk } from './slot-asks.ts';
import type { SuperVersion, SuperVersions } from './super-versions.ts';

/** A job of so many rows takes some tens of milliseconds; memtables that it reads cannot be reused meanwhile. */
const MAX_JOB_ROWS = 400_000;

interface SlotKeeperParts {
  readonly options: EngineOptions;
  readonly fingerprintSeed: HashSeed;
  readonly control: SharedArrayBuffer;
  readonly executor: Pick<Executor, 'runSlots'>;
  readonly superVersions: Pick<SuperVersions, 'current' | 'pin' | 'unpin'>;
  readonly arenas: Arenas;
  /** Something of a table in use cannot be read. */
  readonly onDamage: (error: LsmError) => void;
  /** Everything that this table in quarantine holds is in other tables, too. */
  readonly onHealed: (tableId: number) => void;
  /**
   * Deletions that were lost, made again: to be put. Resolves to whether that has changed anything; rejects when they
   * cannot be.
   */
  readonly onDeletions: (deletions: readonly KeyedRecord[]) => Promise<boolean>;
  /** All that can be healed is in memtables: once these are in tables, tables in quarantine may go. */
  readonly onFlushWanted: () => void;
}

/** What a job has looked at: memtables from the oldest one up to an offset of the newest one. */
interface Looked {
  readonly oldest: number;
  readonly generation: number;
  readonly offset: number;
}

/**
 * Answers what is asked of slots. It runs on the main thread and only decides; jobs in the background look, one at a
 * time, each of a bounded size, and what waits meanwhile is asked together by the next.
 *
 * Digests are kept. What changes them is a new version of a key. It comes by way of a memtable, and each job begins with a
 * look at the entries that have come since the one before, or as a record from outside, of which `changed` hears. A memtable that is flushed before anybody has
 * looked at the end of it says then which slots it has. Flush and compaction move versions and change none, but for
 * what they purge, which watermarks say, values that have expired, and what they could not read.
 */
export class SlotKeeper {
  readonly #parts: SlotKeeperParts;
  readonly #watermarks: Float64Array | null;
  readonly #kept = new KeptDigests();
  /** Beside each arena, what is known of the slots of its memtable. */
  #memtableSlots = new WeakMap<SharedArrayBuffer, SharedArrayBuffer>();
  #asks: AnyAsk[] = [];
  /** Up to where a job has looked: nothing before it is unknown to the digests that are kept. */
  #lookedAt: Looked | undefined;
  /** What was flushed while a job runs: it may not have seen it. */
  readonly #flushedMeanwhile: { readonly generation: number; readonly slots: Uint8Array }[] = [];
  /** Tables whose slot versions are damaged. */
  readonly #damaged = new Set<number>();
  readonly #lost: LostWatch;
  /** How many of the next asks are to be asked alone, as one of those that were asked together has failed. */
  #alone = 0;
  #running: Promise<void> | undefined;
  #closed: LsmError | undefined;

  constructor(parts: SlotKeeperParts) {
    this.#parts = parts;
    const { watermarks } = parts.options;
    this.#watermarks = watermarks === null ? null : new Float64Array(watermarks);
    this.#lost = new LostWatch(parts.fingerprintSeed, this.#watermarks === null, {
      look: (slots) => this.#ask(new LostAsk(slots, undefined)),
      onHealed: parts.onHealed,
      onFlushWanted: parts.onFlushWanted,
    });
  }

  /** Finds out what tables in quarantine have that is nowhere else: those of the opening, and those that come to it. */
  quarantineChanged(): void {
    this.#lost.quarantineChanged(this.#parts.superVersions.current.quarantine);
  }

  digests(slots: Uint16Array, minFroms: Uint8Array, signal: AbortSignal | undefined): Promise<Uint32Array> {
    const ask = new DigestsAsk(slots, minFroms, signal);
    this.#kept.addColumns(ask.minFroms);
    if (!ask.isOver && this.#isUpToDate) ask.fill(this.#readKept);
    return this.#ask(ask);
  }

  versions(slot: number, signal: AbortSignal | undefined): Promise<SlotVersions> {
    return this.#ask(new VersionsAsk(slot, signal));
  }

  records(
    slot: number,
    fingerprints: Uint32Array,
    maxBytes: number,
    signal: AbortSignal | undefined,
  ): Promise<KeyedRecord[]> {
    return this.#ask(new RecordsAsk(slot, fingerprints, maxBytes, signal));
  }

  /** No version of the slot with a larger timestamp is lost by damage and not healed; 0: none is. */
  lostTo(slot: number): number {
    return this.#lost.lostTo(slot);
  }

  /** Looks what is lost in these slots now: see lostTo. */
  async lookForLost(slots: Uint16Array, signal: AbortSignal | undefined): Promise<void> {
    if (this.#lost.isEmpty) return;
    const asked = new SlotSet();
    for (const slot of slots) asked.add(slot);
    await this.#ask(new LostAsk(asked, signal));
  }

  /** How often something has come to be lost since the opening. */
  get losses(): number {
    return this.#lost.losses;
  }

  /** Versions that are lost by damage, as far as it is known. */
  get lostRecords(): number {
    return this.#lost.records;
  }

  /** Tables in quarantine of which nothing says what they hold. */
  get unknownTables(): number {
    return this.#lost.unknownTables;
  }

  /**
   * All owners of these slots were asked for what is lost: none has what is lost up to the watermark, so that it was
   * deleted or has expired, and was purged.
   */
  giveUpPurged(slots: Uint16Array): void {
    if (!this.#lost.isEmpty) this.#kept.forget(this.#lost.giveUpPurged(slots).bytes);
  }

  /** Of the private records that are lost by now, those that are needed were written anew. */
  giveUpPrivate(): void {
    this.#lost.giveUpPrivate();
  }

  /** Something may have been healed: looks at everything that is not. */
  checkLost(): void {
    this.#lost.check();
  }

  /** Whether it makes a difference to `flushed` which slots a memtable has: else nobody need find out. */
  get usesFlushedSlots(): boolean {
    return !this.#kept.isEmpty || this.#lost.usesWritten;
  }

  /** A memtable is in tables now. @param slots those that it has, and maybe others, by SlotSet */
  flushed(generation: number, slots: Uint8Array): void {
    this.#lost.flushed(slots);
    if (this.#running !== undefined) this.#flushedMeanwhile.push({ generation, slots });
    this.#noteFlushed(generation, slots);
  }

  /**
   * Records from outside are in tables, which no memtable had, or values have expired and are gone or deletions now.
   * @param slots those of their keys, by SlotSet
   */
  changed(slots: Uint8Array): void {
    this.#lost.written(slots);
    this.#kept.forget(slots);
    // A job that runs has not seen them.
    if (this.#running !== undefined)
      this.#flushedMeanwhile.push({ generation: Number.POSITIVE_INFINITY, slots });
  }

  /** Something of a table could not be read, and is missing now. */
  lost(): void {
    this.#kept.forgetAll();
    // A job that runs may have seen it.
    if (this.#running !== undefined)
      this.#flushedMeanwhile.push({ generation: Number.POSITIVE_INFINITY, slots: SlotSet.every().bytes });
    this.quarantineChanged();
  }

  /** Whether the active memtable, as far as a job has looked, is mostly of what may be purged one day. */
  get isMemtablePurgeable(): boolean {
    const { arenas } = this.#parts;
    const slots = this.#memtableSlots.get(arenas.memory(arenas.activeGeneration));
    return slots !== undefined && isMostlyPurgeable(slots, arenas.activeGeneration);
  }

  /** Rejects everything; resolves when no job runs. Running jobs must have been told to give up. */
  async close(error: LsmError): Promise<void> {
    this.#closed = error;
    for (const ask of this.#asks) if (!ask.isOver) ask.reject(error);
    await this.#running;
  }

  #ask<Answer>(ask: AnyAsk & { readonly promise: Promise<Answer> }): Promise<Answer> {
    if (!ask.isOver && this.#closed !== undefined) ask.reject(this.#closed);
    if (ask.isOver) return ask.promise;
    this.#asks.push(ask);
    this.#running ??= this.#run();
    return ask.promise;
  }

  async #run(): Promise<void> {
    // What is asked in one turn is asked together.
    await Promise.resolve();
    for (;;) {
      this.#asks = this.#asks.filter((ask) => !ask.isOver);
      if (this.#asks.length === 0 || this.#closed !== undefined) {
        // In the same turn as the look: who asks next finds that nobody runs.
        this.#running = undefined;
        return;
      }
      // Not those that come while the job runs: it may not have seen what was written before they came.
      const asks = this.#asks.slice(0, this.#alone > 0 ? 1 : undefined);
      this.#alone = Math.max(0, this.#alone - 1);
      await this.#runJob(asks);
    }
  }

  #putDeletions(deletions: readonly KeyedRecord[]): void {
    this.#parts.onDeletions(deletions).then(
      // Where nothing has changed another look would find the same: a private one counts as lost until it is in a table,
      // and one that can be read again after all stands in the way of its own copy.
      (isAny) => {
        if (isAny) this.checkLost();
      },
      // They are found again when somebody looks next.
      () => undefined,
    );
  }

  async #runJob(asks: readonly AnyAsk[]): Promise<void> {
    const { control, executor, superVersions } = this.#parts;
    const superVersion = superVersions.pin();
    let tables: readonly TableHandle[] = [];
    try {
      const memtables = this.#views(superVersion);
      const records = asks.filter((ask) => ask instanceof RecordsAsk).sort((a, b) => a.slot - b.slot);
      const spec = this.#spec(superVersion, memtables, asks, records);
      tables = spec.tables;
      const oldest = memtables[0].generation;
      const { generation, limit } = memtables[memtables.length - 1];
      const result = await executor.runSlots({ spec, control });
      this.#lookedAt = { oldest, generation, offset: limit };
      this.#take(spec, result);
      this.#answer(spec, result, asks, records);
      if (result.deletions.length > 0) this.#putDeletions(result.deletions);
      this.#lost.lookForHealed();
    } catch (error) {
      this.#failed(toLsmError(error, 'look at slots'), asks, tables);
    } finally {
      this.#flushedMeanwhile.length = 0;
      superVersions.unpin(superVersion);
    }
  }

  /** Whether nothing has been written since a job has looked. */
  get #isUpToDate(): boolean {
    const { arenas } = this.#parts;
    const { activeGeneration } = arenas;
    if (this.#lookedAt?.generation !== activeGeneration) return false;
    return this.#lookedAt.offset === arenas.memtable(activeGeneration).publishedOffset;
  }

  readonly #readKept = (slot: number, minFrom: number, target: Uint32Array, at: number): boolean =>
    this.#kept.read(slot, minFrom, this.#watermarkOf(slot), target, at);

  /** The largest timestamp of the slot with which a tombstone may have been purged. */
  #watermarkOf(slot: number): number {
    const least = this.#parts.options.dropTombstonesBelow - 1;
    return this.#watermarks === null ? least : Math.max(least, this.#watermarks[slot]);
  }

  #watermarksOf(slots: Uint16Array): Float64Array {
    const watermarks = new Float64Array(slots.length);
    for (let index = 0; index < slots.length; index++) watermarks[index] = this.#watermarkOf(slots[index]);
    return watermarks;
  }

  /** The memtables of a super-version, the oldest first, each up to where it is visible now. */
  #views({ tables }: SuperVersion): MemtableView[] {
    const { arenas } = this.#parts;
    const { activeGeneration } = arenas;
    const views: MemtableView[] = [];
    for (let generation = tables.oldestGeneration; generation <= activeGeneration; generation++) {
      const arena = arenas.memory(generation);
      const limit = arenas.memtable(generation).publishedOffset;
      let slots = this.#memtableSlots.get(arena);
      if (slots === undefined) {
        slots = createMemtableSlots(arena.byteLength);
        this.#memtableSlots.set(arena, slots);
      }
      views.push({ generation, arena, limit, slots });
    }
    return views;
  }

  #spec(
    { tables }: SuperVersion,
    memtables: readonly MemtableView[],
    asks: readonly AnyAsk[],
    records: readonly RecordsAsk[],
  ): SlotJobSpec {
    const all = new SlotSet();
    const digested = new SlotSet();
    const unknown = new SlotSet();
    const listed = asks.some((ask) => ask instanceof VersionsAsk) ? new SlotSet() : NO_SLOT;
    const checked = asks.some((ask) => ask instanceof LostAsk) ? new SlotSet() : NO_SLOT;
    for (const ask of asks) {
      if (ask instanceof DigestsAsk) {
        for (let index = 0; index < ask.slots.length; index++) {
          const slot = ask.slots[index];
          if (!ask.isMissing(index)) continue;
          all.add(slot);
          digested.add(slot);
          if (!this.#kept.isKnown(slot, ask.minFroms[index], this.#watermarkOf(slot))) unknown.add(slot);
        }
      } else if (ask instanceof LostAsk) {
        for (const slot of ask.left.slots()) {
          all.add(slot);
          checked.add(slot);
        }
      } else {
        all.add(ask.slot);
        if (ask instanceof VersionsAsk) listed.add(ask.slot);
      }
    }
    const slots = all.slots();
    return {
      // What a table in quarantine holds cannot be read as a whole, so none of it counts as being here, but as lost.
      tables: tables.levels.flatMap((readers) => readers.map(({ handle }) => handle)).filter(isReadable),
      quarantine: this.#lost.quarantine,
      givenUp: this.#lost.givenUp,
      arePrivateGivenUp: this.#lost.arePrivateGivenUp,
      checked: checked.bytes,
      scanned: [...this.#damaged],
      memtables,
      seed: this.#parts.fingerprintSeed,
      maxOpenFiles: this.#parts.options.maxOpenFilesPerThread,
      slots,
      watermarks: this.#watermarksOf(slots),
      digested: digested.bytes,
      unknown: unknown.bytes,
      minFroms: this.#kept.minFroms,
      listed: listed.bytes,
      records: records.map(({ slot, fingerprints, maxBytes }) => ({ slot, fingerprints, maxBytes })),
      maxRows: MAX_JOB_ROWS,
    };
  }

  #take({ minFroms }: SlotJobSpec, { changed, digested, lost, nextPurges, sums }: SlotJobResult): void {
    this.#lost.take(lost);
    this.#kept.forget(changed);
    this.#kept.keep(digested, minFroms, sums, nextPurges);
    for (const { generation, slots } of this.#flushedMeanwhile) this.#noteFlushed(generation, slots);
    // Digests that were made before do not have what is known of it now.
    if (lost.some(({ has, isUnknown }) => isUnknown || has !== null)) this.#kept.forgetAll();
  }

  /**
   * Forgets the digests of slots that a flushed memtable has, unless the last job has looked at all of it: a job may
   * have begun with its tables, and ended, before the flush says so.
   */
  #noteFlushed(generation: number, slots: Uint8Array): void {
    const looked = this.#lookedAt;
    if (looked !== undefined && looked.oldest <= generation && generation < looked.generation) return;
    this.#kept.forget(slots);
  }

  #answer(
    spec: SlotJobSpec,
    result: SlotJobResult,
    asks: readonly AnyAsk[],
    records: readonly RecordsAsk[],
  ): void {
    const listed = new SlotSet(spec.listed);
    const listedSlots = spec.slots.subarray(0, result.done).filter((slot) => listed.has(slot));
    const versionsOf = new Map([...listedSlots].map((slot, index) => [slot, result.versions[index]]));
    for (const ask of asks) {
      if (ask.isOver) continue;
      if (ask instanceof DigestsAsk) ask.fill(this.#readKept);
      else if (ask instanceof LostAsk) ask.looked(spec.slots.subarray(0, result.done));
      else if (ask instanceof VersionsAsk) {
        const versions = versionsOf.get(ask.slot);
        if (versions !== undefined) ask.resolve(versions);
      }
    }
    for (const [index, found] of result.records.entries()) {
      const ask = records[index];
      if (!ask.isOver) ask.resolve(found);
    }
  }

  #failed(error: LsmError, asks: readonly AnyAsk[], tables: readonly TableHandle[]): void {
    // The job may have looked at entries without having said so.
    this.#kept.forgetAll();
    this.#lookedAt = undefined;
    // A thread that died may have left it half written.
    if (error.code === 'WORKER_DIED') this.#memtableSlots = new WeakMap();
    const table = tables.find(({ path }) => path === error.file);
    if (isDamage(error) && table !== undefined) {
      this.#parts.onDamage(error);
      // The same is in its entries.
      if (isInSlotVersions(table, error.offset) && !this.#damaged.has(table.metadata.id)) {
        this.#damaged.add(table.metadata.id);
        return;
      }
    }
    if (asks.length > 1) this.#alone = asks.length;
    else for (const ask of asks) if (!ask.isOver) ask.reject(error);
  }
}

type AnyAsk = DigestsAsk | VersionsAsk | RecordsAsk | LostAsk;

/** It stays empty: most jobs have no versions to list and nothing that is lost to look for. */
const NO_SLOT = new SlotSet();

function isReadable({ fault }: TableHandle): boolean {
  return fault === null;
}

function isInSlotVersions({ slots }: TableHandle, offset: number | undefined): boolean {
  if (slots === null || offset === undefined) return false;
  return offset >= slots.offset && offset < slots.offset + slots.lengthBytes;
}
