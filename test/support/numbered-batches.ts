/** Batches that a process writes one after another, and what there is after each of them. */
import type { BatchOperation } from '../../native-free-lsm/index.ts';

const KEYS = 400;
const KEYS_OF_BATCH = 30;
const STEP = 7;

/** The number of the batch, and values of some keys with that number; now and then keys are deleted. */
export function batchOf(number: number): BatchOperation[] {
  const operations: BatchOperation[] = [
    { type: 'put', key: Buffer.from('number'), value: Buffer.from(`${number}`) },
  ];
  for (let i = 0; i < KEYS_OF_BATCH; i++) {
    const key = Buffer.from(keyOf((number * STEP + i) % KEYS));
    if (number % 5 === 0) operations.push({ type: 'delete', key });
    else operations.push({ type: 'put', key, value: Buffer.from(`${number}`.padEnd(100 + (number % 300))) });
  }
  return operations;
}

/** What there is after so many batches, as lines of key and number. */
export function stateAfter(number: number): string {
  const lines: string[] = [`number ${number}`];
  for (let key = 0; key < KEYS; key++) {
    // The last batch that had this key.
    let last = number;
    while (last > 0 && (((key - last * STEP) % KEYS) + KEYS) % KEYS >= KEYS_OF_BATCH) last--;
    if (last > 0 && last % 5 !== 0) lines.push(`${keyOf(key)} ${last}`);
  }
  return lines.sort().join('\n');
}

function keyOf(key: number): string {
  return `key${String(key).padStart(3, '0')}`;
}
