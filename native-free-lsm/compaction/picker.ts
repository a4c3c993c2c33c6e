import type { TableMetadata } from '../sstable/table-metadata.ts';
import { compareKeys, LEVELS, overlaps, type Version } from '../version/version.ts';

/**
 * Chooses the next compaction: a pure function of a version. It follows LevelDB's leveled compaction, but derives the
 * sizes of levels from the bottom up (Dong et al., "Optimizing Space Amplification in RocksDB", CIDR 2017): see
 * `levelTargets`.
 *
 * Reads rely on this invariant: of two tables that hold a key, the one in the upper level, or in level 0 the one with
 * the larger id, has the newer version. So nothing may move down past an older table that it overlaps. A table of level
 * 0 takes every older one that it overlaps with it, and stops at the first level that is not empty. In the levels
 * below, tables are disjoint.
 *
 * Several tasks may run at once. A task out of level 0 excludes any other out of level 0; below it, tasks exclude each
 * other when they share a table. That is enough to keep their outputs from overlapping: an output holds only keys of
 * its task's own tables, and a task has all tables of the output level that overlap its range.
 */
export interface CompactionTask {
  readonly inputLevel: number;
  readonly outputLevel: number;
  /**
   * The tables of the input level, newest first: several of level 0, or one of another level. It may be the output level
   * too: then the table is rewritten.
   */
  readonly inputs: readonly TableMetadata[];
  /** All tables of the output level that overlap the range of the inputs, in key order. */
  readonly overlapping: readonly TableMetadata[];
  /** One input that overlaps nothing below: a version edit moves it without rewriting it. */
  readonly trivialMove: boolean;
  /**
   * No table below the output level or in quarantine overlaps the task's range, so nothing older is left of its keys.
   */
  readonly bottommost: boolean;
}

export interface PickerOptions {
  /** Level 0 is compacted once it has this many tables. */
  readonly l0Trigger: number;
  /**
   * The largest size of the base level, into which level 0 is compacted. Infinity: everything goes to the last level.
   */
  readonly baseLevelBytes: number;
  /** How much larger each level is than the one above it. */
  readonly levelMultiplier: number;
  /**
   * How many bytes a task may read; it reads more only when the smallest possible task is larger. For level 0 this
   * bounds only the inputs: the tables of the base level that they overlap are rewritten once however many inputs there
   * are, so more inputs mean less work per byte.
   */
  readonly maxTaskBytes: number;
}

const LAST_LEVEL = LEVELS - 1;
const NO_TABLES: ReadonlySet<number> = new Set();

/**
 * The target size of each level. The last level has no limit and holds nearly everything. From its size the others
 * follow upwards, each smaller by the multiplier, up to the base level, which is the first that is small enough to take
 * level 0. So whatever the size of the data, the levels above the last hold about a ninth of it (with a multiplier of
 * 10), and outdated versions take at most that much room. If sizes were derived from the top down, the last two levels
 * could be of equal size, and half of the room would be wasted.
 *
 * Levels between 0 and the base should be empty: their target is 0. They are not empty when the data has shrunk.
 */
export function levelTargets(version: Version, options: PickerOptions): Float64Array {
  const { baseLevelBytes, levelMultiplier } = options;
  const targets = new Float64Array(LEVELS);
  let bytes = 0;
  for (let level = 1; level < LEVELS; level++) bytes = Math.max(bytes, version.levelBytes(level));
  targets[LAST_LEVEL] = Number.POSITIVE_INFINITY;
  for (let level = LAST_LEVEL - 1; level > 0 && bytes > baseLevelBytes; level--) {
    bytes /= levelMultiplier;
    // A base level much smaller than one compaction of level 0 would be a useless intermediate step.
    targets[level] = Math.max(bytes, baseLevelBytes / levelMultiplier);
  }
  return targets;
}

