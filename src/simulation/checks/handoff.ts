/**
 * Hints bring an acknowledged write to each owner that missed it, before owners are compared: anti-entropy would hide
 * whatever goes wrong with hints. Pure.
 */
import type { FinalState, Observation, Violation } from '../history.ts';
import { newestOf } from './convergence.ts';
import { byKey, isAcknowledgedWrite, isOlder } from './versions.ts';

const CHECK = 'hints bring what was missed';

/** @param missing what an owner lacks after so long; empty: nothing */
export function checkHandoff(missing: string, afterMs: number): Violation[] {
  if (missing === '') return [];
  const sentence = `${afterMs / 1000} s after everything was mended, and before any owners were compared, ${missing}`;
  return [{ check: CHECK, sentence, requests: [] }];
}

/**
 * Of a write that was not acknowledged nobody may know that a replica has it: there is no hint then.
 * @param positionOf where a machine is in a key's preference list
 * @returns what an owner lacks, as a sentence; empty: nothing
 */
export function missingOf(
  observations: readonly Observation[],
  states: readonly FinalState[],
  positionOf: (machine: string, key: string) => number,
): string {
  for (const ofKey of byKey(observations)) {
    const { key } = ofKey[0].request;
    const newest = newestOf(states, key);
    if (newest === null) continue;
    const { timestamp, writer, from } = newest;
    const isNewest = (one: Observation): boolean => one.timestamp === timestamp && one.writer === writer;
    const written = ofKey.find((one) => isAcknowledgedWrite(one) && isNewest(one));
    if (written === undefined) continue;
    for (const { machine, records } of states) {
      const record = records?.get(key);
      if (records === null || positionOf(machine, key) >= from) continue;
      if (record === undefined || isOlder(record, newest))
        return `${machine} lacks #${written.request.id} ${written.request.kind} ${key} (version ${timestamp})`;
    }
  }
  return '';
}
