/** Whether all owners have the same: the newest version of a key is with each owner that its write asked for. Pure. */
import type { FinalState, StoredRecord, Violation } from '../history.ts';
import { isOlder } from './versions.ts';

const CHECK = 'owners are equal after healing';

/** @param difference what owners differ in after so long; empty: nothing */
export function checkConvergence(difference: string, afterMs: number): Violation[] {
  if (difference === '') return [];
  const sentence = `${afterMs / 1000} s after everything was mended, ${difference}`;
  return [{ check: CHECK, sentence, requests: [] }];
}

/**
 * @param positionOf where a machine is in a key's preference list
 * @returns what differs first, as a sentence; empty: nothing does
 */
export function differenceOf(
  finals: readonly FinalState[],
  positionOf: (machine: string, key: string) => number,
): string {
  for (const { machine, records } of finals)
    if (records === null) return `${machine} cannot tell what it has`;
  const keys = new Set(finals.flatMap(({ records }) => [...records!.keys()]));
  for (const key of [...keys].sort()) {
    const newest = newestOf(finals, key)!;
    for (const { machine, records } of finals) {
      const record = records!.get(key);
      const isOwner = positionOf(machine, key) < newest.from;
      if (record === undefined ? isOwner : isOlder(record, newest))
        return `${machine} has ${nameOf(record)} of ${key}, and the newest is ${nameOf(newest)}`;
    }
  }
  return '';
}

/** Null: no machine has the key. */
export function newestOf(finals: readonly FinalState[], key: string): StoredRecord | null {
  let newest: StoredRecord | null = null;
  for (const { records } of finals) {
    const record = records?.get(key);
    if (record !== undefined && (newest === null || isOlder(newest, record))) newest = record;
  }
  return newest;
}

function nameOf(record: StoredRecord | undefined): string {
  return record === undefined ? 'nothing' : `version ${record.timestamp}.${record.writer.toString(16)}`;
}
