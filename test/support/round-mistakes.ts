/** Mistakes in the protocol of rounds, each planted by replacing one method, which the random histories must find. */

import { RoundRecords, StoreOutcome } from '../../src/replica/anti-entropy/round-records.ts';
import type { SlotPromises as Promises } from '../../src/replica/anti-entropy/slot-promises.ts';
import { Judgement, SlotPromises } from '../../src/replica/anti-entropy/slot-promises.ts';
import type { RoundModelFaults } from './round-model.ts';

export interface PlantedMistake {
  readonly name: string;
  readonly faults?: RoundModelFaults;
  /** Plants it; undone when what it returns is disposed of. */
  readonly plant?: () => Disposable;
}

/** Replaces a method of a class for a while. */
function replaced<Class extends object, Name extends keyof Class>(
  prototype: Class,
  name: Name,
  make: (original: Class[Name]) => Class[Name],
): Disposable {
  const original = prototype[name];
  prototype[name] = make(original);
  return {
    [Symbol.dispose]: () => {
      prototype[name] = original;
    },
  };
}

const promises: Promises = SlotPromises.prototype;

export const PLANTED_MISTAKES: readonly PlantedMistake[] = [
  {
    name: 'a round does not wait for writes that were taken before it closed',
    faults: { forgetsPendingWrites: true },
  },
  { name: 'promises are lost when a process ends', faults: { losesPromises: true } },
  {
    name: 'a late write does not break the close',
    plant: () =>
      replaced(
        promises,
        'judge',
        () =>
          function (this: Promises, slot, timestamp) {
            if (timestamp <= this.settledAt(slot)) return Judgement.settled;
            return timestamp <= this.barredAt(slot) ? Judgement.barred : Judgement.take;
          },
      ),
  },
  {
    name: 'what is barred and not settled is taken',
    plant: () =>
      replaced(
        promises,
        'judge',
        () =>
          function (this: Promises, slot, timestamp) {
            return timestamp <= this.settledAt(slot) ? Judgement.settled : Judgement.take;
          },
      ),
  },
  {
    name: 'an owner that was started again since the close settles',
    plant: () => replaced(promises, 'isClosed', () => () => true),
  },
  {
    name: 'a value that is settled to be gone is stored again',
    plant: () =>
      replaced(
        RoundRecords.prototype,
        'store',
        () =>
          function (this: RoundRecords, key, record) {
            return this.write(key, record);
          },
      ),
  },
  {
    name: 'what was not stored counts as brought over',
    plant: () =>
      replaced(
        RoundRecords.prototype,
        'store',
        (store) =>
          async function (this: RoundRecords, key, record) {
            if (key[key.length - 1] % 2 === 0) return StoreOutcome.stored;
            return store.call(this, key, record);
          },
      ),
  },
];
