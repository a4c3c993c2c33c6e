/**
 * What a purge may take away: of deletions, and of values that have expired, those that are settled. Everything else that
 * a machine held before is still there, or something newer is. It is judged over a time in which nobody writes, so that
 * no round and no hint brings back what a purge should not have taken. Pure.
 */
import type { FinalState, StoredRecord, Violation } from '../history.ts';
import { isMortal } from './convergence.ts';
import { isOlder } from './versions.ts';

const CHECK = 'a purge takes only what may go';

/**
 * @param before what the machines had when owners ceased to compare what they hold
 * @param after what they have once purges have run
 * @param settledAt up to which timestamp any machine says, after that, that the slot of a key is settled
 * @param latestMs how late it may be on any machine's clock, in ms since the Unix epoch
 */
export function checkKept(
  before: readonly FinalState[],
  after: readonly FinalState[],
  settledAt: ReadonlyMap<string, number>,
  latestMs: number,
): Violation[] {
  const violations: Violation[] = [];
  for (const [index, { machine, records }] of before.entries()) {
    const left = after[index]?.records ?? null;
    if (records === null || left === null) continue;
    for (const [key, record] of records) {
      const settled = settledAt.get(key) ?? 0;
      const what = harmTo(record, left.get(key), settled, latestMs);
      if (what === '') continue;
      const sentence = `${machine} had version ${record.timestamp} of ${key}, of which up to ${settled} is settled, and after a purge ${what}`;
      violations.push({ check: CHECK, sentence, requests: [] });
    }
  }
  return violations;
}

/** Empty: none was done. */
function harmTo(
  record: StoredRecord,
  left: StoredRecord | undefined,
  settled: number,
  latestMs: number,
): string {
  const { expiryMs, isTombstone, timestamp } = record;
  const isDead = isTombstone || (expiryMs > 0 && expiryMs <= latestMs);
  if (left === undefined) {
    if (isDead && timestamp <= settled) return '';
    return isMortal(record) && !isDead ? 'it is gone before its time' : 'it is gone';
  }
  if (isOlder(left, record)) return `it has the older version ${left.timestamp}`;
  const isSame = !isOlder(record, left);
  return isSame && left.isTombstone && !isDead ? 'it counts as deleted' : '';
}
