import { recordTimestamp, recordWriter } from '../format/record.ts';
import { OperationCursor } from '../log/write-operation.ts';
import type { Memtable } from '../memtable/memtable.ts';
import { frameTag, nextFrame, type RingConsumer } from '../shared/ring.ts';
import { toLsmError, WriteCode, writeCodeOf } from './protocol.ts';
import type { VersionGate } from './version-gate.ts';
import { enterFrame } from './write-run.ts';

/** What a look into older memtables and tables has found out about a write. */
export interface Found {
  readonly code: WriteCode;
  readonly metTimestamp: number;
  readonly metWriter: number;
}

/** The writes of a run that may have come too late: finds those that are outdone, before the run is logged. */
export class LateWrites {
  readonly #gate: VersionGate;
  readonly #cursor = new OperationCursor();
  /** By tag: rare, hence a Map. */
  readonly #found = new Map<number, Found>();

  constructor(gate: VersionGate) {
    this.#gate = gate;
  }

  /** Marks the operations that older memtables or tables outdo, so that a replay leaves them out too. */
  drop(run: RingConsumer, memtable: Memtable, generation: number): void {
    const { bytes, runStart, runEnd } = run;
    this.#found.clear();
    for (let at = runStart; at < runEnd; at = nextFrame(bytes, at)) {
      try {
        this.#dropOf(bytes, at, memtable, generation);
      } catch (error) {
        const code = writeCodeOf(toLsmError(error, 'looking for an older version'));
        this.#dropAllOf(bytes, at);
        this.#found.set(frameTag(bytes, at), { code, metTimestamp: 0, metWriter: 0 });
      }
    }
  }

  /** Of a write of the run last looked at; undefined: there was nothing to find, or no need to look. */
  found(tag: number): Found | undefined {
    return this.#found.get(tag);
  }

  #dropOf(bytes: Uint8Array, frame: number, memtable: Memtable, generation: number): void {
    const cursor = enterFrame(this.#cursor, bytes, frame);
    while (cursor.next()) {
      if (this.#gate.mustLook(recordTimestamp(bytes, cursor.recordStart)))
        this.#dropIfOutdone(bytes, frameTag(bytes, frame), memtable, generation);
    }
  }

  /** A batch is stored whole or not at all. */
  #dropAllOf(bytes: Uint8Array, frame: number): void {
    const cursor = enterFrame(this.#cursor, bytes, frame);
    while (cursor.next()) cursor.drop();
  }

  #dropIfOutdone(bytes: Uint8Array, tag: number, memtable: Memtable, generation: number): void {
    const { keyStart, keyEnd, recordStart } = this.#cursor;
    // What the active memtable holds is newer than anything below it, and insert compares with that itself.
    if (memtable.find(bytes, keyStart, keyEnd, memtable.publishedOffset) !== 0) return;
    const timestamp = recordTimestamp(bytes, recordStart);
    const writer = recordWriter(bytes, recordStart);
    const gate = this.#gate;
    const isOutdone = gate.holdsNewer(generation, bytes, keyStart, keyEnd, timestamp, writer);
    const { metTimestamp, metWriter } = gate;
    if (isOutdone) this.#cursor.drop();
    if (metTimestamp > 0) this.#found.set(tag, { code: WriteCode.stale, metTimestamp, metWriter });
  }
}
