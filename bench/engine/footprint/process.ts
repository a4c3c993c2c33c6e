/**
 * A program with an embedded engine, or with none: it does what such a program does and says how much memory it had at
 * most. It is started by run.ts.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type * as Package from '../../../native-free-lsm/index.ts';
import { keyOf, Shuffle, Values } from '../stores/workload.ts';
import type { FootprintTask } from './task.ts';

const BATCH = 100;
const READS_IN_FLIGHT = 16;
const SCANNED = 1000;

/** What is asked of a store. */
interface Store {
  write(operations: Parameters<Package.Engine['write']>[0]): Promise<unknown>;
  get(key: Buffer): Promise<Uint8Array | undefined>;
  /** @returns the number of entries */
  scan(): Promise<number>;
  close(): Promise<void>;
}

/** Takes everything and has nothing: what a program makes and lets go by itself. */
const NO_STORE: Store = {
  write: async () => undefined,
  get: async () => undefined,
  scan: async () => task.entries,
  close: async () => undefined,
};

const task = JSON.parse(process.argv[2]) as FootprintTask;

async function openStore({ directory, engine: kind, options }: FootprintTask): Promise<Store> {
  if (kind === null) return NO_STORE;
  const entry =
    kind === 'built' ? '../../../native-free-lsm/dist/index.js' : '../../../native-free-lsm/index.ts';
  const { open } = (await import(fileURLToPath(new URL(entry, import.meta.url)))) as typeof Package;
  const engine = await open(directory, { durability: 'none', ...options });
  return {
    write: (operations) => engine.write(operations),
    get: (key) => engine.get(key),
    scan: async () => {
      await using scan = engine.range();
      for (let seen = 0; ; ) {
        const page = await scan.nextMany(SCANNED);
        if (page.length === 0) return seen;
        seen += page.length;
      }
    },
    close: () => engine.close(),
  };
}

async function putAll(store: Store, seed: number): Promise<void> {
  const values = new Values(seed);
  const order = new Shuffle(task.entries, seed);
  for (let place = 0; place < task.entries; place += BATCH) {
    const count = Math.min(BATCH, task.entries - place);
    await store.write(
      Array.from({ length: count }, (_, i) => ({
        type: 'put' as const,
        key: keyOf(order.at(place + i)),
        value: values.next(),
      })),
    );
  }
}

async function getAll(store: Store): Promise<void> {
  const order = new Shuffle(task.entries, 3);
  for (let place = 0; place < task.entries; place += READS_IN_FLIGHT) {
    const count = Math.min(READS_IN_FLIGHT, task.entries - place);
    const found = await Promise.all(
      Array.from({ length: count }, (_, i) => store.get(keyOf(order.at(place + i)))),
    );
    if (store !== NO_STORE && found.includes(undefined)) throw new Error('it has lost an entry');
  }
}

const store = await openStore(task);
// Puts everything, and then once more.
for (const seed of [1, 2]) await putAll(store, seed);
await getAll(store);
const seen = await store.scan();
if (seen !== task.entries) throw new Error(`it saw ${seen} entries of ${task.entries}`);
await store.close();
const again = await openStore(task);
await again.get(keyOf(0));
await again.close();

const peakKib = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
process.send?.(peakKib / 1024);
process.disconnect?.();
