import { Fingerprinter, type HashSeed } from '../../../native-free-lsm/index.ts';
import type { StorageEngine } from '../storage-engine.ts';
import type { KeyAndRecord } from './messages.ts';
import type { SlotFingerprint } from './packed-lists.ts';

/** As for SlotBatch; what is read is bounded in bytes. */
const SLOTS_READ_TOGETHER = 256;

interface FoundRecords {
  readonly records: readonly KeyAndRecord[];
  /** For these there was no room. */
  readonly left: readonly SlotFingerprint[];
}

/** Finds the newest records of keys of which only the fingerprints are known. */
export class HeldRecords {
  readonly #engine: Pick<StorageEngine, 'slotRecords'>;
  readonly #fingerprinter: Fingerprinter;

  constructor({
    engine,
    fingerprintSeed,
  }: {
    readonly engine: Pick<StorageEngine, 'slotRecords'>;
    readonly fingerprintSeed: HashSeed;
  }) {
    this.#engine = engine;
    this.#fingerprinter = new Fingerprinter(fingerprintSeed);
  }

  fingerprintOf(key: Uint8Array): SlotFingerprint {
    const fingerprinter = this.#fingerprinter;
    fingerprinter.take(key, 0, key.length);
    return {
      slot: fingerprinter.high >>> 16,
      fingerprint: (fingerprinter.high & 0xffff) * 0x1_0000_0000 + fingerprinter.low,
    };
  }

  /** As far as there is room, at least one of those that are there. */
  async find(
    wanted: readonly SlotFingerprint[],
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<FoundRecords> {
    const engine = this.#engine;
    const records: KeyAndRecord[] = [];
    let room = maxBytes;
    for (let at = 0; at < wanted.length; ) {
      const groups = groupsOf(wanted, at);
      const enough = new AbortController();
      const either = AbortSignal.any([signal, enough.signal]);
      // They are answered in this order, some megabytes at a time, and what there is no room for is given up in time.
      const asks = groups.map(({ slot, missing }) =>
        engine.slotRecords(slot, wordsOf(slot, missing), Math.max(room, 1), either),
      );
      for (const ask of asks) ask.catch(() => {});
      try {
        for (const [index, { end, missing, slot }] of groups.entries()) {
          let found = await asks[index];
          for (;;) {
            const before = missing.size;
            for (const { key, record } of found) {
              const size = key.length + record.length;
              if (records.length > 0 && size > room)
                return { records, left: leftOf(slot, missing, wanted, end) };
              room -= size;
              records.push({ key, record });
              missing.delete(this.fingerprintOf(key).fingerprint);
            }
            // No key has the others any more.
            if (missing.size === 0 || missing.size === before) break;
            found = await engine.slotRecords(slot, wordsOf(slot, missing), Math.max(room, 1), signal);
          }
          at = end;
        }
      } finally {
        enough.abort();
      }
    }
    return { records, left: [] };
  }
}

function wordsOf(slot: number, fingerprints: ReadonlySet<number>): Uint32Array {
  const words = new Uint32Array(2 * fingerprints.size);
  let at = 0;
  for (const fingerprint of fingerprints) {
    words[at++] = slot * 0x1_0000 + Math.floor(fingerprint / 0x1_0000_0000);
    words[at++] = fingerprint % 0x1_0000_0000;
  }
  return words;
}

/** Some of what is wanted from `at` on, slot by slot. */
function groupsOf(
  wanted: readonly SlotFingerprint[],
  at: number,
): { readonly slot: number; readonly end: number; readonly missing: Set<number> }[] {
  const groups: { readonly slot: number; readonly end: number; readonly missing: Set<number> }[] = [];
  for (let start = at; start < wanted.length && groups.length < SLOTS_READ_TOGETHER; ) {
    const { slot } = wanted[start];
    let end = start + 1;
    while (end < wanted.length && wanted[end].slot === slot) end++;
    groups.push({
      slot,
      end,
      missing: new Set(wanted.slice(start, end).map(({ fingerprint }) => fingerprint)),
    });
    start = end;
  }
  return groups;
}

function leftOf(
  slot: number,
  missing: ReadonlySet<number>,
  wanted: readonly SlotFingerprint[],
  end: number,
): SlotFingerprint[] {
  return [...Array.from(missing, (fingerprint) => ({ slot, fingerprint })), ...wanted.slice(end)];
}
