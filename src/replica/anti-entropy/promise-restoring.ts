/**
 * What damage of the disk takes of this node's promises is given anew, so that it costs no start and no operator: at the
 * start what cannot be read is barred later than any promise can have been, and later what is in memory is written again.
 * Then the damaged table need not be kept for the node's own records.
 */
import type { Clock } from '../../clock.ts';
import { errorMessage, QuorateError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { pause } from '../pause.ts';
import type { StorageEngine } from '../storage-engine.ts';
import { GROUP_COUNT } from './digest-tree.ts';
import type { PromiseKeeper } from './promise-keeper.ts';

const POLL_MS = 50;

interface PromiseRestoringOptions {
  readonly keeper: Pick<PromiseKeeper, 'barUnknown' | 'hasUnknown' | 'load' | 'restore'>;
  readonly engine: Pick<StorageEngine, 'giveUpPrivate' | 'losses'>;
  /** No promise of an earlier process can be later; 0: the time is not known yet. */
  readonly latestPromise: () => number;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  readonly signal: AbortSignal;
}

export class PromiseRestoring {
  /** Groups of slots of which the promises could not be read at the start. */
  groupsLost = 0;
  readonly #options: PromiseRestoringOptions;
  /** How often the engine had lost something when this looked last. */
  #losses = 0;
  #looking: Promise<void> | null = null;

  constructor(options: PromiseRestoringOptions) {
    this.#options = options;
  }

  /**
   * Before the node takes its first write.
   * @throws QuorateError
   */
  async load(isWhole: boolean): Promise<void> {
    const { keeper, log } = this.#options;
    this.groupsLost = await keeper.load(isWhole);
    if (this.groupsLost === 0) return;
    log.warn(
      `The disk has lost what this node had settled of ${this.groupsLost} of ${GROUP_COUNT} groups of slots: rounds of anti-entropy settle it again`,
    );
    void this.#untilBarred();
  }

  /**
   * Before this node takes part in a round.
   * @throws QuorateError STORAGE: it cannot yet
   */
  async look(): Promise<void> {
    const { engine, keeper } = this.#options;
    if (!keeper.hasUnknown && (engine.losses ?? 0) === this.#losses) return;
    this.#looking ??= this.#restore().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #restore(): Promise<void> {
    const { engine, keeper, latestPromise } = this.#options;
    if (keeper.hasUnknown) {
      const latest = latestPromise();
      if (latest === 0) throw new QuorateError('STORAGE', 'the time is not known yet');
      await keeper.barUnknown(latest);
    }
    const losses = engine.losses ?? 0;
    if (losses === this.#losses) return;
    await keeper.restore();
    // What was lost meanwhile may be of what had been read by then: the next look finds it.
    if ((engine.losses ?? 0) !== losses) return;
    // Hints are left out where they cannot be read, and how far a refill has come may be known too little.
    engine.giveUpPrivate?.();
    this.#losses = losses;
  }

  /** Writes of these slots wait for it. */
  async #untilBarred(): Promise<void> {
    const { clock, keeper, log, signal } = this.#options;
    for (let isNews = true; keeper.hasUnknown && !signal.aborted; ) {
      try {
        if (this.#options.latestPromise() > 0) await this.look();
      } catch (error) {
        if (isNews) log.warn(`What this node has promised cannot be written anew: ${errorMessage(error)}`);
        isNews = false;
      }
      await pause(clock, POLL_MS, signal).catch(() => undefined);
    }
  }
}
