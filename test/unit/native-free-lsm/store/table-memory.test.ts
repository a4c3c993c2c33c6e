import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { TableMemory } from '../../../../native-free-lsm/store/table-memory.ts';
import type {
  BackgroundJob,
  BackgroundResult,
} from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import { EngineSimulation, SpoilingExecutor, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const MIB = 1024 * 1024;

function piece(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(bytes);
}

test('what is free is lent to one job at a time, and comes back but for what tables lie in', () => {
  const memory = new TableMemory();
  const [a, b] = [piece(1024), piece(2048)];
  memory.takeBack([a, b]);
  const lent = memory.lend();
  assert.deepEqual(lent, [a, b]);
  assert.deepEqual(memory.lend(), []);
  memory.takeBack(lent, [1]);
  assert.deepEqual(memory.lend(), [b]);
});

test('no more than a bound lies free', () => {
  const memory = new TableMemory();
  for (let i = 0; i < 40; i++) memory.takeBack([piece(MIB)]);
  assert.equal(memory.freeBytes, 16 * MIB);
  for (let i = 0; i < 400; i++) memory.takeBack([piece(0), piece(1)]);
  assert.ok(memory.lend().length <= 256);
});

/** Notes the memory of all tables. */
class NotingExecutor extends SpoilingExecutor {
  readonly pieces = new Set<SharedArrayBuffer>();
  tables = 0;

  override async runBackground(job: BackgroundJob): Promise<BackgroundResult> {
    const result = await super.runBackground(job);
    for (const { filter, index } of result.tables) this.pieces.add(index).add(filter);
    this.tables += result.tables.length;
    return result;
  }
}

test('tables that replace others lie in their memory, and nobody reads a table whose memory is lent', async () => {
  let executor: NotingExecutor | undefined;
  const simulation = new EngineSimulation(TINY_OPTIONS, new MemoryFileSystem(), (context) => {
    executor = new NotingExecutor(context);
    return executor;
  });
  const engine = await simulation.openEngine();
  const keyOf = (i: number): Buffer => Buffer.from(`key${String(i).padStart(4, '0')}`);
  const KEYS = 600;
  const value = (round: number, i: number): string => `${round} ${i} `.padEnd(120, 'x');
  const putAll = (round: number): Promise<void> =>
    engine.write(
      Array.from({ length: KEYS }, (_, i) => ({
        type: 'put' as const,
        key: keyOf(i),
        value: Buffer.from(value(round, i)),
      })),
    );
  await simulation.settle(putAll(0));
  const snapshot = engine.snapshot();
  const scan = engine.range();
  await simulation.settle(scan.nextMany(10));
  const ROUNDS = 30;
  for (let round = 1; round <= ROUNDS; round++) {
    await simulation.settle(putAll(round));
    if (round === 20) snapshot[Symbol.dispose]();
    for (let i = round; i < KEYS; i += 50) {
      const found = await simulation.settle(engine.get(keyOf(i)));
      assert.equal(String(found), value(round, i));
      if (round < 20)
        assert.equal(String(await simulation.settle(engine.get(keyOf(i), snapshot))), value(0, i));
    }
    for (const { key, value: seen } of await simulation.settle(scan.nextMany(15))) {
      const number = Number(String(key).slice(3));
      assert.equal(String(seen).trimEnd().split(' ')[1], String(number));
    }
  }
  assert.equal((await simulation.settle(Array.fromAsync(engine.range()))).length, KEYS);
  await simulation.settle(engine.close());
  const { pieces, tables } = executor as NotingExecutor;
  assert.ok(tables > 100, `only ${tables} tables`);
  assert.ok(pieces.size < tables, `${pieces.size} pieces of memory for ${tables} tables`);
});