/** The level into which level 0 is compacted: the base level, or one above it that is not empty yet. */
function levelZeroOutput(version: Version, targets: Float64Array): number {
  for (let level = 1; level < LAST_LEVEL; level++) {
    if (targets[level] > 0 || version.levels[level].length > 0) return level;
  }
  return LAST_LEVEL;
}

/** How full a level is; from 1 on it must be compacted. The last level has no limit. */
export function levelScore(version: Version, level: number, options: PickerOptions): number {
  return scoreOf(version, level, levelTargets(version, options), options);
}

function scoreOf(version: Version, level: number, targets: Float64Array, options: PickerOptions): number {
  const deletedBytes = bytesToFree(version, level);
  if (level === 0) {
    const target = targets[levelZeroOutput(version, targets)];
    const measure = Number.isFinite(target) && target > 0 ? target : version.levelBytes(LAST_LEVEL) / 2;
    return Math.max(
      version.levels[0].length / options.l0Trigger,
      deletedBytes === 0 ? 0 : deletedBytes / measure,
    );
  }
  const bytes = version.levelBytes(level);
  if (bytes === 0) return 0;
  return targets[level] === 0 ? Number.MAX_VALUE : (bytes + deletedBytes) / targets[level];
}

/**
 * An estimate of what the deletions in a level will free in the last one when they reach it, like RocksDB's compensated
 * file sizes. Deletions are small themselves: by their own bytes, even the deletions of all data would not fill a
 * level, and its room would never be freed.
 */
function bytesToFree(version: Version, level: number): number {
  if (level === LAST_LEVEL) return 0;
  let tombstones = 0;
  for (const table of version.levels[level]) tombstones += table.tombstones;
  if (tombstones === 0) return 0;
  let values = 0;
  for (const table of version.levels[LAST_LEVEL]) values += table.entries - table.tombstones;
  // No more can be freed than is there.
  return values === 0 ? 0 : version.levelBytes(LAST_LEVEL) * Math.min(1, tombstones / values);
}

/**
 * The task of the fullest level that has a task whose tables are all idle; null when no level is too full.
 * @param heldTableIds idle tables that must be in no task for now
 */
export function pickCompaction(
  version: Version,
  busyTableIds: ReadonlySet<number>,
  options: PickerOptions,
  heldTableIds: ReadonlySet<number> = NO_TABLES,
): CompactionTask | null {
  const unusable = heldTableIds.size === 0 ? busyTableIds : busyTableIds.union(heldTableIds);
  const targets = levelTargets(version, options);
  const scores = version.levels.map((_, level) => ({
    level,
    score: scoreOf(version, level, targets, options),
  }));
  scores.sort((a, b) => b.score - a.score);
  for (const { level, score } of scores) {
    if (score < 1) return null;
    const task =
      level === 0
        ? pickFromLevel0(version, levelZeroOutput(version, targets), busyTableIds, unusable, options)
        : pickFromLevel(version, level, unusable, options);
    if (task !== null) return task;
  }
  return null;
}

/**
 * A task that brings a table whose deletions may go a level down, or rewrites it where it is in the last one; null when
 * there is none. It is for when no level is too full: what a level may take does not count.
 * @param isPurgeable whether enough of the table may go now
 */
export function pickPurge(
  version: Version,
  busyTableIds: ReadonlySet<number>,
  options: PickerOptions,
  isPurgeable: (table: TableMetadata) => boolean,
  heldTableIds: ReadonlySet<number> = NO_TABLES,
): CompactionTask | null {
  const unusable = heldTableIds.size === 0 ? busyTableIds : busyTableIds.union(heldTableIds);
  for (const [level, tables] of version.levels.entries()) {
    for (const table of tables) {
      if (unusable.has(table.id) || !isPurgeable(table)) continue;
      const task = makePurge(version, level, table, busyTableIds, unusable, options);
      if (task !== null && !task.overlapping.some(({ id }) => unusable.has(id))) return task;
    }
  }
  return null;
}

/**
 * A task that rewrites a table because of damage: where it is, and out of level 0 with the tables that it must take
 * along, as the numbers there are the order. Null when there is none now.
 */
