/** What clients saw of the keys that they used as registers (`consistency=linearizable`) is linearizable. Pure. */
import { Outcome } from '../../outcome.ts';
import type { History, Observation, Violation } from '../history.ts';
import { RequestMethod } from '../plan/plan.ts';
import { describeFault, linearizabilityFault, type RegisterOperation } from './linearizability.ts';
import { byKey, isRead, lostDisks } from './versions.ts';

const CHECK = 'linearizable requests are';

export function checkRegisters(history: History): Violation[] {
  const asked = history.observations.filter(({ request }) => request.isLinearizable);
  return [...byKey(asked)].flatMap((observations) => {
    // Nothing is promised once so many disks have lost what they had.
    if (observations.some((one) => lostDisks(history, one) >= one.request.ack)) return [];
    const fault = linearizabilityFault(observations.flatMap(operationOf));
    if (fault === null) return [];
    return [
      {
        check: CHECK,
        sentence: describeFault(fault),
        requests: observations.map(({ request }) => request.id),
      },
    ];
  });
}

function operationOf(observation: Observation): RegisterOperation[] {
  const { answeredAt, calledAt, outcome, readId, request } = observation;
  const { id, key, kind } = request;
  const isDone = outcome === Outcome.ok || outcome === Outcome.notFound;
  const time = { key, calledAt, answeredAt: isDone ? answeredAt : Number.POSITIVE_INFINITY };
  if (isRead(observation))
    return isDone ? [{ ...time, kind: 'read', value: readId < 0 ? null : `#${readId}` }] : [];
  // Nothing was written; any other failure may have left it on some replica.
  if (outcome === Outcome.badRequest || outcome === Outcome.conditionFailed) return [];
  return [{ ...time, kind: 'write', value: kind === RequestMethod.delete ? null : `#${id}` }];
}
