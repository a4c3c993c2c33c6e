/**
 * Says when shared memory that was taken out of use may be reused: quiescent-state-based reclamation (QSBR, after
 * McKenney's RCU) by ring position. Bookkeeping of the main thread; not shared.
 *
 * A pool thread refers to shared things only while it works on a command of its ring, or to those named by commands
 * still in the ring. Its epoch word is the ring's count of released frames. So once it has released as many frames as
 * had been pushed when a thing was retired, no command is left that can name or hold the thing: commands pushed later
 * were written when it was already out of reach. A thread that died holds nothing.
 *
 * Order: the thread's last read happens before its release stores the count, and `collect` loads the count before it
 * calls `reclaim`. So that read cannot see what is written to the memory afterwards.
 */
import type { RingProducer } from './ring.ts';

interface Retired {
  readonly reclaim: () => void;
  /** The rings registered at that time, and the frames pushed to each; undefined at a free place. */
  readonly producers: readonly (RingProducer | undefined)[];
  readonly framesPushed: readonly number[];
}

export class EpochDomain {
  /** Copied at each change, so that retired things can share it. */
  #producers: readonly (RingProducer | undefined)[] = [];
  #retired: Retired[] = [];

  /** Adds a thread that may hold shared things from its next command on; returns its index. */
  register(producer: RingProducer): number {
    const free = this.#producers.indexOf(undefined);
    const index = free < 0 ? this.#producers.length : free;
    this.replace(index, producer);
    return index;
  }

  /** The thread is dead: nothing waits for it any more. */
  unregister(index: number): void {
    this.#producers = this.#producers.with(index, undefined);
  }

  /** The thread is dead, and another with a ring of its own takes its place. */
  replace(index: number, producer: RingProducer): void {
    const producers = [...this.#producers];
    producers[index] = producer;
    this.#producers = producers;
  }

  /**
   * Has `reclaim` called by a later `collect`, once no thread can hold what it frees. The thing must already be out of
   * reach: no command pushed from now on may name it. Calls come in the order of retirement.
   */
  retire(reclaim: () => void): void {
    const framesPushed = this.#producers.map((producer) => producer?.framesPushed ?? 0);
    this.#retired.push({ reclaim, producers: this.#producers, framesPushed });
  }

  /** Calls `reclaim` for everything that no thread can hold any more. Costs a few loads when there is nothing. */
  collect(): void {
    // The oldest first: everything retired later waits at least for what it waits for.
    while (this.#retired.length > 0 && this.#hasPassed(this.#retired[0])) this.#retired.shift()!.reclaim();
  }

  /** How many are retired and not yet reclaimed. */
  get pending(): number {
    return this.#retired.length;
  }

  #hasPassed(retired: Retired): boolean {
    for (let index = 0; index < retired.producers.length; index++) {
      const producer = retired.producers[index];
      // There is another ring at its place, or none: the thread is dead.
      if (producer === undefined || producer !== this.#producers[index]) continue;
      // Counters wrap, but the difference does not, because a ring holds far fewer than 2^31 frames.
      if (((producer.framesCompleted - retired.framesPushed[index]) | 0) < 0) return false;
    }
    return true;
  }
}
