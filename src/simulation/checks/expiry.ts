/** A value with a time to live is there until then, and absent after, as far as the clocks of nodes may differ. Pure. */
import { timestampMs } from '../../../native-free-lsm/index.ts';
import { Outcome } from '../../outcome.ts';
import type { History, Observation, Violation } from '../history.ts';
import { byKey, describeRequest, isAcknowledgedWrite, isAnsweredRead } from './versions.ts';

const CHECK = 'values live as long as they should';

/**
 * @param startMs the wall clock's time at the beginning of the run
 * @param driftMs how far the nodes' own times may be from the right time
 */
export function checkExpiry({ observations }: History, startMs: number, driftMs: number): Violation[] {
  return [...byKey(observations)].flatMap((ofKey) => {
    const mortal = ofKey.filter((one) => isAcknowledgedWrite(one) && one.request.ttlMs > 0);
    return ofKey.filter(isAnsweredRead).flatMap((read) => {
      const written = mortal.find(
        ({ timestamp, writer }) => timestamp === read.timestamp && writer === read.writer,
      );
      if (written === undefined) return [];
      const sentence = faultOf(read, written, startMs, driftMs);
      return sentence === ''
        ? []
        : [{ check: CHECK, sentence, requests: [written.request.id, read.request.id] }];
    });
  });
}

function faultOf(read: Observation, written: Observation, startMs: number, driftMs: number): string {
  const expiryMs = timestampMs(written.timestamp) + written.request.ttlMs;
  const what = `${describeRequest(read)} of ${describeRequest(written)}, which lives for ${written.request.ttlMs} ms`;
  if (read.outcome === Outcome.ok && startMs + read.calledMs > expiryMs + driftMs)
    return `${what}, came ${Math.round(startMs + read.calledMs - expiryMs)} ms after its end and found it`;
  if (read.outcome === Outcome.notFound && startMs + read.answeredMs < expiryMs - driftMs)
    return `${what}, was answered ${Math.round(expiryMs - startMs - read.answeredMs)} ms before its end and did not find it`;
  return '';
}
