/**
 * What a client may do with the version that an answer carries: equal versions are the same write, and a conditional GET
 * is answered without the value where the client has this version, and nowhere else. Pure.
 */

import { Outcome } from '../../outcome.ts';
import type { History, Observation, Violation } from '../history.ts';
import { PlannedCondition } from '../plan/plan.ts';
import { byKey, describeRequest, isAcknowledgedWrite, isRead } from './versions.ts';

const SAME = 'equal versions are the same write';
const CONDITIONAL = 'conditional reads keep their condition';

export function checkTags({ observations }: History): Violation[] {
  return [...byKey(observations)].flatMap((ofKey) => [
    ...sameWrites(ofKey),
    ...ofKey.filter((one) => !keepsCondition(one)).map(brokenCondition),
  ]);
}

function sameWrites(observations: readonly Observation[]): Violation[] {
  const writers = new Map<string, number>();
  const violations: Violation[] = [];
  for (const one of observations) {
    const { outcome, readId, request, timestamp, writer } = one;
    const id = isAcknowledgedWrite(one) ? request.id : readId;
    if (outcome !== Outcome.ok || timestamp === 0 || id < 0) continue;
    const version = `${timestamp}.${writer}`;
    const known = writers.get(version) ?? id;
    writers.set(version, known);
    if (known === id) continue;
    const sentence = `${describeRequest(one)} is of request #${id}, and another of this version is of #${known}`;
    violations.push({ check: SAME, sentence, requests: [known, request.id] });
  }
  return violations;
}

function keepsCondition(one: Observation): boolean {
  const { outcome, request, sent, timestamp, verdict, writer } = one;
  if (!isRead(one) || outcome !== Outcome.ok || sent === null) return true;
  const hasIt = sent.timestamp === timestamp && sent.writer === writer;
  if (request.condition === PlannedCondition.changed) return verdict === (hasIt ? 'unchanged' : 'met');
  return verdict === (hasIt ? 'met' : 'unmet');
}

function brokenCondition(one: Observation): Violation {
  const { request, sent, verdict } = one;
  const sentence = `${describeRequest(one)} if ${request.condition}, of version ${sent!.timestamp}.${sent!.writer.toString(16)}, is ${verdict}`;
  return { check: CONDITIONAL, sentence, requests: [request.id] };
}
