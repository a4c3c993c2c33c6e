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
 * @param settledAt up to which timestamp the slot of a key is settled: a deletion up to there may be purged by one owner
 *   and not by another yet
 * @param positionOf where a machine is in a key's preference list
 * @returns what differs first, as a sentence; empty: nothing does
 */
export function differenceOf(
  finals: readonly FinalState[],
  settledAt: ReadonlyMap<string, number>,
  positionOf: (machine: string, key: string) => number,
): string {
  for (const { machine, records } of finals)
    if (records === null) return `${machine} cannot tell what it has`;
  const keys = new Set(finals.flatMap(({ records }) => [...records!.keys()]));
  for (const key of [...keys].sort()) {
    const newest = newestOf(finals, key)!;
    const isSettled = newest.timestamp <= (settledAt.get(key) ?? 0);
    for (const { machine, records } of finals) {
      const record = records!.get(key);
      const isMissing = positionOf(machine, key) < newest.from && !(isSettled && isMortal(newest));
      if (record === undefined ? isMissing : isOlder(record, newest))
        return `${machine} has ${nameOf(record)} of ${key}, and the newest is ${nameOf(newest)}`;
    }
  }
  return '';
}

/** It is deleted, or will have expired: once that is settled it may be purged. */
export function isMortal({ expiryMs, isTombstone }: StoredRecord): boolean {
  return isTombstone || expiryMs > 0;
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
