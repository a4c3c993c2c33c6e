import type { LsmError } from '../errors.ts';
import { frameTag, nextFrame } from '../format/frame.ts';
import { type HashSeed, hashBytes } from '../format/hash.ts';
import { recordTimestamp, recordWriter } from '../format/record.ts';
import { OperationCursor } from '../log/write-operation.ts';
import type { Memtable } from '../memtable/memtable.ts';
import type { RingConsumer } from '../shared/ring.ts';
import { isDamage } from '../sstable/damage.ts';
import { toLsmError } from './protocol/errors.ts';
import { WriteCode, writeCodeOf } from './protocol/writer-messages.ts';
import type { VersionLookup } from './version-lookup.ts';
import { enterFrame } from './write-run.ts';

/** What a lookup in older memtables and tables has found out about a write. */
interface Found {
  readonly code: WriteCode;
  readonly metTimestamp: number;
  readonly metWriter: number;
}

/**
 * Finds the writes of a run that are stale, because an older memtable or a table holds a newer version of their key,
 * before the run is logged. The memtable that is being written compares versions itself.
 */
export class StaleWriteFilter {
  readonly #versions: VersionLookup;
  readonly #hashSeed: HashSeed;
  readonly #onDamage: (error: LsmError) => void;
  readonly #cursor = new OperationCursor();
  /** By tag: rare, hence a Map. */
  readonly #found = new Map<number, Found>();

  /** @param onDamage hears of a table that cannot be read where it had to be */
  constructor(versions: VersionLookup, hashSeed: HashSeed, onDamage: (error: LsmError) => void) {
    this.#versions = versions;
    this.#hashSeed = hashSeed;
    this.#onDamage = onDamage;
  }

  /** Another run begins: what was found out about the last one is forgotten. */
  begin(): void {
    if (this.#found.size > 0) this.#found.clear();
  }

  /** Notes what somebody else has found out about a write of the run, which is dropped. */
  note(tag: number, code: WriteCode, metTimestamp: number, metWriter: number): void {
    this.#found.set(tag, { code, metTimestamp, metWriter });
  }

  /** Notes that nobody knows what becomes of a write of the run, which is dropped. */
  noteFailed(tag: number, error: LsmError): void {
    if (isDamage(error)) this.#onDamage(error);
    this.note(tag, writeCodeOf(error), 0, 0);
  }

  /** Marks the stale operations as dropped in the run's own bytes, so that a replay passes them over too. */
  drop(run: RingConsumer, memtable: Memtable, generation: number): void {
    const { bytes, runStart, runEnd } = run;
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
      try {
        this.#dropOf(bytes, at, memtable, generation);
      } catch (error) {
        this.#dropAllOf(bytes, at);
        this.noteFailed(frameTag(bytes, at), toLsmError(error, 'looking for a newer version'));
      }
    }
  }

  /** What was found out about a write of the run last looked at; undefined: nothing was found, or nobody had to look. */
  found(tag: number): Found | undefined {
    return this.#found.get(tag);
  }

  #dropOf(bytes: Uint8Array, frame: number, memtable: Memtable, generation: number): void {
    const cursor = enterFrame(this.#cursor, bytes, frame);
    while (cursor.next()) {
      // A range tombstone that was not dropped is newer than everything.
      if (!cursor.isRange && this.#versions.mustLook(recordTimestamp(bytes, cursor.recordStart)))
        this.#dropIfStale(bytes, frameTag(bytes, frame), memtable, generation);
    }
  }

  /** A batch is stored whole or not at all. */
  #dropAllOf(bytes: Uint8Array, frame: number): void {
    const cursor = enterFrame(this.#cursor, bytes, frame);
    while (cursor.next()) cursor.drop();
  }

  #dropIfStale(bytes: Uint8Array, tag: number, memtable: Memtable, generation: number): void {
    const { keyStart, keyEnd, recordStart } = this.#cursor;
    // What the active memtable holds is newer than anything below it, and insert compares with that itself.
    const hash = hashBytes(bytes, keyStart, keyEnd, this.#hashSeed);
    if (memtable.find(bytes, keyStart, keyEnd, memtable.publishedOffset, hash) !== 0) return;
    const timestamp = recordTimestamp(bytes, recordStart);
    const writer = recordWriter(bytes, recordStart);
    const versions = this.#versions;
    const isStale = versions.holdsNewer(generation, bytes, keyStart, keyEnd, hash, timestamp, writer);
    const { metTimestamp, metWriter } = versions;
    if (isStale) this.#cursor.drop();
    if (metTimestamp > 0) this.#found.set(tag, { code: WriteCode.stale, metTimestamp, metWriter });
  }
}