export function pickRewrite(
  version: Version,
  busyTableIds: ReadonlySet<number>,
  options: PickerOptions,
  isMeant: (table: TableMetadata) => boolean,
  heldTableIds: ReadonlySet<number> = NO_TABLES,
): CompactionTask | null {
  const unusable = heldTableIds.size === 0 ? busyTableIds : busyTableIds.union(heldTableIds);
  for (const [level, tables] of version.levels.entries()) {
    const table = tables.find((one) => isMeant(one) && !unusable.has(one.id));
    if (table === undefined) continue;
    const output = levelZeroOutput(version, levelTargets(version, options));
    const task =
      level === 0
        ? pickFromLevel0(version, output, busyTableIds, unusable, options)
        : rewriteOf(level, table, false);
    if (task !== null) return task.trivialMove ? { ...task, trivialMove: false } : task;
  }
  return null;
}

function rewriteOf(level: number, table: TableMetadata, bottommost: boolean): CompactionTask {
  return {
    inputLevel: level,
    outputLevel: level,
    inputs: [table],
    overlapping: [],
    trivialMove: false,
    bottommost,
  };
}

function makePurge(
  version: Version,
  level: number,
  table: TableMetadata,
  busy: ReadonlySet<number>,
  unusable: ReadonlySet<number>,
  options: PickerOptions,
): CompactionTask | null {
  if (level === 0)
    return pickFromLevel0(
      version,
      levelZeroOutput(version, levelTargets(version, options)),
      busy,
      unusable,
      options,
    );
  if (level < LAST_LEVEL) return makeTask(version, level, level + 1, [table]);
  // Where a table in quarantine may hold something older nothing goes, and it would be rewritten without an end.
  const bottommost = isClearOfQuarantine(version, table.smallestKey, table.largestKey);
  return bottommost ? rewriteOf(level, table, bottommost) : null;
}

/** A deletion that was dropped could no longer hide what a table in quarantine may hold. */
function isClearOfQuarantine(version: Version, smallest: Uint8Array, largest: Uint8Array): boolean {
  return !version.quarantine.some((table) => overlaps(table, smallest, largest));
}

/** An estimate of the bytes that must move down a level until no level is too full. */
export function compactionDebtBytes(version: Version, options: PickerOptions): number {
  const targets = levelTargets(version, options);
  let moving = scoreOf(version, 0, targets, options) >= 1 ? version.levelBytes(0) : 0;
  let debt = moving;
  for (let level = levelZeroOutput(version, targets); level < LAST_LEVEL; level++) {
    moving = Math.max(0, version.levelBytes(level) + moving - targets[level]);
    debt += moving;
  }
  return debt;
}

/**
 * The first usable group, starting from the oldest table, with all tables of the output level that it overlaps. There
 * is none while any table of level 0 is busy.
 */
function pickFromLevel0(
  version: Version,
  outputLevel: number,
  busy: ReadonlySet<number>,
  unusable: ReadonlySet<number>,
  options: PickerOptions,
): CompactionTask | null {
  const newestFirst = version.levels[0];
  if (newestFirst.some(({ id }) => busy.has(id))) return null;
  const oldestFirst = newestFirst.toReversed();
  for (let first = 0; first < oldestFirst.length; first++) {
    const group = groupFrom(oldestFirst, first, options.maxTaskBytes);
    const task = makeTask(version, 0, outputLevel, group.toReversed());
    if (![...task.inputs, ...task.overlapping].some(({ id }) => unusable.has(id))) return task;
  }
  return null;
}

/**
 * A table of level 0 with the older tables that it overlaps and so must take along, and with newer ones that overlap
 * the group, oldest first, while the group stays within its size. Once a table does not fit, none is tried any more:
 * each of the newer ones that overlap the group would bring that one along. Both input and output are oldest first.
 */
