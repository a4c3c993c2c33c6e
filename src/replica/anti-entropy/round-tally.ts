import type { RoundResult } from './round-leader.ts';
import { isWholeStretch, STRETCH_COUNT, type Stretch } from './round-schedule.ts';

/** What the rounds that this node has led since its start have come to. Pure. */
export class RoundTally {
  stretches = 0;
  slotsDiffering = 0;
  keysSent = 0;
  /** When each whole stretch was last gone through with all owners there, by its first slot. */
  readonly #doneAtMs = new Map<number, number>();
  /** The oldest watermark among the slots that this node leads, by the first slot of their stretch. */
  readonly #watermarks = new Map<number, number>();

  note(stretch: Stretch, result: RoundResult, nowMs: number): void {
    this.stretches++;
    this.slotsDiffering += result.differing;
    this.keysSent += result.keysSent;
    if (!isWholeStretch(stretch)) return;
    if (!result.isOwnerAway && !result.isOwnerLost) this.#doneAtMs.set(stretch.first, nowMs);
    this.#watermarks.set(stretch.first, result.oldestSettled);
  }

  /** Since when every stretch has been gone through; null: one has not been since the start. */
  get allDoneSinceMs(): number | null {
    return this.#doneAtMs.size < STRETCH_COUNT ? null : Math.min(...this.#doneAtMs.values());
  }

  /** Up to which timestamp all slots that this node leads are settled, as far as rounds have come; 0: none is. */
  get watermark(): number {
    return this.#watermarks.size === 0 ? 0 : Math.max(Math.min(...this.#watermarks.values()), 0);
  }
}
