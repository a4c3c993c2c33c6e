import type { KeyCondition, KeyedRecord } from './store/sinks.ts';
import { WriteStatus } from './store/sinks.ts';
import type { RecordStore } from './store/store.ts';
import type { ConditionalResult, KeyOperation } from './write-requests.ts';

/**
 * Writes puts of one timestamp if all conditions are met.
 * @throws LsmError as a write fails with
 */
export function conditionalWrite(
  store: Pick<RecordStore, 'writeIf'>,
  conditions: readonly KeyCondition[],
  puts: readonly KeyedRecord[],
  timestamp: number,
  isSynced: boolean,
): Promise<ConditionalResult> {
  return new Promise((resolve, reject) => {
    const onWrite = (
      _token: number,
      status: WriteStatus,
      metTimestamp: number,
      metWriter: number,
      error: Error | null,
    ): void => {
      if (status === WriteStatus.failed) reject(error);
      else if (status === WriteStatus.applied) resolve({ applied: true, version: timestamp });
      else {
        // Stale: whoever writes to the store itself has given a key a version of the future.
        const { key } = status === WriteStatus.unmet ? conditions[metWriter] : puts[0];
        resolve({ applied: false, key, version: metTimestamp === 0 ? null : metTimestamp });
      }
    };
    store.writeIf(conditions, puts, { onWrite }, 0, isSynced);
  });
}

/** Of several operations on a key the last one counts, and all have one version: so the others are left out. */
export function lastOfEachKey(
  operations: readonly KeyOperation<Uint8Array>[],
): readonly KeyOperation<Uint8Array>[] {
  if (operations.length < 2) return operations;
  const last = new Map<string, KeyOperation<Uint8Array>>();
  for (const operation of operations) {
    const { buffer, byteLength, byteOffset } = operation.key;
    last.set(Buffer.from(buffer, byteOffset, byteLength).toString('latin1'), operation);
  }
  return [...last.values()];
}
