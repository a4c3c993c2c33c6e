/** Checkpoints of the whole engine, on a file system in memory: what they hold, and what is left of one cut short. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine } from '../../../../native-free-lsm/index.ts';
import { repairFolder } from '../../../../native-free-lsm/offline/repair.ts';
import { verifyFolder } from '../../../../native-free-lsm/offline/verify.ts';
import {
  fileSystemError,
  type MemoryFileSystem,
  SimulatedCrash,
} from '../../../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';

const TARGET = '/copy';
const KEYS = 30;
const SURVIVALS = ['lost', 'kept', 'torn', 'torn', 'torn'] as const;

const keyOf = (i: number): Buffer => Buffer.from(`key${String(i).padStart(4, '0')}`);

async function write(simulation: EngineSimulation, engine: Engine, value: string): Promise<void> {
  for (let i = 0; i < KEYS; i++) await simulation.settle(engine.put(keyOf(i), Buffer.from(`${value}${i}`)));
  await simulation.settle(engine.delete(keyOf(7)));
}

async function filled(): Promise<{ simulation: EngineSimulation; engine: Engine }> {
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine();
  await write(simulation, engine, 'old');
  await simulation.settle(engine.flush());
  await write(simulation, engine, 'new');
  return { simulation, engine };
}

/** The values in a directory, in the order of their keys. */
async function valuesIn(fs: MemoryFileSystem, directory: string): Promise<string[]> {
  const simulation = new EngineSimulation(undefined, fs);
  const engine = await simulation.openEngineAt(directory);
  const values: string[] = [];
  const range = engine.range();
  for (;;) {
    const { done, value } = await simulation.settle(range.next());
    if (done === true) break;
    values.push(Buffer.from(value.value).toString());
  }
  await simulation.settle(engine.close());
  return values;
}

const EXPECTED = Array.from({ length: KEYS }, (_, i) => `new${i}`).filter((_, i) => i !== 7);

