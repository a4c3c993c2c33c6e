/** Whether a write of a client, a hint or a read repair may still be stored: what the replica asks of the rounds. */
import { slotOf } from '../../../native-free-lsm/index.ts';
import { FailureCode } from '../../failure.ts';
import { failed, type ReplicaReply, SETTLED_WRITER, stale } from '../../reply.ts';
import { Judgement, type SlotPromises } from './slot-promises.ts';

const SETTLING = failed(FailureCode.settling, 'its slot is being settled up to a later timestamp');

export class SettledWrites {
  readonly #promises: SlotPromises;
  #refused = 0;

  constructor(promises: SlotPromises) {
    this.#promises = promises;
  }

  /** No write with a later timestamp has to be judged. */
  get highest(): number {
    return this.#promises.highest;
  }

  /** How many writes were refused. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * @returns null: it may be stored. A write that is settled is answered as one that met the last version that is
   *   settled: a coordinator takes a later timestamp, and whoever repairs has nothing left to do
   */
  judge(key: Uint8Array, timestamp: number): ReplicaReply | null {
    const slot = slotOf(key);
    const judgement = this.#promises.judge(slot, timestamp);
    if (judgement === Judgement.take) return null;
    this.#refused++;
    if (judgement === Judgement.barred) return SETTLING;
    return stale(this.#promises.settledAt(slot), SETTLED_WRITER);
  }
}
