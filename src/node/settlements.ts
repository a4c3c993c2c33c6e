import type { Settlement, SettlementSink } from '../settlement.ts';

/** Tells several sinks what each request has come to. */
export class Settlements implements SettlementSink {
  readonly #sinks: readonly SettlementSink[];

  constructor(sinks: readonly SettlementSink[]) {
    this.#sinks = sinks;
  }

  onSettled(settlement: Settlement): void {
    for (let i = 0; i < this.#sinks.length; i++) this.#sinks[i].onSettled(settlement);
  }
}
