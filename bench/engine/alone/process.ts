/** A process with one engine: it does one task, answers, and ends. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FillValues } from '../../../src/cli/fill/values.ts';
import { seededRandom } from '../../../src/clock.ts';
import { LoopDelayMonitor } from '../../../src/node/loop-delay.ts';
import { ClassicStore } from './classic.ts';
import { OurStore } from './ours.ts';
import type { AloneAnswer, AloneResult, AloneTask } from './protocol.ts';
import type { AloneStore } from './store.ts';

const IN_FLIGHT = 64;
const BATCH = 1000;
const WARM_UP_SHARE = 0.3;

async function run(task: AloneTask): Promise<AloneResult[]> {
  await using store: AloneStore =
    task.engine === 'ours' ? await OurStore.open(task.directory) : await ClassicStore.open(task.directory);
  switch (task.operation) {
    case 'load':
      await load(store, task);
      return [];
    case 'put':
      return [await measurePuts(store, task)];
    case 'get':
      return await measureReads(store, task);
    case 'range':
      return await measureScans(store, task);
  }
}

async function load(store: AloneStore, { keys, valueBytes }: AloneTask): Promise<void> {
  const makeValue = valuesOf(valueBytes);
  for (let first = 1; first <= keys; first += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, keys - first + 1) }, (_, i) => first + i);
    await store.load(numbers.map((number) => ({ key: keyOf(number), value: makeValue(number) })));
  }
  await store.compact();
}

/** Callers that each put one key after the other. */
async function measurePuts(
  store: AloneStore,
  { keys, seconds, valueBytes }: AloneTask,
): Promise<AloneResult> {
  const allKeys = Array.from({ length: keys }, (_, i) => keyOf(i + 1));
  const makeValue = valuesOf(valueBytes);
  const values = Array.from({ length: 1000 }, (_, i) => makeValue(i));
  const random = seededRandom(9);
  let done = 0;
  let isOver = false;
  const callers = Array.from({ length: IN_FLIGHT }, async () => {
    while (!isOver) {
      await store.put(allKeys[Math.floor(random() * keys)], values[done % values.length]);
      done++;
    }
  });
  await pause(seconds * WARM_UP_SHARE);
  const before = done;
  const result = await measured('put', async () => {
    await pause(seconds);
    return done - before;
  });
  isOver = true;
  await Promise.all(callers);
  return result;
}

async function measureReads(store: AloneStore, { keys, seconds }: AloneTask): Promise<AloneResult[]> {
  const allKeys = Array.from({ length: keys }, (_, i) => keyOf(i + 1));
  const results: AloneResult[] = [];
  for (const [way, read] of Object.entries(store.reads)) {
    const random = seededRandom(9);
    const readFor = async (forSeconds: number): Promise<number> => {
      const endMs = performance.now() + forSeconds * 1000;
      let done = 0;
      while (performance.now() < endMs) {
        await read(Array.from({ length: IN_FLIGHT }, () => allKeys[Math.floor(random() * keys)]));
        done += IN_FLIGHT;
        // If all reads are answered at once, a loop of them would never let another turn begin.
        await nextTurn();
      }
      return done;
    };
    // Read everything once, so that it is in the cache.
    for (let first = 0; first < keys; first += IN_FLIGHT) await read(allKeys.slice(first, first + IN_FLIGHT));
    await readFor(seconds * WARM_UP_SHARE);
    results.push(await measured(way, () => readFor(seconds)));
  }
  return results;
}

async function measureScans(store: AloneStore, { keys, seconds }: AloneTask): Promise<AloneResult[]> {
  const results: AloneResult[] = [];
  for (const [way, scan] of Object.entries(store.scans)) {
    const scanFor = async (forSeconds: number): Promise<number> => {
      const endMs = performance.now() + forSeconds * 1000;
      let done = 0;
      do {
        const entries = await scan();
        if (entries !== keys) throw new Error(`${way} saw ${entries} entries of ${keys}`);
        done += entries;
      } while (performance.now() < endMs);
      return done;
    };
    await scanFor(seconds * WARM_UP_SHARE);
    results.push(await measured(way, () => scanFor(seconds)));
  }
  return results;
}

/** @param work resolves with the number of operations it did */
async function measured(way: string, work: () => Promise<number>): Promise<AloneResult> {
  using delay = new LoopDelayMonitor();
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  const done = await work();
  const tookMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpu);
  const { p999Ms, maxMs } = delay.summary();
  return {
    way,
    perSecond: (done / tookMs) * 1000,
    cpuMicros: (user + system) / done,
    delayP999Ms: p999Ms,
    delayMaxMs: maxMs,
  };
}

function keyOf(number: number): Buffer {
  return Buffer.from(`key${number}`);
}

function valuesOf(valueBytes: number): (number: number) => Uint8Array {
  const values = new FillValues(1);
  return (number) => {
    const value = Buffer.allocUnsafe(valueBytes);
    values.write(number, valueBytes, value, 0);
    return value;
  };
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

async function answer(): Promise<AloneAnswer> {
  try {
    return { results: await run(JSON.parse(process.argv[2])) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

process.on('disconnect', () => process.exit(1));
const said = await answer();
process.send?.(said, () => process.exit());
