/**
 * The offline tools over folders that an engine has made of random histories, with late writes of old versions,
 * kills and several levels: `verify` raises no false alarm, `dump` shows what was written, and a folder whose
 * manifest is lost is rebuilt to the same.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareRecordVersions, encodeRecord } from '../../../../native-free-lsm/index.ts';
import { dumpEntries } from '../../../../native-free-lsm/offline/dump.ts';
import { repairFolder } from '../../../../native-free-lsm/offline/repair.ts';
import { statFolder } from '../../../../native-free-lsm/offline/stat.ts';
import type { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { parseFileName } from '../../../../native-free-lsm/version/file-names.ts';
import { DIRECTORY, filesOf, placeFiles, SMALL, verifyFiles } from '../../../support/damaged-folder.ts';
import { writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

type Step =
  | {
      readonly type: 'write';
      readonly key: number;
      readonly timestamp: number;
      readonly kind: 'put' | 'delete' | 'expired';
    }
  | { readonly type: 'flush' | 'compact' | 'reopen' | 'kill' };

const write = fc.record({
  type: fc.constant('write' as const),
  key: fc.nat(40),
  timestamp: fc.integer({ min: 1, max: 1000 }),
  kind: fc.constantFrom(
    'put' as const,
    'put' as const,
    'put' as const,
    'delete' as const,
    'expired' as const,
  ),
});
const upkeep = fc.record({ type: fc.constantFrom('flush', 'flush', 'flush', 'compact', 'reopen', 'kill') });
const history: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof({ arbitrary: write, weight: 5 }, { arbitrary: upkeep as fc.Arbitrary<Step>, weight: 1 }),
  { minLength: 20, maxLength: 150, size: 'max' },
);

/** By key, its newest record. */
type Model = Map<string, Uint8Array>;

async function play(steps: readonly Step[]): Promise<{ fs: MemoryFileSystem; model: Model }> {
  const model: Model = new Map();
  let simulation = new EngineSimulation({ ...TINY_OPTIONS, l0CompactionTables: 3 });
  let store = simulation.openStore();
  for (const [i, step] of steps.entries()) {
    if (step.type === 'write') {
      const { key, kind, timestamp } = step;
      // No two writes have the same version, unless they are the same write.
      const fields = {
        timestamp,
        writer: i,
        tombstone: kind === 'delete',
        from: 3,
        expiryMs: kind === 'expired' ? 1 : 0,
      };
      const record = encodeRecord(fields, Buffer.from(kind === 'delete' ? '' : `value ${i} `.repeat(20)));
      const name = `key${key}`;
      await simulation.settle(writeRecordTo(store, Buffer.from(name), record));
      const known = model.get(name);
      if (known === undefined || compareRecordVersions(known, 0, record, 0) < 0) model.set(name, record);
    } else if (step.type === 'flush') {
      await simulation.settle(store.flush());
    } else if (step.type === 'compact') {
      await simulation.settle(store.compact());
    } else {
      if (step.type === 'reopen') await simulation.settle(store.close());
      simulation = simulation.restartWith(simulation.fs.crash({ bytes: 'kept', names: 'kept' }));
      store = simulation.openStore();
    }
  }
  return { fs: placeFiles(filesOf(simulation.fs.crash({ bytes: 'kept', names: 'kept' }))), model };
}

/** What a read would find, by key. */
function dumped(fs: MemoryFileSystem): Map<string, string> {
  const entries = [...dumpEntries(fs, DIRECTORY, {}, NOW_MS)];
  return new Map(
    entries.map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()]),
  );
}

/** After everything that expires has. */
const NOW_MS = 1_000_000;

function expected(model: Model): Map<string, string> {
  const live = [...model].filter(([, record]) => record[1] === 0).sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(live.map(([key, record]) => [key, Buffer.from(record.subarray(16)).toString()]));
}

test('of any history: no false alarm, every entry, and the same again when the manifest is lost', async () => {
  let deepest = 0;
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      const { fs, model } = await play(steps);
      assert.deepEqual(verifyFiles(fs).damages, []);
      assert.deepEqual(dumped(fs), expected(model));
      deepest = Math.max(deepest, statFolder(fs, DIRECTORY).levels.length);
      assert.equal((await repairFolder(DIRECTORY, { fs, engine: SMALL })).steps.length, 0);

      for (const name of fs.listSync(DIRECTORY)) {
        const kind = parseFileName(name)?.kind;
        if (kind === 'manifest' || kind === 'current') fs.removeSync(`${DIRECTORY}/${name}`);
      }
      if (fs.listSync(DIRECTORY).length === 0) return;
      const plan = await repairFolder(DIRECTORY, { fs, apply: true, engine: SMALL });
      assert.equal(plan.manifest, 'rebuilt');
      assert.deepEqual(verifyFiles(fs).damages, []);
      assert.deepEqual(dumped(fs), expected(model));
    }),
    { numRuns: 100 },
  );
  assert.ok(deepest > 1, 'no history had two levels');
});
