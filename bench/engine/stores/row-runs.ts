/** How each row is run over an open store. */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { LoopDelayMonitor } from '../../../src/node/loop-delay.ts';
import type { WayResult } from './protocol.ts';
import type { RowName } from './rows.ts';
import type { Put, ReadKeys, ScanAll, ScanSome, Store, Way, Write, WriteBatch } from './store.ts';
import { keyOf, missingKeyOf, orderSeed, Shuffle, Values } from './workload.ts';

const BATCH = 1000;
/** Of batches, where a call gives a promise: the next is made while the one before is under way. */
const BATCHES_IN_FLIGHT = 4;
const IN_FLIGHT = 64;
/** Consecutive, so that they lie in blocks that all fit into the cache. */
const CACHED_KEYS = 100_000;
const WARM_UP_SHARE = 0.3;
const HUNDRED = 100;
const DELETED_SHARE = 0.1;
/** Of readwhilewriting. */
const WRITES_EVERY_MS = 5;
const WRITES_AT_ONCE = 100;

export interface RowRun {
  readonly store: Store;
  readonly entries: number;
  readonly seconds: number;
  readonly seed: number;
  /** Only this way; undefined: each. */
  readonly way: string | undefined;
  readonly isAsyncOnly: boolean;
}

type RunRow = (run: RowRun) => Promise<WayResult[]>;

/**
 * Whose order keys are taken in. Each has another: who reads keys in the order in which a row before has written them
 * finds each of them where the last one was.
 */
type OrderName = RowName | 'written-meanwhile';

export const RUNS: Readonly<Record<Exclude<RowName, 'reopen'>, RunRow>> = {
  fillseq: (run) => overBatches(run, run.entries, (place) => ({ key: keyOf(place) })),
  fillrandom: (run) => overBatches(run, run.entries, shuffled(run, 'fillrandom')),
  overwrite: (run) => overBatches(run, run.entries, shuffled(run, 'overwrite')),
  deleterandom: (run) => {
    const keyAt = shuffled(run, 'deleterandom');
    const deletes = Math.floor(run.entries * DELETED_SHARE);
    return overBatches(run, deletes, (place) => ({ ...keyAt(place), isDelete: true }));
  },
  put: (run) => putRandom(run, 'put'),
  fillsync: (run) => putRandom(run, 'fillsync'),
  readrandom: (run) => cachedReads(run, 'readrandom'),
  'readrandom-async': (run) => cachedReads(run, 'readrandom-async'),
  readmissing: (run) => {
    const keyAt = randomKeys(run, 'readmissing', missingKeyOf);
    return eachWay(run, run.store.reads, (read) => (seconds) => readFor(read, keyAt, 0, seconds));
  },
  readlarge: (run) => {
    const keyAt = randomKeys(run, 'readlarge', keyOf);
    return eachWay(run, run.store.reads, (read) => (seconds) => readFor(read, keyAt, IN_FLIGHT, seconds));
  },
  readwhilewriting: async (run) => {
    const stop = new AbortController();
    const writing = writeMeanwhile(run, stop.signal);
    const keyAt = randomKeys(run, 'readwhilewriting', keyOf);
    try {
      return await eachWay(run, run.store.reads, (read) => {
        return (seconds) => readFor(read, keyAt, IN_FLIGHT, seconds);
      });
    } finally {
      stop.abort();
      await writing;
    }
  },
  readseq: (run) => eachWay(run, run.store.scans, (scan) => () => scanAll(scan, false, run.entries)),
  readreverse: (run) => eachWay(run, run.store.scans, (scan) => () => scanAll(scan, true, run.entries)),
  'first-entry': (run) => cachedStarts(run, 'first-entry', 1),
  'hundred-entries': (run) => cachedStarts(run, 'hundred-entries', HUNDRED),
  seekrandom: (run) => {
    const keyAt = randomKeys(run, 'seekrandom', keyOf);
    return eachWay(run, run.store.starts, (start) => (seconds) => startFor(start, keyAt, 1, seconds));
  },
};

