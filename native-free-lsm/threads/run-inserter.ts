import { InsertStatus, type Memtable } from '../memtable/memtable.ts';
import { WriteCode } from './protocol/writer-messages.ts';
import type { RunContent } from './write-run.ts';

/** The slots of so many keys are loaded together. */
const AHEAD_PUTS = 32;
/**
 * From so many puts of a run on their keys are linked later, together with those of other runs: to sort them takes less
 * time than to search the place of each.
 */
const MANY_PUTS = 8;

/** Puts the operations of a run into the memtable, one frame after the other. */
export class RunInserter {
  readonly #content: RunContent;
  /** The memory of the ring. */
  readonly #bytes: Uint8Array;
  #memtable!: Memtable;
  /** Of the keys from the last one on whose number is a multiple of AHEAD_PUTS. Signed: see `signedHash`. */
  readonly #hashes = new Int32Array(AHEAD_PUTS);
  #operation = 0;
  #frame = 0;
  /** The version of the key of the frame's last operation that the memtable had; 0, 0: it had none. */
  metTimestamp = 0;
  metWriter = 0;

  constructor(content: RunContent, bytes: Uint8Array) {
    this.#content = content;
    this.#bytes = bytes;
  }

  /** Begins with the first frame of the run that was taken last. */
  begin(memtable: Memtable): void {
    this.#memtable = memtable;
    this.#operation = 0;
    this.#frame = 0;
  }

  /** Inserts the next frame, and returns what became of it as far as this memtable knows. */
  insertFrame(): WriteCode {
    const end = this.#content.endOf(this.#frame++);
    let code: WriteCode = WriteCode.stale;
    this.metTimestamp = 0;
    this.metWriter = 0;
    for (; this.#operation < end; this.#operation++) {
      if (this.#operation % AHEAD_PUTS === 0) this.#hashAhead();
      const status = this.#insert(this.#operation);
      // The writer saw to it that the worst case fits. Any answer given now would be wrong.
      if (status === InsertStatus.full) throw new Error('the memtable has less room than it said');
      if (status === InsertStatus.applied) code = WriteCode.applied;
      this.metTimestamp = this.#memtable.metTimestamp;
      this.metWriter = this.#memtable.metWriter;
    }
    return code;
  }

  /** Finds the hashes of the next keys, and loads their slots. */
  #hashAhead(): void {
    const content = this.#content;
    const memtable = this.#memtable;
    const hashes = this.#hashes;
    const from = this.#operation;
    const count = Math.min(AHEAD_PUTS, content.operations - from);
    for (let i = 0; i < count; i++)
      hashes[i] = memtable.hash(this.#bytes, content.keyStart(from + i), content.recordStart(from + i));
    memtable.loadSlots(hashes, count);
  }

  #insert(operation: number): InsertStatus {
    const content = this.#content;
    const memtable = this.#memtable;
    const bytes = this.#bytes;
    const keyStart = content.keyStart(operation);
    const recordStart = content.recordStart(operation);
    const recordEnd = content.recordEnd(operation);
    if (content.isRange(operation)) {
      const endStart = content.rangeEndStart(operation);
      return memtable.insertRange(bytes, keyStart, recordStart, recordStart, endStart, recordEnd);
    }
    const hash = this.#hashes[operation % AHEAD_PUTS];
    const isLinked = content.puts < MANY_PUTS;
    return memtable.insertHashed(hash, isLinked, bytes, keyStart, recordStart, bytes, recordStart, recordEnd);
  }
}
