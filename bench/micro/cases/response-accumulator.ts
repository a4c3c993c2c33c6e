import { Decision, ResponseAccumulator } from '../../../src/coordinator/response-accumulator.ts';
import { ABSENT, found, type ReplicaReply, STORED } from '../../../src/reply.ts';
import { RequestKind } from '../../../src/settlement.ts';
import { recordOf } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const REQUESTS = 1024;

/** Requests with `ack` 2 and `from` 3, each from its beginning to its decision. */
function deciding(
  name: string,
  kind: RequestKind,
  replies: () => ReplicaReply[],
  freshest: number,
): MicroCase {
  return {
    name: `response accumulator: ${name}`,
    operations: REQUESTS,
    prepare: () => {
      const [first, second] = replies();
      return {
        run: () => {
          let sum = 0;
          for (let i = 0; i < REQUESTS; i++) {
            const accumulator = new ResponseAccumulator(kind, 2, 3);
            accumulator.add(i % 3, first, 0.25);
            const decision = accumulator.add((i + 1) % 3, second, 0.5);
            if (decision === Decision.succeeded) sum += accumulator.freshest?.length ?? 1;
          }
          return sum;
        },
        expected: REQUESTS * freshest,
      };
    },
  };
}

function foundVersion(timestamp: number, extra: string): ReplicaReply {
  return found(Buffer.concat([recordOf(0, timestamp), Buffer.from(extra)]));
}

export const cases: readonly MicroCase[] = [
  deciding('a write', RequestKind.write, () => [STORED, STORED], 1),
  deciding('a read of two versions', RequestKind.read, () => [foundVersion(1, ''), foundVersion(2, '!')], 31),
  deciding('a read, one without the key', RequestKind.read, () => [ABSENT, foundVersion(1, '')], 30),
];
