import { Decision, RequestKind, ResponseAccumulator } from '../../../src/coordinator/response-accumulator.ts';
import { ABSENT, type ReplicaReply, ReplyKind, STORED } from '../../../src/reply.ts';
import { recordOf } from '../inputs.ts';
import type { MicroCase } from '../micro-case.ts';

const REQUESTS = 1024;

/** Requests of `ack` 2 and `from` 3, each from its beginning to its decision. */
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
            accumulator.add(i % 3, first);
            const decision = accumulator.add((i + 1) % 3, second);
            if (decision === Decision.succeeded) sum += accumulator.freshest?.length ?? 1;
          }
          return sum;
        },
        expected: REQUESTS * freshest,
      };
    },
  };
}

function found(timestamp: number, extra: string): ReplicaReply {
  const record = Buffer.concat([recordOf(0, timestamp), Buffer.from(extra)]);
  return { kind: ReplyKind.ok, record, reason: '' };
}

export const cases: readonly MicroCase[] = [
  deciding('a write', RequestKind.write, () => [STORED, STORED], 1),
  deciding('a read of two versions', RequestKind.read, () => [found(1, ''), found(2, '!')], 31),
  deciding('a read, one without the key', RequestKind.read, () => [ABSENT, found(1, '')], 30),
];
