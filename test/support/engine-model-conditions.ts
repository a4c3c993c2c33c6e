/** Conditional writes of the model test: what they ask for, and what must become of them. */
import type { ConditionalResult, WriteCondition } from '../../native-free-lsm/index.ts';
import { type Entries, isVisible } from './engine-model.ts';
import { keyOf, nameOfKey } from './engine-model-keys.ts';
import type { AskedCondition } from './engine-model-operations.ts';

/** The version that clients see of a key; null: it has no value. */
export function visibleVersion(entries: Entries, key: number, nowMs: number): number | null {
  const version = entries.get(nameOfKey(key));
  return version !== undefined && isVisible(version, nowMs) ? version.timestamp : null;
}

export function conditionsOf(
  asked: readonly AskedCondition[],
  entries: Entries,
  nowMs: number,
): WriteCondition<Uint8Array>[] {
  return asked.map(({ key, is }) => {
    const version = visibleVersion(entries, key, nowMs);
    if (is === 'absent') return { key: keyOf(key), version: null };
    return { key: keyOf(key), version: is === 'as it is' ? version : (version ?? 0) + 1 };
  });
}

/** The answer to a write whose conditions are not all met; undefined: they are. */
export function refusalOf(
  asked: readonly AskedCondition[],
  entries: Entries,
  nowMs: number,
): ConditionalResult | undefined {
  for (const [i, { version }] of conditionsOf(asked, entries, nowMs).entries()) {
    const found = visibleVersion(entries, asked[i].key, nowMs);
    if (found !== version) return { applied: false, key: keyOf(asked[i].key), version: found };
  }
  return undefined;
}
