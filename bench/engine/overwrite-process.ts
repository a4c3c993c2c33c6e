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
  timestampAt,
  type WriteSink,
  WriteStatus,
} from '../../native-free-lsm/index.ts';
import { fillValue, mix } from '../../src/cli/fill/values.ts';
import { NODE_TABLES } from '../../src/node/table-options.ts';

const SEED = 2;
const WRITER = 1;
const IN_FLIGHT = 4096;
/** With more keys than this, values repeat: making each one anew would cost more than writing it. */
const VALUES = 4096;
const PROGRESS_EVERY = 200_000;
const RETRY_MS = 10;
/** The share of the keys that is written last: less than a memtable. */
const LAST_SHARE = 0.01;

export interface OverwriteTask {
  readonly engine: string;
  /** The N of key1 … keyN. There are as many overwrites, and a few more. */
  readonly keys: number;
  readonly valueBytes: number;
  /** All versions are older than this moment, in ms since the Unix epoch. */
  readonly newestMs: number;
}

class Overwrites {
  readonly #store: RecordStore;
  readonly #task: OverwriteTask;
  readonly #values: readonly Uint8Array[];
  readonly #oldest: number;
  #started = 0;

  constructor(store: RecordStore, task: OverwriteTask, total: number) {
    this.#store = store;
    this.#task = task;
    this.#values = Array.from({ length: VALUES }, (_, i) => fillValue(SEED, i, task.valueBytes));
    this.#oldest = timestampAt(task.newestMs) - total;
  }

  /** Makes the next `count` overwrites. */
  async run(count: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const end = this.#started + count;
    let left = count;
    const sink: WriteSink = {
      onWrite: (token, status, _timestamp, _writer, error) => {
        // Compactions are behind: try the same write again a little later.
        if (error instanceof LsmError && error.code === 'OVERLOADED') {
          void delay(RETRY_MS).then(() => this.#write(token, sink));
          return;
        }
        if (status === WriteStatus.failed) {
          reject(error ?? new Error(`overwrite ${token} failed`));
          return;
        }
        left--;
        if (left % PROGRESS_EVERY === 0) console.log(`${left} overwrites left`);
        if (this.#started < end) this.#write(this.#started++, sink);
        else if (left === 0) resolve();
      },
    };
    while (this.#started < end && this.#started < end - count + IN_FLIGHT) this.#write(this.#started++, sink);
    await promise;
  }

  #write(i: number, sink: WriteSink): void {
    const { keys } = this.#task;
    const fields = { timestamp: this.#oldest + i, writer: WRITER, tombstone: false, from: 3, expiryMs: 0 };
    const key = Buffer.from(`key${1 + (mix(SEED, i) % keys)}`);
    this.#store.write(key, encodeRecord(fields, this.#values[i % VALUES]), sink, i);
  }
}

async function overwrite(task: OverwriteTask): Promise<void> {
  const { engine, keys } = task;
  await using store = RecordStore.open(engine, {
    ...NODE_TABLES,
    durability: 'none',
    dropTombstonesBelow: 0,
  });
  const last = Math.ceil(keys * LAST_SHARE);
  const overwrites = new Overwrites(store, task, keys + last);
  await overwrites.run(keys);
  await store.flush();
  await store.maintenanceIdle();
  // Level 0 may be empty now, so these entries stay in it.
  await overwrites.run(last);
  await store.flush();
  console.log(`tables by level ${store.stats().tablesByLevel.join('/')}`);
}

await overwrite(JSON.parse(process.argv[2]));