interface PlannedWrite {
  readonly key: Buffer;
  readonly isDelete?: true;
}

function shuffled({ entries, seed }: RowRun, order: OrderName): (place: number) => PlannedWrite {
  const shuffle = new Shuffle(entries, orderSeed(seed, order));
  return (place) => ({ key: keyOf(shuffle.at(place)) });
}

/** One random key after the other, of all. */
function randomKeys(
  { entries, seed }: RowRun,
  order: OrderName,
  keyAt: (number: number) => Buffer,
): () => Buffer {
  const shuffle = new Shuffle(entries, orderSeed(seed, order));
  let place = 0;
  return () => keyAt(shuffle.at(place++ % entries));
}

/** One random key after the other, of those that are in the cache once they were read. */
function cachedKeys(
  { entries, seed }: RowRun,
  order: OrderName,
): {
  readonly first: number;
  readonly count: number;
  next(): Buffer;
} {
  // Some blocks hold nothing else.
  const count = Math.min(CACHED_KEYS, Math.ceil(entries / 10));
  const first = Math.floor((entries - count) / 2);
  const shuffle = new Shuffle(count, orderSeed(seed, order));
  let place = 0;
  return { first, count, next: () => keyOf(first + shuffle.at(place++ % count)) };
}

/** @param plan what is written at each place of the order */
async function overBatches(
  run: RowRun,
  writes: number,
  plan: (place: number) => PlannedWrite,
): Promise<WayResult[]> {
  const { batch } = run.store;
  const values = new Values(run.seed);
  return [await measured(batch, () => writeBatches(batch, writes, plan, values))];
}

async function writeBatches(
  { run: write, isAsync }: Way<WriteBatch>,
  writes: number,
  plan: (place: number) => PlannedWrite,
  values: Values,
): Promise<number> {
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < writes) {
      const batch: Write[] = [];
      for (const end = Math.min(next + BATCH, writes); next < end; next++) {
        const { key, isDelete } = plan(next);
        batch.push({ key, value: isDelete ? undefined : values.next() });
      }
      // A store that has done it at once would never let another turn begin.
      await (write(batch) ?? nextTurn());
    }
  };
  await Promise.all(Array.from({ length: isAsync ? BATCHES_IN_FLIGHT : 1 }, writer));
  return writes;
}

async function putRandom(run: RowRun, order: OrderName): Promise<WayResult[]> {
  const keyAt = randomKeys(run, order, keyOf);
  const values = new Values(run.seed);
  return await eachWay(run, run.store.puts, (put) => (seconds) => putFor(put, keyAt, values, seconds));
}

async function putFor(put: Put, keyAt: () => Buffer, values: Values, seconds: number): Promise<number> {
  const endMs = performance.now() + seconds * 1000;
  let done = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const answer = put(keyAt(), values.next());
      done++;
      if (answer !== undefined) await answer;
      else if (done % IN_FLIGHT === 0) await nextTurn();
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  return done;
}

async function cachedReads(run: RowRun, order: OrderName): Promise<WayResult[]> {
  const keys = cachedKeys(run, order);
  await readAll(run, keys.first, keys.count);
  return await eachWay(run, run.store.reads, (read) => {
    return (seconds) => readFor(read, keys.next, IN_FLIGHT, seconds);
  });
}

async function cachedStarts(run: RowRun, order: OrderName, entries: number): Promise<WayResult[]> {
  const keys = cachedKeys(run, order);
  await readAll(run, keys.first, keys.count);
  return await eachWay(run, run.store.starts, (start) => {
    return (seconds) => startFor(start, keys.next, entries, seconds);
  });
}

