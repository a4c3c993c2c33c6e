import { Placement, type PlacementPolicy } from '../../../src/cluster/placement.ts';
import { SLOT_COUNT, slotOf } from '../../../src/cluster/slots.ts';
import { evenKey } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const KEYS = 1024;

function nodes(count: number) {
  return Array.from({ length: count }, (_, i) => ({ id: `node-${i + 1}`, zone: `zone-${i % 3}`, weight: 1 }));
}

function building(policy: PlacementPolicy): MicroCase {
  return {
    name: `placement: make the table of 9 nodes, ${policy}, a slot`,
    operations: SLOT_COUNT,
    prepare: () => ({
      run: () => {
        const placement = new Placement(nodes(9), policy);
        const { lists } = placement;
        let sum = 0;
        for (let slot = 0; slot < SLOT_COUNT; slot++) placement.listOffset(slot);
        for (let i = 0; i < lists.length; i++) sum += lists[i];
        return sum;
      },
      // Each list contains each of the nodes 0 to 8 once.
      expected: SLOT_COUNT * 36,
    }),
  };
}

export const cases: readonly MicroCase[] = [
  {
    name: 'placement: look a key up',
    operations: KEYS,
    prepare: () => {
      const placement = new Placement(nodes(3), 'any');
      const keys = Array.from({ length: KEYS }, (_, index) => evenKey(index));
      return {
        run: () => {
          let sum = 0;
          for (const key of keys) {
            const at = placement.listOffset(slotOf(key));
            // All are different, or the sum would be another one.
            sum +=
              (1 << placement.lists[at]) | (1 << placement.lists[at + 1]) | (1 << placement.lists[at + 2]);
          }
          return sum;
        },
        expected: KEYS * 0b111,
      };
    },
  },
  building('any'),
  building('spread'),
];
