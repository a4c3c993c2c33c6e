import type { ReplySink } from '../reply.ts';

/** A request whose answer is out. Entries are used again: whoever takes one out reads it before anything else. */
export interface InFlight {
  id: number;
  sink: ReplySink;
  position: number;
  deadlineMs: number;
  /** Sent in fragments. */
  isLarge: boolean;
  /** Success is a record. */
  wantsRecord: boolean;
}

const NOBODY: ReplySink = { onReply() {} };
const MAX_SPARE = 1_024;

/** The requests to one peer that wait for an answer, by id. */
export class InFlightTable {
  readonly #entries = new Map<number, InFlight>();
  readonly #spare: InFlight[] = [];

  get count(): number {
    return this.#entries.size;
  }

  add(
    id: number,
    sink: ReplySink,
    position: number,
    deadlineMs: number,
    isLarge: boolean,
    wantsRecord: boolean,
  ): void {
    const spare = this.#spare.pop();
    if (spare === undefined) {
      this.#entries.set(id, { id, sink, position, deadlineMs, isLarge, wantsRecord });
      return;
    }
    spare.id = id;
    spare.sink = sink;
    spare.position = position;
    spare.deadlineMs = deadlineMs;
    spare.isLarge = isLarge;
    spare.wantsRecord = wantsRecord;
    this.#entries.set(id, spare);
  }

  /** Takes the entry out, or gives undefined when nobody waits for it any more. Give it back with `free`. */
  take(id: number): InFlight | undefined {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#entries.delete(id);
    return entry;
  }

  free(entry: InFlight): void {
    entry.sink = NOBODY;
    if (this.#spare.length < MAX_SPARE) this.#spare.push(entry);
  }

  /** Takes out all whose deadline has passed; null when there are none. */
  takeExpired(nowMs: number): InFlight[] | null {
    let expired: InFlight[] | null = null;
    for (const entry of this.#entries.values()) {
      if (entry.deadlineMs > nowMs) continue;
      expired ??= [];
      expired.push(entry);
      this.#entries.delete(entry.id);
    }
    return expired;
  }

  takeAll(): InFlight[] {
    const all = [...this.#entries.values()];
    this.#entries.clear();
    return all;
  }
}
