import { SlotSet } from '../../../native-free-lsm/index.ts';
import { errorMessage } from '../../errors.ts';
import type { OtherOwner } from './other-owner.ts';
import type { SlotFingerprint } from './packed-lists.ts';

/** What has gone wrong in a round: slots that it cannot settle, owners that it has lost, and the first reason. */
export class RoundFaults {
  readonly #signal: AbortSignal;
  readonly #unclean = new SlotSet();
  #obstacle: string | null = null;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Why slots could not be settled; null: nothing is known that would be in the way. */
  get obstacle(): string | null {
    return this.#obstacle;
  }

  note(obstacle: string): void {
    this.#obstacle ??= obstacle;
  }

  noteFailed(nodeId: string, error: unknown): void {
    this.note(`node ${nodeId}: ${errorMessage(error)}`);
  }

  isUnclean(slot: number): boolean {
    return this.#unclean.has(slot);
  }

  spoil(of: readonly SlotFingerprint[], obstacle: string): void {
    if (of.length > 0) this.note(obstacle);
    for (const { slot } of of) this.#unclean.add(slot);
  }

  /** What goes wrong with one owner ends the round with that owner, and not with the others. */
  async tryWith(other: OtherOwner, work: () => Promise<void>): Promise<void> {
    if (other.isLost) return;
    try {
      await work();
    } catch (error) {
      this.#signal.throwIfAborted();
      other.isLost = true;
      this.noteFailed(other.nodeId, error);
    }
  }
}
