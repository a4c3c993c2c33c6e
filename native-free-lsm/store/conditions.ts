import type { EngineClock } from '../clock.ts';
import { LsmError } from '../errors.ts';

/** Something that keeps the engine from doing all it should. It is in the list as long as it lasts. */
export interface EngineCondition {
  /** For programs: one of ConditionCode. */
  readonly code: string;
  /** A sentence for people: what is wrong, where, and what to do. */
  readonly message: string;
  /** When it began, in ms since the Unix epoch. */
  readonly sinceMs: number;
  /** Whether writes are refused meanwhile. */
  readonly stopsWrites: boolean;
}

const ConditionCode = {
  /** The disk or quota is full. */
  noSpace: 'NO_SPACE',
  /** The file system takes no writes. */
  readOnly: 'READ_ONLY',
  /** A table cannot be read completely; only what is in the damaged place is missing. */
  damagedTable: 'DAMAGED_TABLE',
  /** The end of the opening, the log, the manifest, a flush or a compaction fails for another reason. */
  openingHeld: 'OPENING_HELD',
  logFailing: 'LOG_FAILING',
  manifestFailing: 'MANIFEST_FAILING',
  flushFailing: 'FLUSH_FAILING',
  compactionFailing: 'COMPACTION_FAILING',
  /** No thread can be started that reads what is not in memory, or that writes. */
  readerFailing: 'READER_FAILING',
  writerFailing: 'WRITER_FAILING',
  /** Nothing is acknowledged until the engine is opened again. */
  poisoned: 'POISONED',
} as const;
type ConditionCode = (typeof ConditionCode)[keyof typeof ConditionCode];

/** The work that fails. */
export type Worker =
  | 'opening'
  | 'tables'
  | 'log'
  | 'manifest'
  | 'flush'
  | 'compaction'
  | 'readers'
  | 'writer';

const OWN_CODE: Readonly<Record<Worker, ConditionCode>> = {
  opening: ConditionCode.openingHeld,
  tables: ConditionCode.openingHeld,
  log: ConditionCode.logFailing,
  manifest: ConditionCode.manifestFailing,
  flush: ConditionCode.flushFailing,
  compaction: ConditionCode.compactionFailing,
  readers: ConditionCode.readerFailing,
  writer: ConditionCode.writerFailing,
};

interface Trouble {
  readonly error: LsmError;
  readonly sinceMs: number;
}

/** What is wrong with an engine now: noted where it is found, and forgotten where it has passed. */
export class EngineConditions {
  readonly #clock: EngineClock;
  readonly #failing = new Map<Worker, Trouble>();
  /** By path. */
  readonly #damaged = new Map<string, Trouble>();
  #poison: Trouble | undefined;

  constructor(clock: EngineClock) {
    this.#clock = clock;
  }

  /** When it is noted again with another error, it keeps its time. */
  failing(worker: Worker, error: LsmError): void {
    const sinceMs = this.#failing.get(worker)?.sinceMs ?? this.#clock.nowMs();
    this.#failing.set(worker, { error, sinceMs });
  }

  works(worker: Worker): void {
    this.#failing.delete(worker);
  }

  isFailing(worker: Worker): boolean {
    return this.#failing.has(worker);
  }

  poisoned(error: LsmError): void {
    this.#poison ??= { error, sinceMs: this.#clock.nowMs() };
  }

  /** A table cannot be read completely; the first fault that was found in it is shown. */
  damaged(path: string, error: LsmError): void {
    if (!this.#damaged.has(path)) this.#damaged.set(path, { error, sinceMs: this.#clock.nowMs() });
  }

  /** The table no longer exists. */
  forgetTable(path: string): void {
    this.#damaged.delete(path);
  }

  /** @param stopsWriter whether writes wait until that work succeeds */
  list(stopsWriter: (worker: Worker) => boolean): readonly EngineCondition[] {
    if (this.#failing.size + this.#damaged.size === 0 && this.#poison === undefined) return NONE;
    const byCode = new Map<string, EngineCondition>();
    const add = (code: ConditionCode, { error, sinceMs }: Trouble, stopsWrites: boolean): void => {
      const before = byCode.get(code);
      byCode.set(code, {
        code,
        message: before?.message ?? error.message,
        sinceMs: Math.min(before?.sinceMs ?? sinceMs, sinceMs),
        stopsWrites: stopsWrites || before?.stopsWrites === true,
      });
    };
    if (this.#poison !== undefined) add(ConditionCode.poisoned, this.#poison, true);
    for (const [worker, trouble] of this.#failing) {
      add(codeOf(trouble.error) ?? OWN_CODE[worker], trouble, stopsWriter(worker));
    }
    if (this.#damaged.size > 0) {
      const [first] = this.#damaged.values();
      const others =
        this.#damaged.size === 1 ? '' : `; and ${this.#damaged.size - 1} more tables are damaged`;
      const message = `${first.error.message}${others}. Only keys in that place cannot be read, until they are written again, which other replicas do by themselves; where nobody has them, stop the engine and repair its folder, or restore it`;
      add(ConditionCode.damagedTable, { ...first, error: new LsmError('CORRUPTION', message) }, false);
    }
    return [...byCode.values()];
  }
}

const NONE: readonly EngineCondition[] = [];

function codeOf({ code }: LsmError): ConditionCode | undefined {
  if (code === 'NO_SPACE') return ConditionCode.noSpace;
  if (code === 'READ_ONLY') return ConditionCode.readOnly;
  return undefined;
}
