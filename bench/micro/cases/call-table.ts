import { CallTable } from '../../../native-free-lsm/call-table.ts';
import type { MicroCase } from '../micro-case.ts';

const CALLS = 4096;

interface PositionedCall {
  sink: object | null;
  position: number;
}

/** Calls of which so many are always under way, answered in the order in which they were made. */
function passing(underWay: number): MicroCase {
  return {
    name: `calls: add and take, ${underWay} under way`,
    operations: CALLS,
    prepare: () => {
      const table = new CallTable<PositionedCall>();
      const sink = {};
      const tags = new Int32Array(underWay);
      const add = (position: number): number => {
        const call = table.reuse() ?? { sink: null, position: 0 };
        call.sink = sink;
        call.position = position;
        return table.add(call);
      };
      const take = (tag: number): number => {
        const call = table.find(tag);
        if (call === undefined) return Number.NaN;
        const { position } = call;
        call.sink = null;
        table.free(tag);
        return position;
      };
      for (let i = 0; i < underWay; i++) tags[i] = add(0);
      return {
        run: () => {
          let sum = 0;
          for (let position = 1; position <= CALLS; position++) {
            const at = position % underWay;
            sum += take(tags[at]);
            tags[at] = add(position);
          }
          for (let at = 0; at < underWay; at++) {
            sum += take(tags[at]);
            tags[at] = add(0);
          }
          return sum;
        },
        expected: (CALLS * (CALLS + 1)) / 2,
      };
    },
  };
}

export const cases: readonly MicroCase[] = [passing(1), passing(64), passing(2048)];
