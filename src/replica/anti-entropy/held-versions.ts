import type { SlotVersions } from '../../../native-free-lsm/index.ts';
import type { Clock } from '../../clock.ts';
import type { StorageEngine } from '../storage-engine.ts';
import type { AskedRange } from './packed-lists.ts';
import { SlotBatch } from './slot-batch.ts';
import { type ToldRange, toldBytes } from './told-ranges.ts';
import { entriesOf, foldChildren, MAX_DEPTH, MAX_LISTED, spanOf, versionsIn } from './version-list.ts';

/** The versions of a slot are read again for a range of it only after this time: a slot may have very many. */
const KEPT_VERSIONS_MS = 10_000;

interface HeldVersionsOptions {
  readonly engine: Pick<StorageEngine, 'slotVersions'>;
  readonly clock: Clock;
  readonly settledAt: (slot: number) => number;
}

/** Tells which versions a node holds in ranges of slots: the versions themselves where they are few, or their folds. */
export class HeldVersions {
  readonly #options: HeldVersionsOptions;
  /** Of the last slot that was told in part. */
  #kept: { readonly round: number; readonly slot: number; readonly versions: SlotVersions } | null = null;
  #keptUntilMs = 0;
  readonly #batch = new SlotBatch();

  constructor(options: HeldVersionsOptions) {
    this.#options = options;
  }

  /** As many of the first ranges as there is room for, at least one. */
  async tell(
    round: number,
    ranges: readonly AskedRange[],
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<ToldRange[]> {
    const { settledAt } = this.#options;
    const told: ToldRange[] = [];
    let bytes = 0;
    for (let at = 0; at < ranges.length; ) {
      const part = ranges.slice(at, at + this.#batch.slots);
      at += part.length;
      const read = await this.#versionsOfAll(round, part, signal);
      const found = new Set(read);
      this.#batch.note(found.size, versionsIn(found));
      for (const [index, range] of part.entries()) {
        const versions = read[index];
        const { start, end } = spanOf(versions, range);
        const settled = settledAt(range.slot);
        const next: ToldRange =
          end - start > MAX_LISTED && range.depth < MAX_DEPTH
            ? { settled, entries: null, folds: foldChildren(versions, range, { ...range, minFrom: 1 }) }
            : { settled, entries: entriesOf(versions, start, end), folds: null };
        bytes += toldBytes(next);
        if (told.length > 0 && bytes > maxBytes) return told;
        told.push(next);
      }
    }
    return told;
  }

  /** Of each range those of its slot; several ranges of one slot share what is read of it. */
  #versionsOfAll(round: number, ranges: readonly AskedRange[], signal: AbortSignal): Promise<SlotVersions[]> {
    const bySlot = new Map<number, Promise<SlotVersions>>();
    const reads = ranges.map((range) => {
      const read = bySlot.get(range.slot) ?? this.#versionsOf(round, range, signal);
      bySlot.set(range.slot, read);
      return read;
    });
    return Promise.all(reads);
  }

  async #versionsOf(round: number, { slot, depth }: AskedRange, signal: AbortSignal): Promise<SlotVersions> {
    const { clock, engine } = this.#options;
    const kept = this.#kept;
    if (depth > 0 && kept?.slot === slot && kept.round === round && clock.monotonicMs() < this.#keptUntilMs)
      return kept.versions;
    const versions = await engine.slotVersions(slot, signal);
    if (versions.count > MAX_LISTED) {
      this.#kept = { round, slot, versions };
      this.#keptUntilMs = clock.monotonicMs() + KEPT_VERSIONS_MS;
    }
    return versions;
  }
}
