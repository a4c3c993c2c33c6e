import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type CompactionTask,
  compactionDebtBytes,
  levelScore,
  type PickerOptions,
  pickCompaction,
} from '../../../../native-free-lsm/compaction/picker.ts';
import type { TableMetadata } from '../../../../native-free-lsm/sstable/table-metadata.ts';
import { LEVELS, Version } from '../../../../native-free-lsm/version/version.ts';
import { ids, table } from '../version/version-support.ts';

const OPTIONS: PickerOptions = { l0Trigger: 3, baseLevelBytes: 12, levelMultiplier: 2, maxTaskBytes: 14 };
const KEYS_PER_TABLE = 4;

/** Tables whose contents are a map from key to version; a key is one byte of size. */
class Model {
  version = Version.empty();
  readonly contents = new Map<number, ReadonlyMap<number, number>>();
  readonly newest = new Map<number, number>();
  readonly running: { task: CompactionTask; outputs: TableMetadata[] }[] = [];
  #nextId = 1;
  #nextVersion = 1;

  get busy(): Set<number> {
    return new Set(this.running.flatMap(({ task }) => ids([...task.inputs, ...task.overlapping])));
  }

  flush(keys: readonly number[]): void {
    const entries = new Map(keys.map((key) => [key, this.#nextVersion++]));
    for (const [key, version] of entries) this.newest.set(key, version);
    this.version = this.version.apply({ added: this.#write(entries, 0, 8), removed: [] });
  }

  /** Starts the next task, which is carried out on what it sees now, and becomes visible with `finish`. */
  start(): boolean {
    const task = pickCompaction(this.version, this.busy, OPTIONS);
    if (task === null) return false;
    this.#check(task);
    const merged = new Map<number, number>();
    for (const { id } of [...task.inputs, ...task.overlapping]) {
      // Newest first, as a read finds them: the first version of a key is the one that stays.
      for (const [key, version] of this.contents.get(id) as Map<number, number>) {
        if (!merged.has(key)) merged.set(key, version);
      }
    }
    const outputs = task.trivialMove
      ? task.inputs.map((input) => ({ ...input, level: task.outputLevel }))
      : this.#write(merged, task.outputLevel, KEYS_PER_TABLE);
    this.running.push({ task, outputs });
    return true;
  }

  finish(index: number): void {
    const [{ task, outputs }] = this.running.splice(index % this.running.length, 1);
    const removed = ids([...task.inputs, ...task.overlapping]);
    this.version = this.version.apply({ added: outputs, removed });
    this.checkReads();
  }

  /** For each key the newest version is in the highest place. */
  checkReads(): void {
    for (const [key, version] of this.newest) {
      const found = this.version.levels.flat().find(({ id }) => this.contents.get(id)?.has(key));
      assert.equal(this.contents.get(found?.id ?? 0)?.get(key), version, `key ${key}`);
    }
  }

  #check(task: CompactionTask): void {
    const tables = [...task.inputs, ...task.overlapping];
    const busy = this.busy;
    for (const { id } of tables) assert.ok(!busy.has(id), 'a table of two tasks');
    if (task.trivialMove) assert.equal(tables.length, 1);
    const keys = tables.flatMap(({ id }) => [...(this.contents.get(id) as Map<number, number>).keys()]);
    const isBelow = this.version.levels
      .slice(task.outputLevel + 1)
      .flat()
      .some(({ id }) => keys.some((key) => this.contents.get(id)?.has(key)));
    assert.ok(!(task.bottommost && isBelow), 'the task is not bottommost');
  }

  #write(entries: ReadonlyMap<number, number>, level: number, perTable: number): TableMetadata[] {
    const sorted = [...entries].sort(([a], [b]) => a - b);
    const tables: TableMetadata[] = [];
    for (let at = 0; at < sorted.length; at += perTable) {
      const part = sorted.slice(at, at + perTable);
      const id = this.#nextId++;
      this.contents.set(id, new Map(part));
      const key = (index: number) => String.fromCharCode(32 + part[index][0]);
      tables.push(table(id, level, key(0), key(part.length - 1), { fileSizeBytes: part.length }));
    }
    return tables;
  }
}

const arbitraryStep = fc.oneof(
  { weight: 3, arbitrary: fc.record({ flush: fc.uniqueArray(fc.nat(60), { minLength: 1, maxLength: 12 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ flush: fc.nat(50).map((from) => [0, 1, 2, 3, 4, 5].map((i) => from + i)) }),
  },
  { weight: 3, arbitrary: fc.record({ start: fc.constant(true) }) },
  { weight: 3, arbitrary: fc.record({ finish: fc.nat(10) }) },
);

test('whatever is picked and in whatever order it ends, reads stay right, and at last no level is too full', () => {
  let started = 0;
  let moved = 0;
  let atOnce = 0;
  fc.assert(
    fc.property(fc.array(arbitraryStep, { minLength: 10, maxLength: 120 }), fc.nat(), (steps, order) => {
      const model = new Model();
      for (const step of steps) {
        if ('flush' in step) model.flush(step.flush);
        else if ('start' in step) model.start();
        else if (model.running.length > 0) model.finish(step.finish);
        atOnce = Math.max(atOnce, model.running.length);
      }
      for (let turn = order; ; turn = (turn * 7 + 1) % 1009) {
        if (model.start()) {
          started++;
          if (model.running.at(-1)?.task.trivialMove) moved++;
          assert.ok(started < 1_000_000);
        } else if (model.running.length > 0) {
          model.finish(turn);
        } else {
          break;
        }
      }
      model.checkReads();
      for (let level = 0; level < LEVELS; level++) {
        assert.ok(levelScore(model.version, level, OPTIONS) < 1, `level ${level}`);
      }
      assert.equal(compactionDebtBytes(model.version, OPTIONS), 0);
    }),
    { numRuns: 150 },
  );
  assert.ok(started > 500 && moved > 50 && atOnce > 1, `${started} tasks, ${moved} moves, ${atOnce} at once`);
});
