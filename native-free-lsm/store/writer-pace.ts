import type { EngineClock } from '../clock.ts';
import type { EngineOptions } from '../options.ts';
import { ControlWord } from '../shared/control.ts';
import type { Arenas } from './arenas.ts';
import type { EngineConditions, Worker } from './conditions.ts';
import type { SuperVersions } from './super-versions.ts';

const SLOWDOWN_STEP_MICROS = 1000;
const MAX_SLOWDOWN_MICROS = 10_000;
const ARENA_LOOK_MS = 5;
const WAITED_FOR: readonly Worker[] = ['flush', 'compaction', 'manifest'];

interface WriterPaceParts {
  readonly arenas: Arenas;
  readonly clock: EngineClock;
  readonly conditions: EngineConditions;
  readonly options: EngineOptions;
  readonly superVersions: SuperVersions;
  /** Of the control block. */
  readonly words: Int32Array;
  /** No arena is left for the writer's next memtable, so whatever pins one must give it up. */
  readonly onArenasShort: () => void;
  /** Threads have had time to leave memtables that are in tables. */
  readonly onArenaLook: () => void;
}

/** How fast the writer may go: as fast as flushes and compactions keep up. */
export class WriterPace {
  readonly #parts: WriterPaceParts;
  #isLookingForArena = false;

  constructor(parts: WriterPaceParts) {
    this.#parts = parts;
  }

  /** Memtables that wait for their flush. */
  get sealedMemtables(): number {
    return this.#parts.arenas.activeGeneration - this.#parts.superVersions.current.oldestGeneration;
  }

  /** Whether writes wait until that work succeeds. */
  isStoppedBy(worker: Worker): boolean {
    const { options, superVersions } = this.#parts;
    if (worker === 'flush') return this.sealedMemtables >= options.maxSealedMemtables;
    if (worker === 'readers') return false;
    if (worker !== 'compaction') return true;
    return superVersions.version.levels[0].length >= options.l0StopTables;
  }

  /** Slows the writer down before it must stop, and gives it a new memtable only while flushes keep up. */
  steer(): void {
    const { arenas, clock, conditions, onArenaLook, onArenasShort, options, superVersions, words } =
      this.#parts;
    const l0Tables = superVersions.version.levels[0].length;
    const excess = l0Tables - options.l0SlowdownTables + 1;
    const micros = excess > 0 ? Math.min(excess * SLOWDOWN_STEP_MICROS, MAX_SLOWDOWN_MICROS) : 0;
    // A hint that the writer reads after each batch; nothing is ordered by it.
    Atomics.store(words, ControlWord.slowdownMicros, micros);
    const fails = WAITED_FOR.some((worker) => conditions.isFailing(worker) && this.isStoppedBy(worker));
    // Looked at in each turn of a wait; nothing is ordered by it.
    Atomics.store(words, ControlWord.stallFails, fails ? 1 : 0);
    if (this.isStoppedBy('flush') || this.isStoppedBy('compaction')) return;
    const announce = (index: number, memory: SharedArrayBuffer): void =>
      superVersions.announceArena(index, memory);
    if (arenas.offer(announce)) return;
    onArenasShort();
    if (arenas.offer(announce) || this.#isLookingForArena) return;
    // Memtables that are in tables become free when the threads switch to the newest super-version; a thread that waits
    // does not say when it does.
    this.#isLookingForArena = true;
    clock.after(ARENA_LOOK_MS, () => {
      this.#isLookingForArena = false;
      onArenaLook();
    });
  }
}