/** Reads these keys once, so that they are in the cache. */
async function readAll({ store }: RowRun, first: number, count: number): Promise<void> {
  const [{ run: read }] = store.reads;
  for (let at = first; at < first + count; at += BATCH) {
    const keys = Array.from({ length: Math.min(BATCH, first + count - at) }, (_, i) => keyOf(at + i));
    const whole = await read(keys);
    if (whole !== keys.length) throw new Error(`${keys.length - whole} of ${keys.length} keys are not there`);
  }
}

/** @param expected how many of the keys of one call must be there */
async function readFor(
  read: ReadKeys,
  nextKey: () => Buffer,
  expected: number,
  seconds: number,
): Promise<number> {
  const endMs = performance.now() + seconds * 1000;
  let done = 0;
  while (performance.now() < endMs) {
    const whole = await read(Array.from({ length: IN_FLIGHT }, nextKey));
    if (whole !== expected) throw new Error(`${whole} of ${IN_FLIGHT} keys were there, not ${expected}`);
    done += IN_FLIGHT;
    // If all reads are answered at once, a loop of them would never let another turn begin.
    await nextTurn();
  }
  return done;
}

async function scanAll(scan: ScanAll, isReverse: boolean, expected: number): Promise<number> {
  const entries = await scan(isReverse);
  if (entries !== expected) throw new Error(`it saw ${entries} entries of ${expected}`);
  return entries;
}

async function startFor(
  start: ScanSome,
  nextKey: () => Buffer,
  entries: number,
  seconds: number,
): Promise<number> {
  const endMs = performance.now() + seconds * 1000;
  let done = 0;
  while (performance.now() < endMs) {
    // Near the end there may be fewer.
    const seen = await start(nextKey(), entries);
    if (seen === 0 || seen > entries) throw new Error(`it saw ${seen} entries, not ${entries}`);
    if (++done % IN_FLIGHT === 0) await nextTurn();
  }
  return done;
}

/** Overwrites at a constant rate. */
async function writeMeanwhile(run: RowRun, signal: AbortSignal): Promise<void> {
  const { run: write } = run.store.batch;
  const keyAt = randomKeys(run, 'written-meanwhile', keyOf);
  const values = new Values(run.seed);
  const startedMs = performance.now();
  for (let batch = 1; !signal.aborted; batch++) {
    await write(Array.from({ length: WRITES_AT_ONCE }, () => ({ key: keyAt(), value: values.next() })));
    // One that was late is made up for.
    await pause(Math.max(0, startedMs + batch * WRITES_EVERY_MS - performance.now()));
  }
}

function waysOf<Run>({ isAsyncOnly, way }: RowRun, all: readonly Way<Run>[]): readonly Way<Run>[] {
  return all.filter(({ isAsync, name }) => (isAsync || !isAsyncOnly) && (way ?? name) === name);
}

/** @param prepare gives what is done for a number of seconds, or once where a row has an end of its own */
async function eachWay<Run>(
  run: RowRun,
  all: readonly Way<Run>[],
  prepare: (way: Run) => (seconds: number) => Promise<number>,
): Promise<WayResult[]> {
  const results: WayResult[] = [];
  for (const way of waysOf(run, all)) {
    const work = prepare(way.run);
    await work(run.seconds * WARM_UP_SHARE);
    results.push(await measured(way, () => work(run.seconds)));
  }
  return results;
}

/** @param work resolves with the number of operations it did */
async function measured(
  { isAsync, name }: Pick<Way<unknown>, 'isAsync' | 'name'>,
  work: () => Promise<number>,
): Promise<WayResult> {
  using delay = new LoopDelayMonitor();
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  const done = await work();
  const tookMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpu);
  // The last turn counts when it has ended; a store that never lets another begin has that one alone.
  await nextTurn();
  const { maxMs, p999Ms } = delay.summary();
  return {
    way: name,
    isAsync,
    perSecond: (done / tookMs) * 1000,
    cpuMicros: (user + system) / done,
    delayP999Ms: p999Ms,
    delayMaxMs: maxMs,
  };
}
