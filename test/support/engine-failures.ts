/**
 * Lets a call to the file system fail, or a few in a row, in the middle of a run; a part of a failed write may reach
 * the disk. Every caller gets success or an error with a name, reads go on, writes go on afterwards unless a sync has
 * failed, and nothing acknowledged is lost, neither now nor after a restart or a power loss.
 */
import assert from 'node:assert/strict';
import { type EngineOptions, LsmError, type RecordStore, WriteStatus } from '../../native-free-lsm/index.ts';
import { type CallHook, fileSystemError, MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../src/clock.ts';
import { record, writeRecordTo } from './engine-calls.ts';
import { EngineHistory, type Versions } from './engine-history.ts';
import { backgroundAfter, EngineSimulation, TINY_OPTIONS } from './engine-simulation.ts';
import { attempt, workOn } from './engine-workload.ts';

export const FAILURE_CODES = ['EIO', 'ENOSPC', 'EMFILE', 'EROFS'] as const;
const NAMED = /^(?:NO_SPACE|READ_ONLY|IO_ERROR|POISONED)$/;
/** The only call whose failure may poison the engine: the sync of what is to be acknowledged, or was. */
const POISONING = /^fdatasync .*\.log$/;
/** Used unless the check says otherwise. */
const CALLS_TO_STOP = 8;
const LARGE_VALUE = Buffer.alloc(12_000, 'after the failure');
const TABLE_OR_LOG = /\.(?:sst|log)$/;
/**
 * When the disk refuses a table this often, the opening goes on without it: until the next opening its keys fail with
 * its name.
 */
const REFUSALS = 3;
const TABLE_READ = /^(?:openRead|size|read) (.*\.sst)$/;
/** Longer than any failed work waits for its next attempt. */
const RETRY_MS = 20_000;

export interface FailureCheck {
  readonly seed: number;
  readonly steps: number;
  /** -1: no call fails. */
  readonly failAt: number;
  readonly code: (typeof FAILURE_CODES)[number];
  /** This many calls in a row fail. */
  readonly burst?: number;
  /**
   * This many calls like the one at `failAt` fail: the same operation on a file of the same kind. The others succeed.
   */
  readonly alike?: number;
  readonly options?: Partial<EngineOptions>;
  /** See `backgroundAfter`. */
  readonly backgroundDelayMs?: number;
  /** This many calls after the failure, while the engine clears up, its process is killed too or the power is lost. */
  readonly stopAfter?: number;
  /** A failed write has reached the disk completely, and the stop is a kill. If false, both are left to chance. */
  readonly wholeWrites?: boolean;
  /** A planted fault, in addition. */
  readonly fault?: CallHook;
}

/**
 * @returns the calls of the run, as `operation path`
 * @throws Error that says what went wrong, and which call had failed
 */
export async function checkFailure(check: FailureCheck): Promise<string[]> {
  const { seed, steps, failAt, code, burst = 1, alike = 0 } = check;
  const random = seededRandom(seed * 1000 + failAt * 10 + (check.stopAfter ?? 0));
  const fs = new MemoryFileSystem();
  const calls: string[] = [];
  const failed: string[] = [];
  let failing = '';
  const { stopAfter = failAt % CALLS_TO_STOP } = check;
  const stopAt = failAt < 0 ? -1 : failAt + burst + stopAfter;
  let image: { readonly disk: MemoryFileSystem; readonly least: Versions } | undefined;
  fs.onCall = (call) => {
    const { index, operation, path, lengthBytes } = call;
    calls.push(`${operation} ${path}`);
    if (index === stopAt) {
      const isKill = check.wholeWrites ?? random() < 0.5;
      const disk = isKill
        ? fs.kill()
        : fs.crash({ bytes: 'torn', names: 'torn', random: seededRandom(seed) });
      image = { disk, least: history.acknowledgedVersions() };
    }
    const kind = `${operation} ${path.replace(/\d+/g, '#')}`;
    if (index === failAt) failing = kind;
    const isInRow = failAt >= 0 && index >= failAt && index < failAt + burst;
    if (!isInRow && !(kind === failing && failed.length < alike)) return check.fault?.(call);
    failed.push(`${operation} ${path}`);
    const error = fileSystemError(code, operation, path);
    if (operation !== 'write') throw error;
    const isWhole = check.wholeWrites ?? random() < 0.5;
    return { doneBytes: isWhole ? lengthBytes : Math.floor(random() * lengthBytes), error };
  };
  const simulation = new EngineSimulation(
    { ...TINY_OPTIONS, ...check.options },
    fs,
    backgroundAfter(check.backgroundDelayMs ?? 0),
  );
  const history = new EngineHistory(() => simulation.clock.monotonicMs());
  try {
    const store = await opened(async () =>
      workOn(simulation, simulation.openStore(), history, { seed, steps }),
    );
    if (store === undefined)
      assert.equal(fs.openDescriptors, 0, 'an opening that failed leaves nothing open');
    else {
      checkFailures(history, failed);
      if (fs.callCount > failAt + burst) {
        await simulation.pass(RETRY_MS);
        failing = '';
        await goOn(simulation, store, history, refusedTables(failed));
      }
      await attempt(simulation.settle(store.close()), history);
    }
    fs.onCall = check.fault;
    checkFailures(history, failed);
    const refused = refusedTables(failed);
    const readFailures = history.readFailures.filter((error) => !isOfRefused(error, refused));
    assert.ok(readFailures.length <= failed.length, 'a read failed though its calls did not');
    const lost = simulation.restartWith(fs.crash({ bytes: 'lost', names: 'lost' }));
    await lost.settle(history.check(lost.openStore()));
    if (image !== undefined) {
      const stopped = simulation.restartWith(image.disk);
      await stopped.settle(history.check(stopped.openStore(), image.least));
    }
    await checkRestart(simulation, history);
    return calls;
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`seed ${seed}, ${code} at call ${failAt} (${failed.join(', ')}): ${message}`, {
      cause: error,
    });
  }
}

