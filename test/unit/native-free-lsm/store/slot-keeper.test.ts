import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ExecutorContext, encodeRecord, slotOf } from '../../../../native-free-lsm/index.ts';
import { completeOptions } from '../../../../native-free-lsm/options.ts';
import { createControl } from '../../../../native-free-lsm/shared/control.ts';
import { InlineExecutor, MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { runSlotJob } from '../../../../native-free-lsm/slots/slot-job.ts';
import { SlotSet } from '../../../../native-free-lsm/slots/slot-set.ts';
import { TableSet } from '../../../../native-free-lsm/sstable/table-set.ts';
import { Arenas } from '../../../../native-free-lsm/store/arenas.ts';
import { SlotKeeper } from '../../../../native-free-lsm/store/slot-keeper.ts';
import type { SuperVersion } from '../../../../native-free-lsm/store/super-versions.ts';
import type {
  BackgroundJob,
  BackgroundResult,
  SlotsJob,
} from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import { Version } from '../../../../native-free-lsm/version/version.ts';
import { backgroundAfter, EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

const MOST_TURNS_BETWEEN = 12;

test('what is asked when the last job has just answered is answered, too', async () => {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  const askInARow = async (): Promise<number> => {
    let answered = 0;
    for (let turnsBetween = 0; turnsBetween < MOST_TURNS_BETWEEN; turnsBetween++) {
      const versions = await store.slotVersions(turnsBetween);
      assert.equal(versions.count, 0);
      for (let turn = 0; turn < turnsBetween; turn++) await undefined;
      answered++;
    }
    return answered;
  };
  assert.equal(await simulation.settle(askInARow()), MOST_TURNS_BETWEEN);
  await simulation.settle(store.close());
});

test('a flush that says so late, after a job has looked at its tables already, leaves no digest of before', async () => {
  const options = completeOptions(TINY_OPTIONS);
  const control = createControl();
  const arenas = new Arenas(control, options.memtableBytes, 4, HASH_SEED);
  const fs = new MemoryFileSystem();
  let superVersion: SuperVersion = superVersionFrom(1);
  const keeper = new SlotKeeper({
    options,
    fingerprintSeed: HASH_SEED,
    control,
    arenas,
    executor: { runSlots: async ({ spec }: SlotsJob) => runSlotJob(fs, spec, () => false) },
    superVersions: { current: superVersion.tables, pin: () => superVersion, unpin: () => undefined },
    onDamage: () => undefined,
    onHealed: () => undefined,
    onDeletions: () => Promise.resolve(false),
    onFlushWanted: () => undefined,
  });
  const key = Buffer.from('key');
  const slots = Uint16Array.of(slotOf(key, 0, key.length));
  const minFroms = Uint8Array.of(1);
  arenas.begin(1);
  insert(arenas, 1, key, 100);
  assert.notDeepEqual(await keeper.digests(slots, minFroms, undefined), new Uint32Array(2));
  // Nobody looks at this version in the memtable. Its tables have nothing, which shows that they were looked at.
  insert(arenas, 1, key, 200);
  arenas.begin(2);
  superVersion = superVersionFrom(2);
  await keeper.versions(slots[0], undefined);
  const flushed = new SlotSet();
  flushed.add(slots[0]);
  keeper.flushed(1, flushed.bytes);
  assert.deepEqual(await keeper.digests(slots, minFroms, undefined), new Uint32Array(2));
});

test('a look at tables that must be read as a whole ends within a block when it is cancelled', async () => {
  let job: SlotsJob | undefined;
  class Recording extends InlineExecutor {
    override runSlots(given: SlotsJob) {
      job = given;
      return super.runSlots(given);
    }
  }
  const executor = (context: ExecutorContext): InlineExecutor => new Recording(context);
  const simulation = new EngineSimulation(TINY_OPTIONS, undefined, executor);
  const store = simulation.openStore({ fingerprintSeed: { low: 1, high: 1 } });
  const sink = { onWrite: () => undefined };
  for (let index = 0; index < 500; index++)
    store.write(Buffer.from(`key${index}`), recordAt(index + 1), sink, 0);
  await simulation.settle(store.flush());
  await simulation.settle(store.close());
  const other = simulation.openStore({ fingerprintSeed: { low: 2, high: 2 } });
  await simulation.settle(other.slotVersions(7));
  const { spec } = job as SlotsJob;
  let looks = 0;
  const cancelled = (): boolean => ++looks === 3;
  assert.throws(() => runSlotJob(simulation.fs, spec, cancelled), { code: 'CLOSED' });
  assert.equal(looks, 3);
  await simulation.settle(other.close());
});

test('who asks while a job runs is told of what was written before', async () => {
  const lateMs = 20;
  const simulation = new EngineSimulation(TINY_OPTIONS, undefined, backgroundAfter(lateMs));
  const store = simulation.openStore();
  const key = Buffer.from('key');
  const slots = Uint16Array.of(slotOf(key, 0, key.length));
  const digests = (): Promise<Uint32Array> => store.slotDigests(slots, Uint8Array.of(1));
  const [digestsBefore, versionsBefore] = [digests(), store.slotVersions(slots[0])];
  await Promise.resolve();
  await simulation.settle(
    new Promise<void>((resolve) => store.write(key, recordAt(100), { onWrite: () => resolve() }, 0)),
  );
  const [digestsAfter, versionsAfter] = [digests(), store.slotVersions(slots[0])];
  await simulation.settle(Promise.all([digestsBefore, versionsBefore, digestsAfter, versionsAfter]));
  assert.deepEqual(await digestsBefore, new Uint32Array(2));
  assert.equal((await versionsBefore).count, 0);
  assert.notDeepEqual(await digestsAfter, new Uint32Array(2));
  assert.equal((await versionsAfter).count, 1);
  await simulation.settle(store.close());
});

test('a flush finds out slots once digests are kept, and counts as if it had all that are asked for while it runs', async () => {
  const lateMs = 20;
  const found: boolean[] = [];
  class Recording extends InlineExecutor {
    readonly #clock: ExecutorContext['clock'];

    constructor(context: ExecutorContext) {
      super(context);
      this.#clock = context.clock;
    }

    override async runBackground(job: BackgroundJob): Promise<BackgroundResult> {
      if (job.job.type === 'flush') found.push(job.job.findsSlots);
      await new Promise<void>((resolve) => void this.#clock.after(lateMs, resolve));
      return super.runBackground(job);
    }
  }
  const simulation = new EngineSimulation(TINY_OPTIONS, undefined, (context) => new Recording(context));
  const store = simulation.openStore();
  const key = Buffer.from('key');
  const slots = Uint16Array.of(slotOf(key, 0, key.length));
  const digests = (): Promise<Uint32Array> => simulation.settle(store.slotDigests(slots, Uint8Array.of(1)));
  const write = (timestamp: number): Promise<void> =>
    simulation.settle(
      new Promise((resolve) => store.write(key, recordAt(timestamp), { onWrite: () => resolve() }, 0)),
    );
  await write(100);
  const flushing = store.flush();
  await simulation.settle(new Promise<void>((resolve) => void simulation.clock.after(lateMs / 2, resolve)));
  const first = await digests();
  assert.notDeepEqual(first, new Uint32Array(2));
  await simulation.settle(flushing);
  assert.deepEqual(await digests(), first);
  // Nobody looks at this version before it is in a table.
  await write(200);
  await simulation.settle(store.flush());
  const second = await digests();
  assert.notDeepEqual(second, first);
  assert.deepEqual(found, [false, true]);
  await simulation.settle(store.close());
});

function superVersionFrom(oldestGeneration: number): SuperVersion {
  return { tables: new TableSet(oldestGeneration, oldestGeneration, []), version: Version.empty(), pins: 0 };
}

function recordAt(timestamp: number): Uint8Array {
  return encodeRecord({ timestamp, writer: 7, tombstone: false, from: 3, expiryMs: 0 }, Buffer.from('v'));
}

function insert(arenas: Arenas, generation: number, key: Uint8Array, timestamp: number): void {
  const record = recordAt(timestamp);
  const memtable = arenas.memtable(generation);
  memtable.insert(key, 0, key.length, record, 0, record.length);
  memtable.publish();
}