describe('a checkpoint', () => {
  it('holds everything written before, nothing written after, and lives on its own', async () => {
    const { simulation, engine } = await filled();
    await simulation.settle(engine.checkpoint(TARGET));
    await write(simulation, engine, 'later');
    await simulation.settle(engine.compact());
    assert.deepEqual(await valuesIn(simulation.fs, TARGET), EXPECTED);
    // Opened and written to, it takes nothing from the engine either.
    const copy = new EngineSimulation(undefined, simulation.fs);
    const second = await copy.openEngineAt(TARGET);
    await copy.settle(second.put(keyOf(0), Buffer.from('of the copy')));
    await copy.settle(second.compact());
    await copy.settle(second.close());
    const first = await simulation.settle(engine.get(keyOf(0)));
    assert.equal(Buffer.from(first as Uint8Array).toString(), 'later0');
    await simulation.settle(engine.close());
    for (const directory of ['/db', TARGET]) {
      const steps = verifyFolder(simulation.fs, directory);
      let step = steps.next();
      while (step.done !== true) step = steps.next();
      assert.deepEqual(step.value.damages, []);
    }
  });

  it('takes no room where files can have two names, and copies where they cannot', async () => {
    for (const isLinked of [true, false]) {
      const { simulation, engine } = await filled();
      await simulation.settle(engine.compact());
      const before = simulation.fs.usedBytes;
      if (!isLinked)
        simulation.fs.onCall = ({ operation, path }) => {
          if (operation === 'link') throw fileSystemError('EXDEV', 'link', path);
          return undefined;
        };
      await simulation.settle(engine.checkpoint(TARGET));
      simulation.fs.onCall = undefined;
      const taken = simulation.fs.usedBytes - before;
      const tables = engine.stats().bytesByLevel.reduce((sum, bytes) => sum + bytes, 0);
      assert.ok(isLinked ? taken < 2_000 : taken >= tables, `${taken} bytes for ${tables} in tables`);
      assert.deepEqual(await valuesIn(simulation.fs, TARGET), EXPECTED);
      await simulation.settle(engine.close());
    }
  });

  it('of an empty engine is an empty engine', async () => {
    const simulation = new EngineSimulation();
    const engine = await simulation.openEngine();
    await simulation.settle(engine.checkpoint(TARGET));
    assert.deepEqual(await valuesIn(simulation.fs, TARGET), []);
    await simulation.settle(engine.close());
  });

  it('is made nowhere where something is already', async () => {
    const { simulation, engine } = await filled();
    simulation.fs.place('/other/notes.txt', Buffer.from('mine'));
    await assert.rejects(simulation.settle(engine.checkpoint('/other')), {
      code: 'NOT_EMPTY',
      message: '/other is not empty (it holds notes.txt): name a new or empty directory for the checkpoint',
    });
    assert.equal(Buffer.from(simulation.fs.contents('/other/notes.txt')).toString(), 'mine');
    for (const own of ['/db', '/db/copy'])
      await assert.rejects(engine.checkpoint(own), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(engine.checkpoint(''), { code: 'INVALID_ARGUMENT' });
    await simulation.settle(engine.checkpoint(TARGET));
    await assert.rejects(simulation.settle(engine.checkpoint(TARGET)), { code: 'NOT_EMPTY' });
    await simulation.settle(engine.close());
    await assert.rejects(engine.checkpoint('/after'), { code: 'CLOSED' });
  });

  it('keeps its tables while compactions replace them', async () => {
    const { simulation, engine } = await filled();
    await simulation.settle(engine.flush());
    const made = engine.checkpoint(TARGET);
    const compacted = engine.compact();
    await simulation.settle(Promise.all([made, compacted]));
    assert.deepEqual(await valuesIn(simulation.fs, TARGET), EXPECTED);
    await simulation.settle(engine.close());
  });

  it('that any call fails may be made again, and the engine has lost nothing', async () => {
    for (const code of ['ENOSPC', 'EIO']) {
      for (let at = 0; ; at++) {
        const { simulation, engine } = await filled();
        await simulation.settle(engine.flush());
        const start = simulation.fs.callCount;
        let hasFailed = false;
        simulation.fs.onCall = ({ index, operation, path }) => {
          if (index - start !== at || !path.startsWith(TARGET)) return undefined;
          hasFailed = true;
          throw fileSystemError(code, operation, path);
        };
        const failure = await simulation.settle(engine.checkpoint(TARGET).catch((error) => error));
        simulation.fs.onCall = undefined;
        if (failure === undefined && simulation.fs.callCount - start <= at) {
          await simulation.settle(engine.close());
          break;
        }
        if (failure !== undefined) {
          assert.ok(hasFailed);
          assert.ok(['NO_SPACE', 'IO_ERROR'].includes(failure.code), `${code} at ${at}: ${failure.message}`);
          await simulation.settle(engine.checkpoint(TARGET));
        }
        assert.deepEqual(await valuesIn(simulation.fs, TARGET), EXPECTED, `${code} at ${at}`);
        await simulation.settle(engine.close());
      }
    }
  });

  it('that is cut short at any call is refused, or whole, and can be made again', async () => {
    let refused = 0;
    for (let at = 0; ; at++) {
      const { simulation, engine } = await filled();
      await simulation.settle(engine.flush());
      const start = simulation.fs.callCount;
      simulation.fs.onCall = ({ index }) => {
        if (index - start === at) throw new SimulatedCrash();
        return undefined;
      };
      const isDone = await simulation.settle(
        engine.checkpoint(TARGET).then(
          () => true,
          () => false,
        ),
      );
      const isAfter = simulation.fs.callCount - start <= at;
      for (const [i, survival] of SURVIVALS.entries()) {
        if (!isAfter && at % SURVIVALS.length !== i) continue;
        const random = seededRandom(at * 10 + i);
        const left = simulation.fs.crash({ bytes: survival, names: survival, random });
        refused += await checkLeft(left, isDone, `call ${at}, ${survival}`);
      }
      if (isAfter) break;
    }
    assert.ok(refused > 5, `only ${refused} were refused: does the mark come first?`);
  });
});

/** @returns 1 when an opening of what is left was refused */
async function checkLeft(fs: MemoryFileSystem, isDone: boolean, when: string): Promise<number> {
  let refused = 0;
  if (fs.existsSync(TARGET) && fs.listSync(TARGET).some((name) => !name.startsWith('LOCK'))) {
    const values = await valuesIn(fs, TARGET).catch((error) => error);
    if (values instanceof Error) {
      assert.equal(isDone, false, `${when}: ${values.message}`);
      assert.match(values.message, /is a checkpoint that is being made or was cut short/, when);
      await assert.rejects(repairFolder(TARGET, { fs, apply: true }), /cut short/, when);
      refused = 1;
    } else assert.deepEqual(values, EXPECTED, when);
  }
  const simulation = new EngineSimulation(undefined, fs);
  const engine = await simulation.openEngine();
  const again = await simulation.settle(engine.checkpoint(TARGET).catch((error) => error));
  if (again !== undefined) assert.equal(again.code, 'NOT_EMPTY', when);
  assert.deepEqual(await valuesIn(fs, TARGET), EXPECTED, when);
  await simulation.settle(engine.close());
  return refused;
}
