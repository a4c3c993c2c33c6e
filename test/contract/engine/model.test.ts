/**
 * The engine against a Map: random operations over random configurations must give what the Map gives (idea:
 * pebble's metamorphic tests). MODEL_RUNS=2000 looks longer; a failure prints the seed and path to repeat it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Engine, EngineOptions, Snapshot } from '../../../native-free-lsm/index.ts';
import { EngineSimulation } from '../../support/engine-simulation.ts';

const RUNS = Number(process.env.MODEL_RUNS ?? 60);
const KEYS = 40;

type Model = Map<string, string>;

interface State {
  readonly simulation: EngineSimulation;
  engine: Engine;
  model: Model;
  /** The newest last; each with the model as it was. */
  snapshots: { readonly snapshot: Snapshot; readonly model: Model }[];
}

type Operation = (state: State) => Promise<void>;

function key(index: number): Buffer {
  // Of many lengths, some a beginning of others.
  return Buffer.from(`${'k'.repeat(1 + (index % 3))}${index}`);
}

function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1');
}

function entries(model: Model, start: number, end: number | null): [string, string][] {
  const from = key(start).toString('latin1');
  const to = end === null ? undefined : key(end).toString('latin1');
  const found = [...model].filter(([name]) => name >= from && (to === undefined || name < to));
  return found.sort(([a], [b]) => (a < b ? -1 : 1));
}

async function scan(
  engine: Engine,
  start: number,
  end: number | null,
  snapshot?: Snapshot,
): Promise<[string, string][]> {
  const found: [string, string][] = [];
  const options = {
    start: key(start),
    ...(end !== null && { end: key(end) }),
    ...(snapshot && { snapshot }),
  };
  for await (const entry of engine.range(options))
    found.push([text(entry.key) as string, text(entry.value) as string]);
  return found;
}

const index = fc.nat(KEYS - 1);
const value = fc
  .tuple(fc.nat(255), fc.oneof({ weight: 8, arbitrary: fc.nat(60) }, fc.nat(3000)))
  .map(([byte, size]) => Buffer.alloc(size, byte));

const put = fc.tuple(index, value).map(
  ([at, bytes]): Operation =>
    async ({ simulation, engine, model }) => {
      await simulation.settle(engine.put(key(at), bytes));
      model.set(key(at).toString('latin1'), text(bytes) as string);
    },
);
const remove = index.map(
  (at): Operation =>
    async ({ simulation, engine, model }) => {
      await simulation.settle(engine.delete(key(at)));
      model.delete(key(at).toString('latin1'));
    },
);
const batchItem = fc.tuple(index, fc.option(value, { freq: 4 }));
const batch = fc.array(batchItem, { maxLength: 8 }).map(
  (items): Operation =>
    async ({ simulation, engine, model }) => {
      const operations = items.map(([at, bytes]) =>
        bytes === null
          ? { type: 'delete' as const, key: key(at) }
          : { type: 'put' as const, key: key(at), value: bytes },
      );
      await simulation.settle(engine.write(operations));
      for (const [at, bytes] of items) {
        if (bytes === null) model.delete(key(at).toString('latin1'));
        else model.set(key(at).toString('latin1'), text(bytes) as string);
      }
    },
);
/** Many at once, so that memtables fill up and levels grow. */
const burst = fc.tuple(fc.integer({ min: 20, max: 120 }), index, fc.integer({ min: 100, max: 2500 })).map(
  ([count, first, size]): Operation =>
    async ({ simulation, engine, model }) => {
      const calls: Promise<void>[] = [];
      for (let i = 0; i < count; i++) {
        const at = (first + i * 7) % KEYS;
        const bytes = Buffer.alloc(size, `${first}.${i}.`);
        calls.push(engine.put(key(at), bytes));
        model.set(key(at).toString('latin1'), text(bytes) as string);
      }
      await simulation.settle(Promise.all(calls));
    },
);
const get = index.map(
  (at): Operation =>
    async ({ simulation, engine, model }) => {
      assert.equal(text(await simulation.settle(engine.get(key(at)))), model.get(key(at).toString('latin1')));
    },
);
const getMany = fc.array(index, { maxLength: 20 }).map(
  (all): Operation =>
    async ({ simulation, engine, model }) => {
      const found = await simulation.settle(engine.getMany(all.map(key)));
      assert.deepEqual(
        found.map(text),
        all.map((at) => model.get(key(at).toString('latin1'))),
      );
    },
);
const range = fc.tuple(index, fc.option(index)).map(
  ([start, end]): Operation =>
    async ({ simulation, engine, model }) => {
      assert.deepEqual(await simulation.settle(scan(engine, start, end)), entries(model, start, end));
    },
);
const takeSnapshot = fc.constant<Operation>(async ({ engine, model, snapshots }) => {
  snapshots.push({ snapshot: engine.snapshot(), model: new Map(model) });
  if (snapshots.length > 3) snapshots.shift()?.snapshot.release();
});
const readSnapshot = fc.tuple(fc.nat(2), index, fc.boolean()).map(
  ([which, at, whole]): Operation =>
    async ({ simulation, engine, snapshots }) => {
      const taken = snapshots[which];
      if (taken === undefined) return;
      try {
        const found = await simulation.settle(engine.get(key(at), taken.snapshot));
        assert.equal(text(found), taken.model.get(key(at).toString('latin1')), 'in a snapshot');
        if (!whole) return;
        const scanned = await simulation.settle(scan(engine, at, null, taken.snapshot));
        assert.deepEqual(scanned, entries(taken.model, at, null), 'in a snapshot');
      } catch (error) {
        // Its memory was needed for writing.
        if ((error as { code?: string }).code !== 'SNAPSHOT_EXPIRED') throw error;
        snapshots.splice(which, 1);
      }
    },
);
const flush = fc.constant<Operation>(async ({ simulation, engine }) => simulation.settle(engine.flush()));
const compact = fc.constant<Operation>(async ({ simulation, engine }) => simulation.settle(engine.compact()));
const reopen = fc.constant<Operation>(async (state) => {
  await state.simulation.settle(state.engine.close());
  state.snapshots = [];
  state.engine = await state.simulation.openEngine();
});

