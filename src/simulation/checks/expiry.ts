/** A value with a time to live is there until then, and absent after, as far as the clocks of nodes may differ. Pure. */
import { Outcome } from '../../outcome.ts';
import type { History, Observation, Violation } from '../history.ts';
import { endOf, isOver, type WorldTime } from './life.ts';
import { byKey, describeRequest, isAcknowledgedWrite, isAnsweredRead } from './versions.ts';

/** Own times and lives are told in whole milliseconds. */
const GRAIN_MS = 2;
const CHECK = 'values live as long as they should';

export function checkExpiry({ observations }: History, world: WorldTime): Violation[] {
  return [...byKey(observations)].flatMap((ofKey) => {
    const writes = ofKey.filter(isAcknowledgedWrite);
    return ofKey.filter(isAnsweredRead).flatMap((read) => {
      const written = writes.find(
        ({ timestamp, writer }) => timestamp === read.timestamp && writer === read.writer,
      );
      if (written === undefined) return [];
      const sentence = faultOf(read, written, world);
      return sentence === ''
        ? []
        : [{ check: CHECK, sentence, requests: [written.request.id, read.request.id] }];
    });
  });
}

function faultOf(read: Observation, written: Observation, world: WorldTime): string {
  const { driftMs, startMs } = world;
  const { answeredMs, calledMs, livesMs, outcome, ownLagMs } = read;
  const isThere = outcome === Outcome.ok;
  if (written.request.ttlMs === 0)
    return isThere && livesMs !== 0
      ? `${describeRequest(read)} says that it lives for ${livesMs} ms, and it has no end`
      : '';
  const endMs = endOf(written) - startMs;
  const what = `${describeRequest(read)} of ${describeRequest(written)}, which lives for ${written.request.ttlMs} ms`;
  if (isThere && isOver(written, calledMs, ownLagMs, world))
    return `${what}, came ${Math.round(calledMs - endMs)} ms after its end and found it`;
  if (!isThere && answeredMs < endMs - driftMs)
    return `${what}, was answered ${Math.round(endMs - answeredMs)} ms before its end and did not find it`;
  // It is told at some moment between call and answer.
  const mostMs = endMs - calledMs + Math.max(driftMs, ownLagMs) + GRAIN_MS;
  const isLifeRight = livesMs <= mostMs && livesMs >= endMs - answeredMs - driftMs;
  return isThere && !isLifeRight
    ? `${what}, ended ${Math.round(endMs - answeredMs)} ms after the answer, which says ${Math.round(livesMs)} ms`
    : '';
}
