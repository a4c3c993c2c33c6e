/** Syncs that fail in the threads of a real engine: whatever was asked for is answered, by name, and so is the close. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Engine, type EngineOptions, LsmError, open } from '../../../native-free-lsm/index.ts';
import { BUSY_OPTIONS } from '../../support/busy-engine.ts';
import { SyncedKind } from '../../support/sync-fault-memory.ts';
import { SyncFaults } from '../../support/sync-faults.ts';
import { until } from '../../support/until.ts';

const KIB = 1024;
const OPTIONS: Partial<EngineOptions> = {
  ...BUSY_OPTIONS,
  maxQueuedWriteBytes: 128 * KIB,
  maxBackgroundJobs: 2,
  l0CompactionTables: 2,
  // A write that waits for what fails does not wait long.
  writeStallTimeoutMs: 200,
};
/** Much longer than anything takes that ends. */
const MOST_MS = 30_000;
/** They fill several memtables, and most of them wait for room in a queue before. */
const PUTS = 300;
/** More than goes through the log at once. */
const LARGE_WRITE = 150;
const VALUE = Buffer.alloc(3000, 'value');
const COLD = Buffer.from('cold');
const keyOf = (i: number) => Buffer.from(`key ${i}`);
const putOf = (_: unknown, i: number) => ({ type: 'put', key: keyOf(i), value: VALUE }) as const;

/** Everything for which an engine gives a promise, by its name. All are called in one turn, in this order. */
function callsOn(engine: Engine, checkpoint: string): Readonly<Record<string, () => Promise<unknown>>> {
  const { store } = engine;
  const snapshot = engine.snapshot();
  return {
    put: () => engine.put(keyOf(0), VALUE),
    flush: () => engine.flush(),
    'put, synced': () => engine.put(keyOf(1), VALUE, { sync: true }),
    sync: () => engine.sync(),
    delete: () => engine.delete(keyOf(2)),
    write: () => engine.write([putOf(0, 1), { type: 'clear', gte: keyOf(5), lt: keyOf(6) }]),
    clear: () => engine.clear({ gte: keyOf(3), lt: keyOf(4) }),
    'large write': () => engine.write(Array.from({ length: LARGE_WRITE }, putOf)),
    'putIf behind it': () => engine.putIf(keyOf(7), VALUE, null),
    checkpoint: () => engine.checkpoint(checkpoint),
    'puts that wait for room': () =>
      Promise.all(Array.from({ length: PUTS }, (_, i) => engine.put(keyOf(i), VALUE))),
    'flush behind them': () => engine.flush(),
    compact: () => engine.compact(),
    maintenanceIdle: () => store.maintenanceIdle(),
    get: () => engine.get(COLD),
    getMany: () => engine.getMany([COLD, keyOf(1)]),
    'get of a snapshot': () => engine.get(COLD, snapshot),
    'range of a snapshot': () => Array.fromAsync(engine.range({ snapshot })),
    slotDigests: () => store.slotDigests(Uint16Array.of(1), Uint8Array.of(1)),
    'sync behind all': () => engine.sync(),
  };
}

/** OVERLOADED is for writes that have waited for a flush or the manifest, and for what waits behind writes. */
const NAMED = ['POISONED', 'IO_ERROR', 'OVERLOADED', 'SNAPSHOT_EXPIRED'];

/** What has become of calls. */
class Outcomes {
  readonly #open = new Set<string>();
  readonly #strange: unknown[] = [];

  follow(name: string, call: Promise<unknown>, codes: readonly string[]): void {
    this.#open.add(name);
    call
      .catch((error: unknown) => {
        if (!(error instanceof LsmError) || !codes.includes(error.code)) this.#strange.push(name, error);
      })
      .then(() => this.#open.delete(name));
  }

  /** @param onLook called again and again meanwhile */
  async settled(onLook: () => void = () => undefined): Promise<void> {
    await until(
      () => {
        onLook();
        return this.#open.size === 0;
      },
      MOST_MS,
      () => `not answered: ${[...this.#open].join(', ')}`,
    );
    assert.deepEqual(this.#strange, []);
  }
}

interface Failure {
  /** Which sync of its kind it is, of those behind the calls. */
  readonly number: number;
  /** Whether all behind it fail, too. */
  readonly isForever: boolean;
  /** Whether the engine is closed in the turn of the calls. */
  readonly closesAtOnce: boolean;
}

const FAILURES: readonly Failure[] = [
  { number: 0, isForever: false, closesAtOnce: true },
  { number: 1, isForever: true, closesAtOnce: false },
];

describe('a sync that fails', { timeout: 240_000 }, () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'native-free-lsm-sync-failures-'));
  });
  after(() => rm(root, { recursive: true, force: true }));

  async function check(singleThread: boolean, kind: SyncedKind, failure: Failure): Promise<void> {
    const path = await mkdtemp(join(root, 'engine-'));
    const { executor, fs, memory } = new SyncFaults();
    const options = { ...OPTIONS, singleThread };
    const engine = await open(path, options, { executor, fs, report: () => undefined });
    const outcomes = new Outcomes();
    try {
      await engine.put(COLD, VALUE);
      await engine.flush();
      await engine.put(keyOf(0), VALUE);
      memory.fail(kind, failure.number, failure.isForever);
      const codes = failure.closesAtOnce ? [...NAMED, 'CLOSED'] : NAMED;
      for (const [name, call] of Object.entries(callsOn(engine, `${path}-checkpoint`)))
        outcomes.follow(name, call(), codes);
      // What may be on the disk or not waits until the disk says so.
      const isInDoubt = () => engine.stats().conditions.some(({ code }) => code === 'MANIFEST_FAILING');
      if (!failure.closesAtOnce) await outcomes.settled(() => isInDoubt() && memory.clear());
    } finally {
      outcomes.follow('close', engine.close(), ['POISONED']);
      await outcomes.settled();
    }
    memory.clear();
    await using again = await open(path, options, { executor, fs });
    assert.deepEqual(await again.get(COLD), VALUE);
  }

  const { other: _, ...kinds } = SyncedKind;
  for (const singleThread of [false, true]) {
    for (const [name, kind] of Object.entries(kinds)) {
      test(`of a ${name} leaves no call without an answer (singleThread: ${singleThread})`, async () => {
        for (const failure of FAILURES) {
          await check(singleThread, kind, failure).catch((cause: Error) => {
            throw new Error(`${JSON.stringify(failure)}: ${cause.message}`, { cause });
          });
        }
      });
    }
  }
});