const operations = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: put },
    { weight: 3, arbitrary: remove },
    { weight: 3, arbitrary: batch },
    { weight: 4, arbitrary: burst },
    { weight: 4, arbitrary: get },
    { weight: 2, arbitrary: getMany },
    { weight: 3, arbitrary: range },
    { weight: 2, arbitrary: takeSnapshot },
    { weight: 3, arbitrary: readSnapshot },
    { weight: 2, arbitrary: flush },
    { weight: 1, arbitrary: compact },
    { weight: 1, arbitrary: reopen },
  ),
  { minLength: 5, maxLength: 60, size: 'max' },
);

const configuration: fc.Arbitrary<Partial<EngineOptions>> = fc.record({
  maxRecordBytes: fc.constant(16 << 10),
  memtableBytes: fc.constantFrom(64 << 10, 96 << 10, 1 << 20),
  maxSealedMemtables: fc.integer({ min: 1, max: 4 }),
  writeStallTimeoutMs: fc.constant(60_000),
  blockCacheBytes: fc.constantFrom(0, 8 << 10, 256 << 10),
  readers: fc.integer({ min: 1, max: 3 }),
  maxOpenFilesPerThread: fc.constant(16),
  blockSizeBytes: fc.constantFrom(64, 300, 4096),
  bottomBlockSizeBytes: fc.constantFrom(64, 1000, 16_384),
  bottomCompression: fc.constantFrom('none', 'zstd'),
  restartInterval: fc.constantFrom(1, 3, 16),
  bloomBitsPerKey: fc.constantFrom(0, 2, 10),
  targetFileBytes: fc.constantFrom(4 << 10, 32 << 10),
  l0CompactionTables: fc.constantFrom(1, 4),
  baseLevelBytes: fc.constantFrom(4 << 10, 64 << 10),
  levelMultiplier: fc.constantFrom(2, 10),
  maxCompactionBytes: fc.constantFrom(32 << 10, 1 << 20),
  maxBackgroundJobs: fc.integer({ min: 1, max: 3 }),
  durability: fc.constantFrom('sync', 'interval', 'none'),
});

test('random operations over random configurations give what a Map gives', async () => {
  const property = fc.asyncProperty(configuration, operations, async (options, all) => {
    const simulation = new EngineSimulation(options);
    const state: State = {
      simulation,
      engine: await simulation.openEngine(),
      model: new Map(),
      snapshots: [],
    };
    for (const operation of all) await operation(state);
    assert.deepEqual(await simulation.settle(scan(state.engine, 0, null)), entries(state.model, 0, null));
    await simulation.settle(state.engine.close());
    assert.equal(simulation.fs.openDescriptors, 0);
  });
  await fc.assert(property, { numRuns: RUNS });
});
