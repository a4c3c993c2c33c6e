import {
  isLive,
  isTombstone,
  RECORD_HEADER_BYTES,
  recordFrom,
  recordTimestamp,
  recordWriter,
  writeRecord,
} from '../format/record.ts';
import { slotOf } from '../format/slot.ts';
import type { RangeFragments } from '../range-tombstones/fragments.ts';
import type { SlotSet } from '../slots/slot-set.ts';

/** What happens to a record when it is written to a new table. */
export const Fate = {
  keep: 0,
  /** Its value has expired: a tombstone of the same version replaces it. */
  bury: 1,
  drop: 2,
} as const;
export type Fate = (typeof Fate)[keyof typeof Fate];

export interface RetentionOptions {
  /** Nothing older than the source is left anywhere for any of its keys. */
  readonly bottommost: boolean;
  /** Tombstones with smaller timestamps may be dropped when `bottommost`; 0: none may. */
  readonly dropTombstonesBelow: number;
  /** A float64 timestamp for each slot: those of the slot at or below it may be dropped, too. It must not change. */
  readonly watermarks: SharedArrayBuffer | null;
  /** The time that expiries are compared with, in ms since the Unix epoch. */
  readonly nowMs: number;
}

/** Nothing is dropped, and nothing counts as expired: a later compaction decides about that. */
export const KEEPS_ALL: RetentionOptions = {
  bottommost: false,
  dropTombstonesBelow: 0,
  watermarks: null,
  nowMs: 0,
};

const NO_VALUE = new Uint8Array(0);

/**
 * Decides which records a compaction drops. A deletion, or an expired value, which counts as one, may be dropped only
 * when nothing older of its key is left below (`bottommost`) and nothing older can come from elsewhere: it is below
 * `dropTombstonesBelow`, or at or below the watermark of its slot. Until then an expired value still has to hide older
 * versions, and a tombstone does that in fewer bytes.
 */
export class RetentionRule {
  /** The record to write instead, after `judge` returned `bury`. */
  readonly tombstone = new Uint8Array(RECORD_HEADER_BYTES);
  readonly #dropBelow: number;
  /** Null: none counts here. */
  readonly #watermarks: Float64Array | null;
  readonly #nowMs: number;
  readonly #expired: SlotSet;

  /** @param expired is given the slots of values that go, or become deletions, because they have expired */
  constructor(options: RetentionOptions, expired: SlotSet) {
    const { bottommost, watermarks } = options;
    this.#dropBelow = bottommost ? options.dropTombstonesBelow : 0;
    this.#watermarks = bottommost && watermarks !== null ? new Float64Array(watermarks) : null;
    this.#nowMs = options.nowMs;
    this.#expired = expired;
  }

  /** The range tombstones that may not be dropped: those of which a tombstone of one key could not be. */
  keptRanges(ranges: RangeFragments): RangeFragments {
    return this.#dropBelow === 0 ? ranges : ranges.since(this.#dropBelow);
  }

  /** @param key the record's, `key[keyStart, keyEnd)` */
  judge(record: Uint8Array, at: number, key: Uint8Array, keyStart: number, keyEnd: number): Fate {
    if (isLive(record, at, this.#nowMs)) return Fate.keep;
    if (!isTombstone(record, at)) this.#expired.add(slotOf(key, keyStart, keyEnd));
    const timestamp = recordTimestamp(record, at);
    if (timestamp < this.#dropBelow) return Fate.drop;
    // Nobody else's is what has no `from`: no other replica has to hear of it.
    if (this.#watermarks !== null) {
      const watermark = this.#watermarks[slotOf(key, keyStart, keyEnd)];
      if (timestamp <= watermark || recordFrom(record, at) === 0) return Fate.drop;
    }
    if (isTombstone(record, at)) return Fate.keep;
    writeRecord(
      this.tombstone,
      0,
      {
        timestamp,
        writer: recordWriter(record, at),
        tombstone: true,
        from: recordFrom(record, at),
        expiryMs: 0,
      },
      NO_VALUE,
    );
    return Fate.bury;
  }
}