function groupFrom(oldestFirst: readonly TableMetadata[], first: number, maxBytes: number): TableMetadata[] {
  let group = withOlder(oldestFirst, new Set(), first);
  for (let i = first + 1; i < oldestFirst.length; i++) {
    const { smallest, largest } = rangeOf([...group]);
    if (!overlaps(oldestFirst[i], smallest, largest)) continue;
    const larger = withOlder(oldestFirst, group, i);
    if (bytesOf([...larger]) > maxBytes) break;
    group = larger;
  }
  return oldestFirst.filter((table) => group.has(table));
}

/**
 * The group with one more table and every older one that overlaps their range. It goes from newest to oldest, so when a
 * table is looked at, all newer ones that it may overlap are in the group.
 */
function withOlder(
  oldestFirst: readonly TableMetadata[],
  group: ReadonlySet<TableMetadata>,
  newest: number,
): Set<TableMetadata> {
  const larger = new Set([...group, oldestFirst[newest]]);
  for (let i = newest - 1; i >= 0; i--) {
    const { smallest, largest } = rangeOf([...larger]);
    if (overlaps(oldestFirst[i], smallest, largest)) larger.add(oldestFirst[i]);
  }
  return larger;
}

/**
 * The table that causes the fewest rewritten bytes of the next level per byte of its own (RocksDB's
 * `kMinOverlappingRatio`). A cursor that goes through the keys round-robin would rewrite more, and would be state to
 * keep.
 */
function pickFromLevel(
  version: Version,
  level: number,
  unusable: ReadonlySet<number>,
  options: PickerOptions,
): CompactionTask | null {
  let best: CompactionTask | null = null;
  let bestCost = Number.POSITIVE_INFINITY;
  let smallest: CompactionTask | null = null;
  let smallestBytes = Number.POSITIVE_INFINITY;
  for (const table of version.levels[level]) {
    if (unusable.has(table.id)) continue;
    const task = makeTask(version, level, level + 1, [table]);
    if (task.overlapping.some(({ id }) => unusable.has(id))) continue;
    const bytes = table.fileSizeBytes + bytesOf(task.overlapping);
    const cost = bytes / table.fileSizeBytes;
    if (bytes <= options.maxTaskBytes && cost < bestCost) {
      best = task;
      bestCost = cost;
    }
    if (bytes < smallestBytes) {
      smallest = task;
      smallestBytes = bytes;
    }
  }
  return best ?? smallest;
}

function makeTask(
  version: Version,
  inputLevel: number,
  outputLevel: number,
  inputs: readonly TableMetadata[],
): CompactionTask {
  const own = rangeOf(inputs);
  const overlapping = version.overlapping(outputLevel, own.smallest, own.largest);
  const { smallest, largest } = rangeOf([...inputs, ...overlapping]);
  let bottommost = isClearOfQuarantine(version, smallest, largest);
  for (let level = outputLevel + 1; level < LEVELS && bottommost; level++) {
    bottommost = version.overlapping(level, smallest, largest).length === 0;
  }
  // LevelDB rewrites a table that overlaps much of the level after next, to split it there. Here outputs are split by
  // size alone, so rewriting would produce the same table: moving it is always better.
  // Range tombstones that hide nothing any more would be moved along for ever.
  const isEmptied = bottommost && inputs[0].rangeTombstones !== undefined;
  const trivialMove = inputs.length === 1 && overlapping.length === 0 && !isEmptied;
  return { inputLevel, outputLevel, inputs, overlapping, trivialMove, bottommost };
}

function rangeOf(tables: readonly TableMetadata[]): { smallest: Uint8Array; largest: Uint8Array } {
  let { smallestKey: smallest, largestKey: largest } = tables[0];
  for (const { smallestKey, largestKey } of tables) {
    if (compareKeys(smallestKey, smallest) < 0) smallest = smallestKey;
    if (compareKeys(largestKey, largest) > 0) largest = largestKey;
  }
  return { smallest, largest };
}

function bytesOf(tables: readonly TableMetadata[]): number {
  let bytes = 0;
  for (const { fileSizeBytes } of tables) bytes += fileSizeBytes;
  return bytes;
}
