import { hasHiddenTable } from '../compaction/hidden-tables.ts';
import {
  type CompactionTask,
  type PickerOptions,
  pickCompaction,
  pickPurge,
  pickRewrite,
} from '../compaction/picker.ts';
import { isWorthPurging, mayBeWorthPurging, worthDroppingFromMs } from '../compaction/purgeable.ts';
import type { EngineOptions } from '../options.ts';
import type { SlotSectionHead } from '../sstable/slot-section-format.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import type { CompactionRetry } from './compaction-retry.ts';
import type { DamagedTables } from './damaged-tables.ts';
import type { SuperVersions } from './super-versions.ts';

interface DueCompactionsParts {
  readonly options: EngineOptions;
  readonly superVersions: SuperVersions;
  readonly expiryNowMs: () => number;
  readonly damagedTables: DamagedTables;
  readonly retry: CompactionRetry;
  /** As of maintenance.ts. */
  readonly awaitsBatch: () => boolean;
}

/**
 * Which compaction is to run next: one that the shape of the tree asks for, then one that rewrites a damaged table, then
 * one that purges, frees the room of a range that was deleted, or drops values that have expired. No two that run have a
 * table in common.
 */
export class DueCompactions {
  readonly #parts: DueCompactionsParts;
  /** Tables of compactions that run. */
  readonly #busyTables = new Set<number>();
  /** Tables may have deletions that can go. */
  #mayPurge = false;
  /** By the head of a table's slot versions. */
  readonly #droppingFromMs = new WeakMap<SlotSectionHead, number>();

  constructor(parts: DueCompactionsParts) {
    this.#parts = parts;
  }

  /**
   * @param running how many run
   * @param isFull whether everything is wanted in the last level
   */
  next(running: number, isFull: boolean): CompactionTask | null {
    const { options, retry, superVersions } = this.#parts;
    const pickerOptions = {
      l0Trigger: isFull ? 1 : options.l0CompactionTables,
      baseLevelBytes: isFull ? Number.POSITIVE_INFINITY : options.baseLevelBytes,
      levelMultiplier: options.levelMultiplier,
      maxTaskBytes: options.maxCompactionBytes,
    };
    const pick = (heldTables: ReadonlySet<number>): CompactionTask | null =>
      pickCompaction(superVersions.version, this.#busyTables, pickerOptions, heldTables);
    const shaping = retry.pick(pick) ?? this.#pickRewrite(pickerOptions);
    // The others are for what can be dropped, and now nothing is.
    if (shaping !== null || this.#parts.awaitsBatch()) return shaping;
    return (
      this.#pickPurge(pickerOptions, running) ??
      this.#pickHole(pickerOptions, running) ??
      this.#pickExpired(pickerOptions, running, isFull)
    );
  }

  /** When the next table will be worth a rewrite for what has expired in it, in ms since the Unix epoch. */
  get nextExpiredMs(): number {
    const { superVersions } = this.#parts;
    if (!this.#dropsExpired) return Number.POSITIVE_INFINITY;
    const nowMs = this.#parts.expiryNowMs();
    let next = Number.POSITIVE_INFINITY;
    for (const tables of superVersions.version.levels) {
      for (const table of tables) {
        const fromMs = this.#worthDroppingFromMs(table);
        if (fromMs > nowMs && fromMs < next) next = fromMs;
      }
    }
    return next;
  }

  begun({ inputs, overlapping }: CompactionTask): void {
    for (const { id } of [...inputs, ...overlapping]) this.#busyTables.add(id);
  }

  ended({ inputs, overlapping }: CompactionTask): void {
    for (const { id } of [...inputs, ...overlapping]) this.#busyTables.delete(id);
  }

  /** Watermarks were raised, so there may be something to purge. */
  watermarksRaised(): void {
    this.#mayPurge = true;
  }

  #pickRewrite(options: PickerOptions): CompactionTask | null {
    const { damagedTables, retry, superVersions } = this.#parts;
    const { hasSuspects, isSuspected } = damagedTables;
    if (!hasSuspects) return null;
    const { version } = superVersions;
    return retry.pick((held) => pickRewrite(version, this.#busyTables, options, isSuspected, held));
  }

  /** One at a time, as nobody waits for it. */
  #pickPurge(options: PickerOptions, running: number): CompactionTask | null {
    const { damagedTables, retry, superVersions } = this.#parts;
    const { watermarks } = this.#parts.options;
    if (!this.#mayPurge || watermarks === null || running > 0) return null;
    const timestamps = new Float64Array(watermarks);
    const nowMs = this.#parts.expiryNowMs();
    const isPurgeable = (table: TableMetadata): boolean => {
      const { slots } = superVersions.handle(table.id);
      // Of a damaged table nothing is dropped.
      if (damagedTables.among([table]).length > 0) return false;
      return slots === null
        ? mayBeWorthPurging(table, timestamps)
        : isWorthPurging(slots.head, timestamps, nowMs);
    };
    const task = retry.pick((held) =>
      pickPurge(superVersions.version, this.#busyTables, options, isPurgeable, held),
    );
    // While others wait after a failure, which may have been of a purge, none was looked for.
    this.#mayPurge = task !== null || retry.pending;
    return task;
  }

  /**
   * A range tombstone is small, so no level is too full by it, and what it hides could stay for ever: one below which a
   * whole table is hidden is brought down to it. One at a time, as nobody waits for it.
   */
  #pickHole(options: PickerOptions, running: number): CompactionTask | null {
    const { damagedTables, retry, superVersions } = this.#parts;
    const { current, version } = superVersions;
    if (running > 0 || current.ranged === null) return null;
    const hides = (table: TableMetadata): boolean =>
      table.rangeTombstones !== undefined &&
      damagedTables.among([table]).length === 0 &&
      hasHiddenTable(version, table, superVersions.ranges(table.id));
    return retry.pick((held) => pickPurge(version, this.#busyTables, options, hides, held));
  }

  /** Where there are watermarks, their owner says when something may go. */
  get #dropsExpired(): boolean {
    const { dropTombstonesBelow, watermarks } = this.#parts.options;
    return watermarks === null && dropTombstonesBelow > 0;
  }

  /** One at a time, as nobody waits for it; with `isFull` every table in which anything has expired. */
  #pickExpired(options: PickerOptions, running: number, isFull: boolean): CompactionTask | null {
    const { damagedTables, expiryNowMs, retry, superVersions } = this.#parts;
    if (running > 0 || !(isFull || this.#dropsExpired)) return null;
    const nowMs = expiryNowMs();
    const isDue = (table: TableMetadata): boolean => {
      if (table.smallestExpiryMs === 0 || table.smallestExpiryMs > nowMs) return false;
      if (!isFull && this.#worthDroppingFromMs(table) > nowMs) return false;
      return damagedTables.among([table]).length === 0;
    };
    return retry.pick((held) => pickPurge(superVersions.version, this.#busyTables, options, isDue, held));
  }

  #worthDroppingFromMs({ id, smallestExpiryMs }: TableMetadata): number {
    if (smallestExpiryMs === 0) return Number.POSITIVE_INFINITY;
    const { slots } = this.#parts.superVersions.handle(id);
    if (slots === null) return Number.POSITIVE_INFINITY;
    let fromMs = this.#droppingFromMs.get(slots.head);
    if (fromMs === undefined) {
      fromMs = worthDroppingFromMs(slots.head);
      this.#droppingFromMs.set(slots.head, fromMs);
    }
    return fromMs;
  }
}
