/**
 * What clients were told of one key, and whether it can be true: no acknowledged write is older than one that was
 * acknowledged before it began. Times are the observer's, on one monotonic clock. A write that failed may be stored or
 * not, and late: it counts as never ended, so reads may show it or not. A write that was refused was sent nowhere, and
 * may never be read.
 */
export const WriteEnd = { acknowledged: 0, unknown: 1, refused: 2 } as const;
export type WriteEnd = (typeof WriteEnd)[keyof typeof WriteEnd];

interface Write {
  /** Null: a deletion. Values are unique. */
  readonly value: string | null;
  readonly startMs: number;
  endMs: number;
  end: WriteEnd;
}

interface Read {
  readonly value: string | null;
  readonly startMs: number;
}

/** Before the first write there is nothing to read. */
const NOTHING: Write = {
  value: null,
  startMs: Number.NEGATIVE_INFINITY,
  endMs: Number.NEGATIVE_INFINITY,
  end: WriteEnd.acknowledged,
};

export class WriteHistory {
  readonly key: string;
  readonly #writes: Write[] = [NOTHING];
  readonly #reads: Read[] = [];

  constructor(key: string) {
    this.key = key;
  }

  /** @returns the function to call when it has ended */
  write(value: string | null, startMs: number): (end: WriteEnd, endMs: number) => void {
    const write: Write = { value, startMs, endMs: Number.POSITIVE_INFINITY, end: WriteEnd.unknown };
    this.#writes.push(write);
    return (end, endMs) => {
      write.end = end;
      if (end !== WriteEnd.unknown) write.endMs = endMs;
    };
  }

  /** A read that has a replica in common with every acknowledged write. */
  read(value: string | null, startMs: number): void {
    this.#reads.push({ value, startMs });
  }

  /** A sentence about the first thing that cannot be true; undefined when everything can. */
  fault(): string | undefined {
    for (const read of this.#reads) {
      const fault = this.#faultOf(read);
      if (fault !== undefined) return `${this.key}: ${fault}`;
    }
    return this.#disorder();
  }

  #faultOf(read: Read): string | undefined {
    const candidates = this.#writes.filter(({ value }) => value === read.value);
    if (candidates.length === 0) return `${read.value} was read, and never written`;
    const possible = candidates.filter(({ end }) => end !== WriteEnd.refused);
    if (possible.length === 0) return `${read.value} was read, and its write was refused`;
    const losers = possible.map((write) => this.#winnerOver(write, read));
    const [winner] = losers;
    if (losers.some((each) => each === undefined) || winner === undefined) return undefined;
    return `${read.value} was read at ${at(read.startMs)}, though ${winner.value}, begun after that had ended, was acknowledged at ${at(winner.endMs)}`;
  }

  /** A write that began after `write` had ended and was acknowledged before the read. */
  #winnerOver(write: Write, read: Read): Write | undefined {
    return this.#writes.find(
      ({ end, endMs, startMs }) =>
        end === WriteEnd.acknowledged && startMs > write.endMs && endMs < read.startMs,
    );
  }

  /**
   * Of two writes at the same time either may win, but when both are acknowledged it is the same one for all readers.
   */
  #disorder(): string | undefined {
    const seen = new Map<Write, Read>();
    const order: { readonly write: Write; readonly read: Read }[] = [];
    for (const read of this.#reads) {
      const written = this.#writes.filter(({ value }) => value === read.value);
      const [write] = written;
      // Nobody can tell which of several deletions it was.
      if (written.length !== 1 || write.end !== WriteEnd.acknowledged || read.startMs <= write.endMs)
        continue;
      order.push({ write, read });
    }
    for (const { write, read } of order) {
      for (const [other, otherRead] of seen) {
        const bothEndedMs = Math.max(write.endMs, other.endMs);
        if (other === write || read.startMs <= bothEndedMs || otherRead.startMs <= bothEndedMs) continue;
        return `${this.key}: ${other.value} was read at ${at(otherRead.startMs)} and ${write.value} at ${at(read.startMs)}, though both had been acknowledged before`;
      }
      const before = seen.get(write);
      if (before === undefined || before.startMs < read.startMs) seen.set(write, read);
    }
    return undefined;
  }
}

function at(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}
