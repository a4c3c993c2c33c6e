/** Snapshots that are held while far more is written than memtables hold. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Engine,
  type ExecutorFactory,
  LsmError,
  type Snapshot,
} from '../../../../native-free-lsm/index.ts';
import { InlineExecutor } from '../../../../native-free-lsm/simulation/index.ts';
import type {
  BackgroundJob,
  BackgroundResult,
} from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import { backgroundAfter, EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const OPTIONS = { ...TINY_OPTIONS, durability: 'none', l0CompactionTables: 4 } as const;
const KEYS = Array.from({ length: 50 }, (_, i) => Buffer.from(`key${String(i).padStart(3, '0')}`));
/** Far more than all memtables of TINY_OPTIONS hold together. */
const ROUNDS = 12;

interface Held {
  readonly simulation: EngineSimulation;
  readonly engine: Engine;
}

async function opened(executor?: ExecutorFactory): Promise<Held> {
  const simulation = new EngineSimulation(OPTIONS, undefined, executor);
  return { simulation, engine: await simulation.openEngine() };
}

async function writeAll({ simulation, engine }: Held, round: number): Promise<void> {
  for (const key of KEYS) await simulation.settle(engine.put(key, Buffer.alloc(1000, `${round % 10}`)));
}

async function overwrite(held: Held, rounds = ROUNDS): Promise<void> {
  for (let round = 1; round <= rounds; round++) await writeAll(held, round + 1);
}

/** What a snapshot shows: the first byte of each value, of gets and of scans either way. */
async function shown({ simulation, engine }: Held, snapshot: Snapshot): Promise<string> {
  const first = (value: Uint8Array | undefined) =>
    value === undefined ? '-' : String.fromCharCode(value[0]);
  const got = (await simulation.settle(engine.getMany(KEYS, snapshot))).map(first).join('');
  for (const reverse of [false, true]) {
    const scanned = await simulation.settle(Array.fromAsync(engine.range({ snapshot, reverse })));
    if (reverse) scanned.reverse();
    assert.equal(scanned.map(({ value }) => first(value)).join(''), got.replaceAll('-', ''));
  }
  return got;
}

function tableFiles({ simulation }: Held): number {
  return simulation.fs.listSync('/db').filter((name) => name.endsWith('.sst')).length;
}

test('a snapshot that is held shows its moment, however much is written since, and then its files go', async () => {
  const held = await opened();
  const { engine, simulation } = held;
  await writeAll(held, 0);
  await simulation.settle(engine.delete(KEYS[7]));
  const taken = engine.snapshot();
  const twin = engine.snapshot();
  await simulation.settle(engine.put(KEYS[3], Buffer.from('9')));
  const later = engine.snapshot();
  const expected = `${'0'.repeat(7)}-${'0'.repeat(42)}`;
  await overwrite(held);
  for (const snapshot of [taken, twin]) assert.equal(await shown(held, snapshot), expected);
  assert.equal(await shown(held, later), `${expected.slice(0, 3)}9${expected.slice(4)}`);
  await simulation.settle(engine.compact());
  await simulation.settle(engine.store.maintenanceIdle());
  assert.equal(await shown(held, taken), expected);
  taken.release();
  assert.equal(await shown(held, twin), expected);
  twin.release();
  later.release();
  // Something is asked, so that the reader goes past what it was asked before.
  await simulation.settle(Array.fromAsync(engine.range()));
  await simulation.pass(100);
  const { tablesByLevel } = engine.stats();
  assert.equal(
    tableFiles(held),
    tablesByLevel.reduce((sum, tables) => sum + tables, 0),
  );
  await simulation.settle(engine.close());
});

test('a scan goes on over a snapshot that loses its memtables meanwhile', async () => {
  const held = await opened();
  const { engine, simulation } = held;
  await writeAll(held, 0);
  using snapshot = engine.snapshot();
  const scan = engine.range({ snapshot, limit: 40 });
  const entries = await simulation.settle(scan.nextMany(20));
  const rest = scan.nextMany(20);
  await overwrite(held);
  const all = [...entries, ...(await simulation.settle(rest))];
  assert.deepEqual(
    all.map(({ key, value }) => [String(Buffer.from(key)), value[0]]),
    KEYS.slice(0, 40).map((key) => [String(key), 0x30]),
  );
  await simulation.settle(engine.close());
});

