import {
  quorumOf,
  REPLICAS,
  timestampOf,
  VERSIONS,
  type Versions,
  WAYS,
  type Way,
  WRITER,
} from '../accumulator/answers.ts';
import { createFold } from '../accumulator/own-folds.ts';
import type { MicroCase } from '../micro-case.ts';

const REQUESTS = 256;

export function caseName(way: Way, replicas: number, versions: Versions): string {
  const how = way === 'arrival' ? 'on arrival' : 'slots';
  return `accumulator: ${how}, ${replicas} replicas, ${versions === 'one' ? 'one version' : 'rising versions'}`;
}

/** Requests that all replicas answer, each from its beginning to its last answer. */
function accumulating(way: Way, replicas: number, versions: Versions): MicroCase {
  const ack = quorumOf(replicas);
  return {
    name: caseName(way, replicas, versions),
    operations: REQUESTS * replicas,
    prepare: () => {
      const timestamps = Array.from({ length: replicas }, (_, position) => timestampOf(versions, position));
      return {
        run: () => {
          let sum = 0;
          for (let request = 0; request < REQUESTS; request++) {
            const fold = createFold(way, ack, replicas);
            for (let position = 0; position < replicas; position++) {
              if (fold.succeed(position, timestamps[position], WRITER))
                sum += 1 + fold.timestamp - timestamps[0];
            }
          }
          return sum;
        },
        expected: versions === 'one' ? REQUESTS : REQUESTS * ack,
      };
    },
  };
}

export const cases: readonly MicroCase[] = WAYS.flatMap((way) =>
  VERSIONS.flatMap((versions) => REPLICAS.map((replicas) => accumulating(way, replicas, versions))),
);
