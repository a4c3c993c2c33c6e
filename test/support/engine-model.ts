/**
 * What a run of the model test knows: the newest version of each key, as in a sorted map, and the order of the writes,
 * of which a power loss may take the last ones.
 */
import assert from 'node:assert/strict';
import {
  isTombstone,
  recordExpiryMs,
  recordFrom,
  recordTimestamp,
  recordValueStart,
  recordWriter,
} from '../../native-free-lsm/index.ts';

export interface Version {
  readonly timestamp: number;
  readonly writer: number;
  /** As latin1; null: a deletion. */
  readonly value: string | null;
  /** 0: never. */
  readonly expiryMs: number;
  /** How many replicas the write asked for; 0: the record is nobody's but the engine's. */
  readonly from: number;
  /** Whether a deletion of a range is what has deleted it: then there need not be a record of it. */
  readonly isCleared?: boolean;
}

/** By key as latin1. */
export type Entries = ReadonlyMap<string, Version>;

/** What one write has changed; a batch changes several keys at once. */
type Undo = readonly (readonly [key: string, before: Version | undefined])[];

export class EngineModel {
  /** By key: what is gone may be forgotten when its timestamp is this one or smaller. */
  readonly #forgetUpTo: (key: string) => number;
  readonly #entries = new Map<string, Version>();
  readonly #undo: Undo[] = [];
  #durable = 0;
  newestTimestamp = 0;

  constructor(forgetUpTo: (key: string) => number) {
    this.#forgetUpTo = forgetUpTo;
  }

  get entries(): Entries {
    return this.#entries;
  }

  /** @returns how many of the versions are newer than what their keys had */
  write(versions: readonly (readonly [key: string, version: Version])[]): number {
    const undo: [string, Version | undefined][] = [];
    for (const [key, version] of versions) {
      this.newestTimestamp = Math.max(this.newestTimestamp, version.timestamp);
      const before = this.#entries.get(key);
      if (before !== undefined && compare(before, version) >= 0) continue;
      undo.push([key, before]);
      this.#entries.set(key, version);
    }
    this.#undo.push(undo);
    return undo.length;
  }

  /** No power loss may take what was written so far. */
  noteDurable(): void {
    this.#durable = this.#undo.length;
  }

  /** Whether the store may have forgotten the key although it was written: a late older version would come back. */
  mayForget(key: string, nowMs: number): boolean {
    const version = this.#entries.get(key);
    return version !== undefined && version.timestamp <= this.#forgetUpTo(key) && this.isGone(key, nowMs);
  }

  /** Whether the key is deleted, or its value has expired. */
  isGone(key: string, nowMs: number): boolean {
    const version = this.#entries.get(key);
    return version !== undefined && !isVisible(version, nowMs);
  }

  /** @throws AssertionError when the record is not what the key must have */
  checkRecord(key: string, record: Uint8Array | null, nowMs: number): void {
    const fault = this.#fault(key, record, nowMs);
    if (fault !== undefined) assert.fail(fault);
  }

  /**
   * Takes back the last writes until what is left is what was found.
   * @param found the record of every possible key
   * @param all whether nothing may be missing
   * @throws AssertionError when that is not a beginning of the writes
   */
  afterStop(found: ReadonlyMap<string, Uint8Array | null>, all: boolean, nowMs: number): void {
    const least = all ? this.#undo.length : this.#durable;
    const faultOf = (): string | undefined => {
      for (const [key, record] of found) {
        const fault = this.#fault(key, record, nowMs);
        if (fault !== undefined) return fault;
      }
      return undefined;
    };
    const first = faultOf();
    for (let fault = first; fault !== undefined; fault = faultOf()) {
      assert.ok(
        this.#undo.length > least,
        `after the stop the end may be missing, but nothing else: ${first}`,
      );
      for (const [key, before] of (this.#undo.pop() as Undo).toReversed()) {
        if (before === undefined) this.#entries.delete(key);
        else this.#entries.set(key, before);
      }
    }
    this.noteDurable();
  }

  #fault(key: string, record: Uint8Array | null, nowMs: number): string | undefined {
    const version = this.#entries.get(key);
    if (record === null) {
      const needsNone = version === undefined || version.isCleared || this.mayForget(key, nowMs);
      return needsNone ? undefined : `${key} is missing`;
    }
    if (version === undefined) return `${key} is there though it was never written`;
    const found = [recordTimestamp(record, 0), recordWriter(record, 0)];
    if (found[0] !== version.timestamp || found[1] !== version.writer)
      return `${key} is at version ${found}, not at ${[version.timestamp, version.writer]}`;
    if (recordFrom(record, 0) !== version.from) return `${key} asked for ${version.from} replicas`;
    // A compaction turns what has expired into a deletion.
    if (isTombstone(record, 0)) return isVisible(version, nowMs) ? `${key} is deleted` : undefined;
    const value = Buffer.from(record.subarray(recordValueStart(record, 0))).toString('latin1');
    return value === version.value && recordExpiryMs(record, 0) === version.expiryMs
      ? undefined
      : `${key} has another value or expiry`;
  }
}

export function visibleValue(entries: Entries, key: string, nowMs: number): string | undefined {
  const version = entries.get(key);
  return version !== undefined && isVisible(version, nowMs) ? (version.value as string) : undefined;
}

/** The keys and values that are visible, in order. */
export function visibleEntries(entries: Entries, nowMs: number): [string, string][] {
  return [...entries]
    .filter(([, version]) => isVisible(version, nowMs))
    .map(([key, version]): [string, string] => [key, version.value as string])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Whether a client that reads at `nowMs` sees a value. */
export function isVisible({ value, expiryMs }: Version, nowMs: number): boolean {
  return value !== null && (expiryMs === 0 || expiryMs > nowMs);
}

function compare(a: Version, b: Version): number {
  return a.timestamp - b.timestamp || a.writer - b.writer;
}