test('up to sixteen moments are kept; beyond them snapshots are given up, and writes go on', async () => {
  const held = await opened();
  const { engine, simulation } = held;
  const snapshots: Snapshot[] = [];
  for (let i = 0; i < 20; i++) {
    await writeAll(held, i);
    snapshots.push(engine.snapshot());
  }
  await overwrite(held);
  assert.equal(engine.stats().snapshotsHeld, 16);
  // Four were given up one after the other, for one reason.
  const reports = simulation.reports.filter((line) => line.includes('snapshot'));
  assert.equal(reports.length, 1, reports.join('\n'));
  assert.match(reports[0], /given up, as snapshots of 16 older moments are held.*release each snapshot/);
  const faults = new Set<string>();
  let kept = 0;
  for (const [i, snapshot] of snapshots.entries()) {
    try {
      assert.equal(await shown(held, snapshot), `${i % 10}`.repeat(50));
      kept++;
    } catch (error) {
      const { code, message } = error as LsmError;
      faults.add(`${code}: ${message}`);
    }
  }
  assert.deepEqual(
    [kept, ...faults],
    [
      16,
      'SNAPSHOT_EXPIRED: the snapshot was given up, as snapshots of 16 older moments are held, and more was written ' +
        'since than memtables hold: release each snapshot when you are done with it (`using`, or `release()`), and take a new one',
    ],
  );
  // With one of them released there is room for another.
  snapshots[0].release();
  await assert.rejects(shown(held, snapshots[0]), { code: 'SNAPSHOT_EXPIRED', message: /was released/ });
  await writeAll(held, 3);
  const another = engine.snapshot();
  await overwrite(held, 6);
  assert.equal(await shown(held, another), '3'.repeat(50));
  assert.equal(engine.stats().snapshotsHeld, 16);
  await simulation.settle(engine.close());
});

/** Fails what would be written for a snapshot. */
class NoRoomForSnapshots extends InlineExecutor {
  failures = 0;

  override runBackground(job: BackgroundJob): Promise<BackgroundResult> {
    if (job.job.type !== 'snapshot') return super.runBackground(job);
    this.failures++;
    return Promise.reject(new LsmError('NO_SPACE', 'the disk is full'));
  }
}

test('a snapshot that cannot be kept is given up, and writes go on', async () => {
  let executor: NoRoomForSnapshots | undefined;
  const held = await opened((context) => {
    executor = new NoRoomForSnapshots(context);
    return executor;
  });
  const { engine, simulation } = held;
  await writeAll(held, 0);
  const snapshot = engine.snapshot();
  await overwrite(held);
  assert.equal(executor?.failures, 1);
  await assert.rejects(shown(held, snapshot), {
    code: 'SNAPSHOT_EXPIRED',
    message: /could not be kept in tables of its own: the disk is full/,
  });
  await simulation.settle(engine.close());
});

test('an engine closes while something is written for a snapshot', async () => {
  const held = await opened(backgroundAfter(50));
  const { engine, simulation } = held;
  await writeAll(held, 0);
  engine.snapshot();
  const writes: Promise<void>[] = [];
  for (let round = 1; round < 8; round++)
    for (const key of KEYS) writes.push(engine.put(key, Buffer.alloc(1000)));
  const outcomes = Promise.allSettled(writes);
  await simulation.settle(engine.close());
  await outcomes;
  assert.equal(simulation.fs.openDescriptors, 0);
});

test('what was kept for a snapshot is gone after a stop, and its numbers are given anew', async () => {
  const held = await opened();
  await writeAll(held, 0);
  held.engine.snapshot();
  await overwrite(held);
  const simulation = held.simulation.restartWith(held.simulation.fs.kill());
  const again = { simulation, engine: await simulation.openEngine() };
  const { tablesByLevel } = again.engine.stats();
  assert.equal(
    tableFiles(again),
    tablesByLevel.reduce((sum, tables) => sum + tables, 0),
  );
  await overwrite(again, 5);
  using snapshot = again.engine.snapshot();
  assert.equal(await shown(again, snapshot), '6'.repeat(50));
  await simulation.settle(again.engine.close());
});
