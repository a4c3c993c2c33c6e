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

const task = JSON.parse(process.argv[2]) as FootprintTask;

async function useEngine({ directory, entries, isBuilt, options }: FootprintTask): Promise<void> {
  const entry = isBuilt ? '../../../native-free-lsm/dist/index.js' : '../../../native-free-lsm/index.ts';
  const { open } = (await import(fileURLToPath(new URL(entry, import.meta.url)))) as typeof Package;
  await using engine = await open(directory, { durability: 'none', ...options });
  // Puts everything, and then once more.
  for (const seed of [1, 2]) {
    const values = new Values(seed);
    const order = new Shuffle(entries, seed);
    for (let place = 0; place < entries; place += BATCH) {
      const count = Math.min(BATCH, entries - place);
      await engine.write(
        Array.from({ length: count }, (_, i) => ({
          type: 'put' as const,
          key: keyOf(order.at(place + i)),
          value: values.next(),
        })),
      );
    }
  }
  const order = new Shuffle(entries, 3);
  for (let place = 0; place < entries; place += READS_IN_FLIGHT) {
    const count = Math.min(READS_IN_FLIGHT, entries - place);
    await Promise.all(Array.from({ length: count }, (_, i) => engine.get(keyOf(order.at(place + i)))));
  }
  const scan = engine.range();
  for (let seen = 0; seen < entries; ) {
    const page = await scan.nextMany(SCANNED);
    if (page.length === 0) throw new Error(`it saw ${seen} entries of ${entries}`);
    seen += page.length;
  }
  await scan.return();
}

if (task.entries > 0) await useEngine(task);
const peakKib = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
process.send?.(peakKib / 1024);
