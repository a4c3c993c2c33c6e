/**
 * What was written to each key of an engine that is used by many calls at once: a read that began when some of the writes
 * had been answered, and ended when some more had been asked for, may show the last of the former or any of the latter.
 * Writes of a key take effect in the order in which they are asked for.
 */
import assert from 'node:assert/strict';

/** A write; `value` null: a deletion. No two writes have one value. */
interface Write {
  readonly value: string | null;
  /** Ms since the Unix epoch between which the value ends: it is there before the first, and gone from the second on. */
  readonly endsFromMs: number;
  readonly endsByMs: number;
}

/** How many writes each key had: those that are answered, or asked for, at some moment. */
export type Moment = readonly number[];

/** When a read could see what it has seen. */
export interface ReadTime {
  readonly answered: Moment;
  readonly beganMs: number;
  readonly endedMs: number;
}

const NEVER = Number.POSITIVE_INFINITY;
/** Shown of a value in an error. */
const SHOWN_CHARACTERS = 24;

export class KeyHistories {
  readonly #names: readonly string[];
  readonly #writes: Write[][];
  /** By key, the last write that was answered. */
  readonly #answered: number[];

  /** @param names of the keys; each is absent */
  constructor(names: readonly string[]) {
    this.#names = names;
    this.#writes = names.map(() => [{ value: null, endsFromMs: NEVER, endsByMs: NEVER }]);
    this.#answered = names.map(() => 0);
  }

  /** Notes a write that is being asked for; returns its number. */
  ask(key: number, value: string | null, endsFromMs = NEVER, endsByMs = NEVER): number {
    return this.#writes[key].push({ value, endsFromMs, endsByMs }) - 1;
  }

  answer(key: number, write: number): void {
    this.#answered[key] = Math.max(this.#answered[key], write);
  }

  /** Whether the last write that was asked for is a deletion. */
  isAbsent(key: number): boolean {
    return this.#writes[key].at(-1)?.value === null;
  }

  answered(): Moment {
    return [...this.#answered];
  }

  answeredOf(key: number): number {
    return this.#answered[key];
  }

  /** @throws AssertionError when a read that could see `from` and what was asked for since shows something else */
  check(
    key: number,
    from: number,
    shown: string | null,
    time: Omit<ReadTime, 'answered'>,
    what: string,
  ): void {
    const writes = this.#writes[key];
    for (let at = from; at < writes.length; at++) if (isShown(writes[at], shown, time)) return;
    const possible = writes.slice(from).map(({ value }) => brief(value));
    assert.fail(
      `${what}: the key ${JSON.stringify(this.#names[key])} shows ${brief(shown)}, which is ` +
        `${shown !== null && writes.some(({ value }) => value === shown) ? 'outdated' : 'not what it has'}; ` +
        `it may show ${possible.slice(0, 8).join(', ')}${possible.length > 8 ? ` or ${possible.length - 8} more` : ''}`,
    );
  }

  /** Forgets all but the last write of each key. Nothing is under way. */
  forget(): void {
    for (const writes of this.#writes) writes.splice(0, writes.length - 1);
    this.#answered.fill(0);
  }
}

function isShown(
  write: Write,
  shown: string | null,
  { beganMs, endedMs }: Omit<ReadTime, 'answered'>,
): boolean {
  if (shown === null) return write.value === null || write.endsFromMs <= endedMs;
  return write.value === shown && write.endsByMs >= beganMs;
}

function brief(value: string | null): string {
  return value === null ? 'nothing' : JSON.stringify(value.slice(0, SHOWN_CHARACTERS));
}
