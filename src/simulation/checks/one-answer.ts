/** Every request is answered once, within its time, and with what it can be answered. Pure. */
import { Outcome } from '../../outcome.ts';
import type { History, Observation, Violation } from '../history.ts';
import { isRead } from './versions.ts';

const CHECK = 'one answer a request';

export function checkAnswers({ observations }: History): Violation[] {
  return observations.flatMap((observation) => {
    const sentence = faultOf(observation);
    return sentence === '' ? [] : [{ check: CHECK, sentence, requests: [observation.request.id] }];
  });
}

function faultOf(observation: Observation): string {
  const { answers, fault, isCutOff, outcome, request } = observation;
  const name = `#${request.id} ${request.kind}`;
  if (answers > 1) return `${name} was answered ${answers} times`;
  if (answers === 0) return isCutOff ? '' : `${name} was never answered, and its coordinator lives`;
  if (fault !== '') return `${name} ${fault}`;
  if (outcome === Outcome.failed) return `${name} failed: ${observation.reason}`;
  if (outcome === Outcome.notFound && !isRead(observation)) return `${name} was answered as a read`;
  return '';
}
