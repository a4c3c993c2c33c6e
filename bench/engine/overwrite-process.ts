/**
 * Random overwrites straight into a stopped node's engine: the same keys, values and versions on every node that is
 * given the same task. A process of its own, so that it can be ended at any moment.
 *
 *   node overwrite-process.ts '{"engine": DIR, "keys": N, "valueBytes": B, "newestMs": T}'
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  encodeRecord,
  LsmError,
  RecordStore,
  type WriteSink,
  WriteStatus,
} from '../../native-free-lsm/index.ts';
import { fillValue, mix } from '../../src/cli/fill-values.ts';
import { timestampAt } from '../../src/hybrid-clock.ts';

const SEED = 2;
const WRITER = 1;
const IN_FLIGHT = 4096;
/** Beyond it values repeat: making each anew would cost more than writing it. */
const VALUES = 4096;
const PROGRESS_EVERY = 200_000;
const RETRY_MS = 10;

export interface OverwriteTask {
  readonly engine: string;
  /** key1 … keyN; as many overwrites. */
  readonly keys: number;
  readonly valueBytes: number;
  /** All versions are older than this moment, in ms since the Unix epoch. */
  readonly newestMs: number;
}

async function overwrite({ engine, keys, newestMs, valueBytes }: OverwriteTask): Promise<void> {
  await using store = RecordStore.open(engine, { durability: 'none', dropTombstonesBelow: 0 });
  const values = Array.from({ length: VALUES }, (_, i) => fillValue(SEED, i, valueBytes));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const oldest = timestampAt(newestMs) - keys;
  let started = 0;
  let finished = 0;
  const write = (i: number): void => {
    const fields = { timestamp: oldest + i, writer: WRITER, tombstone: false, from: 3, expiryMs: 0 };
    const key = Buffer.from(`key${1 + (mix(SEED, i) % keys)}`);
    store.write(key, encodeRecord(fields, values[i % VALUES]), sink, i);
  };
  const sink: WriteSink = {
    onWrite(token, status, _timestamp, _writer, error) {
      // Compactions are behind: the same write again, a little later.
      if (error instanceof LsmError && error.code === 'OVERLOADED') {
        void delay(RETRY_MS).then(() => write(token));
        return;
      }
      if (status === WriteStatus.failed) {
        reject(error ?? new Error(`overwrite ${token} failed`));
        return;
      }
      if (++finished % PROGRESS_EVERY === 0) console.log(`${finished} of ${keys} overwrites`);
      if (started < keys) write(started++);
      else if (finished === keys) resolve();
    },
  };
  while (started < Math.min(IN_FLIGHT, keys)) write(started++);
  await promise;
  await store.flush();
  await store.maintenanceIdle();
  console.log(`tables by level ${store.stats().tablesByLevel.join('/')}`);
}

await overwrite(JSON.parse(process.argv[2]));
