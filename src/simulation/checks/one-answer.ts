/** Every request is answered once, within its time, and with what it can be answered. Pure. */
import { Outcome } from '../../outcome.ts';
import type { History, Observation, Violation } from '../history.ts';
import { isRead } from './versions.ts';

const CHECK = 'one answer a request';

/** A deadline is seen a little late: many that pass one after the other cost one look. */
const SLACK_MS = 30;
/** One that is explained waits so much longer for those that have not answered. */
const EXPLAINING_MS = 50;

/** @param timeoutMs the time that a node gives a request */
export function checkAnswers({ observations }: History, timeoutMs: number): Violation[] {
  return observations.flatMap((observation) => {
    const sentence = faultOf(observation, timeoutMs);
    return sentence === '' ? [] : [{ check: CHECK, sentence, requests: [observation.request.id] }];
  });
}

function faultOf(observation: Observation, timeoutMs: number): string {
  const { answers, fault, isCutOff, outcome, request } = observation;
  const name = `#${request.id} ${request.kind}`;
  if (answers > 1) return `${name} was answered ${answers} times`;
  if (answers === 0) return isCutOff ? '' : `${name} was never answered, and its coordinator lives`;
  // A process that is frozen answers nothing meanwhile, and sees a deadline once it runs again.
  const tookMs = observation.answeredMs - observation.calledMs - observation.frozenMs;
  const mostMs = timeoutMs + SLACK_MS + (request.isExplained ? EXPLAINING_MS : 0);
  if (tookMs > mostMs)
    return `${name} was answered after ${Math.round(tookMs)} ms, and ${timeoutMs} are allowed`;
  if (fault !== '') return `${name} ${fault}`;
  if (outcome === Outcome.failed) return `${name} failed: ${observation.reason}`;
  if (outcome === Outcome.notFound && !isRead(observation)) return `${name} was answered as a read`;
  return '';
}
