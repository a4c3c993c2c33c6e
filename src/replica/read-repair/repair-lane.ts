/**
 * What one node's replica was found to lack, in the order in which it was found: each key once, so many keys at most.
 * Pure.
 */

/** More are not remembered: they are found again by the next read, or by anti-entropy. */
export const MAX_QUEUED_REPAIRS = 1_024;

interface QueuedRepair {
  readonly key: Uint8Array;
  /** A node that has what is lacking. */
  readonly sourceId: string;
}

export class RepairLane {
  readonly #queued = new Map<string, QueuedRepair>();
  /** Repairs that have begun and are not over. */
  underWay = 0;
  /** Of the monotonic time: before, none is begun. */
  pausedUntilMs = 0;

  get queued(): number {
    return this.#queued.size;
  }

  /** False: there is no room. A key that is there keeps its turn, and the source that was found last. */
  add(key: Uint8Array, sourceId: string): boolean {
    const name = nameOf(key);
    const known = this.#queued.get(name);
    if (known === undefined && this.#queued.size >= MAX_QUEUED_REPAIRS) return false;
    this.#queued.set(name, { key: known?.key ?? Uint8Array.from(key), sourceId });
    return true;
  }

  take(): QueuedRepair | undefined {
    for (const [name, repair] of this.#queued) {
      this.#queued.delete(name);
      return repair;
    }
    return undefined;
  }

  /** Forgets all, and returns how many they were. */
  clear(): number {
    const { size } = this.#queued;
    this.#queued.clear();
    return size;
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
