import {
  isLive,
  isTombstone,
  RECORD_HEADER_BYTES,
  recordFrom,
  recordTimestamp,
  recordWriter,
  writeRecord,
} from '../format/record.ts';

/** What happens to a record when it is written to a new table. */
export const Fate = {
  keep: 0,
  /** Its value has expired: a tombstone of the same version replaces it. */
  bury: 1,
  drop: 2,
} as const;
export type Fate = (typeof Fate)[keyof typeof Fate];

const NO_VALUE = new Uint8Array(0);

/**
 * Decides which records a compaction drops. A deletion, or an expired value, which counts as one, may be dropped only
 * when nothing older of its key is left below (`bottommost`) and nothing older can come from elsewhere
 * (`dropTombstonesBelow`, a timestamp; 0 for never). Until then an expired value still has to hide older versions, and
 * a tombstone does that in fewer bytes.
 */
export class RetentionRule {
  /** The record to write instead, after `judge` returned `bury`. */
  readonly tombstone = new Uint8Array(RECORD_HEADER_BYTES);
  readonly #dropBelow: number;
  readonly #nowMs: number;

  constructor(options: { bottommost: boolean; dropTombstonesBelow: number; nowMs: number }) {
    this.#dropBelow = options.bottommost ? options.dropTombstonesBelow : 0;
    this.#nowMs = options.nowMs;
  }

  judge(record: Uint8Array, at: number): Fate {
    if (isLive(record, at, this.#nowMs)) return Fate.keep;
    if (recordTimestamp(record, at) < this.#dropBelow) return Fate.drop;
    if (isTombstone(record, at)) return Fate.keep;
    writeRecord(
      this.tombstone,
      0,
      {
        timestamp: recordTimestamp(record, at),
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
