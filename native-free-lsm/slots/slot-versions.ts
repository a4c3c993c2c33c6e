/** What an engine says of the keys of a slot, for those who compare it with another engine's. */

/**
 * The newest version of each key of a slot, a column for each thing that is known of it, in ascending order of
 * fingerprints. Tombstones are among them, as are values with an expiry, expired or not. Records with `from` 0 are
 * not: those are nobody's but the engine's own, and no key has both kinds.
 */
export interface SlotVersions {
  /** How many keys; the length of each column. */
  readonly count: number;
  /** Both halves of the keys' fingerprints: see format/fingerprint.ts. */
  readonly fingerprintHighs: Uint32Array;
  readonly fingerprintLows: Uint32Array;
  readonly timestamps: Float64Array;
  readonly writers: Uint32Array;
  /** How many replicas the write asked for. */
  readonly froms: Uint16Array;
  /** Bits of RecordFlag. */
  readonly flags: Uint8Array;
}
