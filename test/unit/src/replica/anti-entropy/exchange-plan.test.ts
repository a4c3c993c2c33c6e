import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecordFlag } from '../../../../../native-free-lsm/index.ts';
import { planExchange } from '../../../../../src/replica/anti-entropy/exchange-plan.ts';
import type { VersionEntry } from '../../../../../src/replica/anti-entropy/version-list.ts';

const entry = fc.record({
  fingerprint: fc.integer({ min: 0, max: 5 }),
  timestamp: fc.integer({ min: 1, max: 6 }),
  writer: fc.constantFrom(1, 2),
  from: fc.integer({ min: 1, max: 3 }),
  flags: fc.constantFrom(0, RecordFlag.tombstone, RecordFlag.hasExpiry),
});
const entries = fc
  .uniqueArray(entry, { selector: ({ fingerprint }) => fingerprint })
  .map((list) => list.sort((a, b) => a.fingerprint - b.fingerprint));

/** The rule, key by key, without a merge. */
function byRule(
  receiver: { position: number; entries: readonly VersionEntry[]; settled: number },
  sender: { entries: readonly VersionEntry[] },
): number[] {
  return sender.entries
    .filter((offered) => {
      const held = receiver.entries.find(({ fingerprint }) => fingerprint === offered.fingerprint);
      if (held !== undefined)
        return (
          held.timestamp < offered.timestamp ||
          (held.timestamp === offered.timestamp && held.writer < offered.writer)
        );
      const isPurged = offered.flags !== 0 && offered.timestamp <= receiver.settled;
      return receiver.position < offered.from && !isPurged;
    })
    .map(({ fingerprint }) => fingerprint);
}

test('what travels is what the convergence rule says, in both directions', () => {
  const settled = fc.integer({ min: 0, max: 6 });
  fc.assert(
    fc.property(entries, entries, fc.constantFrom(1, 2), settled, settled, (own, theirs, position, a, b) => {
      const leader = { position: 0, entries: own, settled: a };
      const other = { position, entries: theirs, settled: b };
      const plan = planExchange(leader, other);
      assert.deepEqual(plan.pulls, byRule(leader, other));
      assert.deepEqual(plan.pushes, byRule(other, leader));
    }),
  );
});
