/** A node's doors as one: they drain together, because what is under way in the node came through any of them. */
import type { Admission } from '../admission/admission.ts';
import type { Door, DoorContext, DoorFactory } from '../admission/door.ts';
import type { Clock } from '../clock.ts';

export class Doors {
  readonly #doors: readonly Door[];
  readonly #admission: Admission;
  readonly #clock: Clock;
  #drained: PromiseWithResolvers<void> | null = null;
  #isClosing = false;

  constructor(doors: readonly Door[], admission: Admission, clock: Clock) {
    this.#doors = doors;
    this.#admission = admission;
    this.#clock = clock;
  }

  static create(factories: readonly DoorFactory[], context: Omit<DoorContext, 'firstEncoder'>): Doors {
    // The engine has the encoders of all doors in one list, and counts them from 1.
    let firstEncoder = 1;
    const doors: Door[] = [];
    for (const factory of factories) {
      doors.push(factory.create({ ...context, firstEncoder }));
      firstEncoder += factory.entryEncoders.length;
    }
    return new Doors(doors, context.admission, context.clock);
  }

  /** Resolves when all let clients in; one that cannot keeps the others from it. */
  async listen(): Promise<void> {
    for (const door of this.#doors) await door.listen();
  }

  get addresses(): readonly string[] {
    return this.#doors.map(({ address }) => address);
  }

  /**
   * Refuses new requests and lets those under way end, then closes. Resolves when every client is gone. Called again it
   * is the same drain, with one more signal.
   * @param signal its abort cuts off what is left
   */
  drain(signal?: AbortSignal): Promise<void> {
    if (this.#drained === null) {
      this.#drained = Promise.withResolvers<void>();
      for (const door of this.#doors) door.quiesce();
      // Requests end before their answers are written: the turn's end is after both.
      this.#admission.drain(() => this.#clock.endOfTurn(() => this.#close()));
    }
    if (signal?.aborted === true) this.#abort();
    else signal?.addEventListener('abort', () => this.#abort(), { once: true });
    return this.#drained.promise;
  }

  #close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    void Promise.allSettled(this.#doors.map((door) => door.close())).then((results) => {
      const fault = results.find((result) => result.status === 'rejected');
      if (fault === undefined) this.#drained?.resolve();
      else this.#drained?.reject(fault.reason);
    });
  }

  #abort(): void {
    this.#close();
    for (const door of this.#doors) door.abort();
  }
}