/** Only an opening may throw, and it says what is wrong. Another attempt finds the disk as it was. */
async function opened(run: () => Promise<RecordStore>): Promise<RecordStore | undefined> {
  try {
    return await run();
  } catch (error) {
    assert.ok(error instanceof LsmError, `not an error of the engine: ${(error as Error).message}`);
    assert.match(error.code, NAMED, error.message);
    return undefined;
  }
}

function checkFailures(history: EngineHistory, failed: readonly string[]): void {
  const refused = refusedTables(failed);
  for (const error of [...history.failures, ...history.readFailures]) {
    if (isOfRefused(error, refused)) continue;
    assert.match((error as LsmError).code, NAMED, error.message);
  }
  const mayPoison = failed.some((call) => POISONING.test(call));
  assert.ok(mayPoison || !isPoisoned(history), 'poisoned by what can be tried again');
}

function refusedTables(failed: readonly string[]): Set<string> {
  const refusals = new Map<string, number>();
  for (const call of failed) {
    const path = TABLE_READ.exec(call)?.[1];
    if (path !== undefined) refusals.set(path, (refusals.get(path) ?? 0) + 1);
  }
  return new Set([...refusals.keys()].filter((path) => (refusals.get(path) as number) >= REFUSALS));
}

function isOfRefused(error: Error, refused: ReadonlySet<string>): boolean {
  const { code, file } = error as LsmError;
  // A failed write has only a code: a late one has to look into the table.
  return code === 'CORRUPTION' && (file === undefined ? refused.size > 0 : refused.has(file));
}

function isPoisoned(history: EngineHistory): boolean {
  return history.failures.some((error) => (error as LsmError).code === 'POISONED');
}

/** The disk works again: the same store takes writes and flushes them to tables, or it was poisoned and can be read. */
async function goOn(
  simulation: EngineSimulation,
  store: RecordStore,
  history: EngineHistory,
  refused: ReadonlySet<string>,
): Promise<void> {
  const { conditions, state } = store.stats();
  // The store goes on without a table that it was opened without. Everything is there again at the next opening, which
  // is checked as always.
  const isWhole = !conditions.some(({ code }) => code === 'DAMAGED_TABLE');
  assert.ok(isWhole || refused.size > 0, 'a table counts as damaged that the disk did not refuse');
  if (isWhole) await simulation.settle(history.check(store));
  if (state === 'poisoned') {
    assert.deepEqual(conditions.map(({ code, stopsWrites }) => [code, stopsWrites])[0], ['POISONED', true]);
    return;
  }
  const others = conditions.filter(({ code }) => code !== 'DAMAGED_TABLE');
  assert.deepEqual(others, [], 'the state says that all is well');
  const before = history.failures.length;
  // Enough to need a new memtable.
  for (let i = 1; i <= 8; i++)
    await simulation.settle(history.write(store, Buffer.from(`after${i}`), record(i, LARGE_VALUE)));
  assert.equal(history.failures.length, before, `writes go on: ${history.failures.at(-1)?.message}`);
  await simulation.settle(store.flush());
  await simulation.settle(store.compact());
  if (isWhole) await simulation.settle(history.check(store));
}

async function checkRestart(simulation: EngineSimulation, history: EngineHistory): Promise<void> {
  const store = simulation.openStore();
  await simulation.settle(history.check(store));
  const { status } = await simulation.settle(writeRecordTo(store, Buffer.from('after'), record(1, 'later')));
  assert.equal(status, WriteStatus.applied);
  await simulation.settle(store.compact());
  await simulation.settle(store.close());
  assert.equal(simulation.fs.openDescriptors, 0, 'closed with everything it had opened');
  const tables = store.stats().tablesByLevel.reduce((sum, count) => sum + count, 0);
  const files = simulation.fs.listSync('/db').filter((name) => TABLE_OR_LOG.test(name));
  assert.equal(files.length, tables + 1, `every table of the version and one log, no orphans: ${files}`);
}
