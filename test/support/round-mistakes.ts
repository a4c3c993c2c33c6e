/** Mistakes in the protocol of rounds, each planted by replacing one method, and the scenario that must find it. */
import { PromiseKeeper } from '../../src/replica/anti-entropy/promise-keeper.ts';
import { RoundRecords } from '../../src/replica/anti-entropy/round-records.ts';
import { Judgement, SlotPromises } from '../../src/replica/anti-entropy/slot-promises.ts';
import { Replica } from '../../src/replica/replica.ts';

export interface PlantedMistake {
  readonly name: string;
  /** A name in ROUND_SCENARIOS. */
  readonly scenario: string;
  /** Plants it; undone when what it returns is disposed of. */
  readonly plant: () => Disposable;
}

/** Replaces a method of a class for a while. */
function replaced<Class extends object, Name extends keyof Class>(
  prototype: Class,
  name: Name,
  method: Class[Name],
): Disposable {
  const original = prototype[name];
  prototype[name] = method;
  return {
    [Symbol.dispose]: () => {
      prototype[name] = original;
    },
  };
}

const LATE_WRITE = 'a late write while its slot is compared is stored, and the slot is not settled';
const BARRED = 'where a slot is barred and not settled, a late write fails for now, also after a restart';

export const PLANTED_MISTAKES: readonly PlantedMistake[] = [
  {
    name: 'a round does not wait for writes that were taken before it closed',
    scenario: 'a write that was taken before the close and is not visible yet is counted',
    plant: () => replaced(Replica.prototype, 'whenWritten', () => Promise.resolve()),
  },
  {
    name: 'a late write does not break the close',
    scenario: LATE_WRITE,
    plant: () =>
      replaced(SlotPromises.prototype, 'judge', function (this: SlotPromises, slot, timestamp) {
        if (timestamp <= this.settledAt(slot)) return Judgement.settled;
        return timestamp <= this.barredAt(slot) ? Judgement.barred : Judgement.take;
      }),
  },
  {
    name: 'what is barred and not settled is taken',
    scenario: BARRED,
    plant: () =>
      replaced(SlotPromises.prototype, 'judge', function (this: SlotPromises, slot, timestamp) {
        return timestamp <= this.settledAt(slot) ? Judgement.settled : Judgement.take;
      }),
  },
  {
    name: 'promises are forgotten when a process ends',
    scenario: BARRED,
    plant: () => replaced(PromiseKeeper.prototype, 'load', () => Promise.resolve(0)),
  },
  {
    name: 'an owner that was started again since the close settles',
    scenario: 'an owner that was started again since the close settles nothing of the round',
    plant: () => replaced(SlotPromises.prototype, 'isClosed', () => true),
  },
  {
    name: 'what is settled is taken',
    scenario: 'a late hint does not bring a deleted value back',
    plant: () => replaced(SlotPromises.prototype, 'judge', () => Judgement.take),
  },
  {
    name: 'a value that is settled to be gone is stored again',
    scenario: 'the same when nobody has noticed that it is old',
    plant: () =>
      replaced(RoundRecords.prototype, 'store', function (this: RoundRecords, key, record) {
        return this.write(key, record);
      }),
  },
];
