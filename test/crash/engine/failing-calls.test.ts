/**
 * Any one call to the file system fails once, in the middle of a run: whoever asked gets an error with a name or
 * success, nothing acknowledged is lost, now or after a restart, and a disk that was full serves on.
 * FAULT_ROUNDS=5 goes through every call of five runs.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileSystemError, MemoryFileSystem } from '../../../native-free-lsm/fs/memory-fs.ts';
import { LsmError, WriteStatus } from '../../../native-free-lsm/index.ts';
import { record, writeRecordTo } from '../../support/engine-calls.ts';
import { EngineHistory } from '../../support/engine-history.ts';
import { EngineSimulation } from '../../support/engine-simulation.ts';
import { runWorkload } from '../../support/engine-workload.ts';

const STEPS = 45;
const rounds = Number(process.env.FAULT_ROUNDS ?? 0);
const TABLE_OR_LOG = /\.(?:sst|log)$/;

interface Failure {
  readonly seed: number;
  readonly failAt: number;
  readonly code: string;
}

/** @returns the number of calls of the run */
async function runWithFailure({ seed, failAt, code }: Failure): Promise<number> {
  const history = new EngineHistory();
  const fs = new MemoryFileSystem();
  let failed = '';
  fs.onCall = ({ index, operation, path }) => {
    if (index !== failAt) return undefined;
    failed = `${operation} ${path}`;
    throw fileSystemError(code, operation, path);
  };
  const simulation = new EngineSimulation(undefined, fs);
  try {
    try {
      await runWorkload(simulation, history, { seed, steps: STEPS });
    } catch (error) {
      // Only opening may throw, and says what is wrong; another attempt finds the disk as it was.
      assert.ok(error instanceof LsmError, `not an error of the engine: ${(error as Error).message}`);
      assert.notEqual(error.code, 'CORRUPTION');
      assert.equal(fs.openDescriptors, 0, 'an opening that failed leaves nothing open');
    }
    const calls = fs.callCount;
    for (const error of history.failures) {
      assert.match((error as LsmError).code, /^(?:NO_SPACE|IO_ERROR|POISONED)$/, error.message);
    }
    if (code === 'ENOSPC' && !failed.startsWith('fdatasync')) {
      assert.ok(
        !history.failures.some((error) => (error as LsmError).code === 'POISONED'),
        'a full disk is no poison',
      );
    }
    await checkAfterwards(simulation, history);
    return calls;
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`seed ${seed}, ${code} at call ${failAt} (${failed}): ${message}`, { cause: error });
  }
}

async function checkAfterwards(simulation: EngineSimulation, history: EngineHistory): Promise<void> {
  const store = simulation.openStore();
  await simulation.settle(history.check(store));
  const { status } = await simulation.settle(writeRecordTo(store, Buffer.from('later'), record(1, 'later')));
  assert.equal(status, WriteStatus.applied);
  await simulation.settle(store.compact());
  await simulation.settle(store.close());
  assert.equal(simulation.fs.openDescriptors, 0, 'closed with everything it had opened');
  const tables = store.stats().tablesByLevel.reduce((sum, count) => sum + count, 0);
  const files = simulation.fs.listSync('/db').filter((name) => TABLE_OR_LOG.test(name));
  assert.equal(files.length, tables + 1, `every table of the version and one log, no orphans: ${files}`);
}

test('any call that fails once is reported or overcome, and nothing acknowledged is lost', async () => {
  const calls = await runWithFailure({ seed: 9, failAt: -1, code: 'EIO' });
  assert.ok(calls > 300);
  for (const code of ['EIO', 'ENOSPC']) {
    for (let failAt = code === 'EIO' ? 0 : 3; failAt < calls; failAt += 6) {
      await runWithFailure({ seed: 9, failAt, code });
    }
  }
  for (let seed = 10; seed < 10 + rounds; seed++) {
    const all = await runWithFailure({ seed, failAt: -1, code: 'EIO' });
    for (let failAt = 0; failAt < all; failAt++) {
      for (const code of ['EIO', 'ENOSPC']) await runWithFailure({ seed, failAt, code });
    }
  }
});

test('a disk that fills up refuses writes, keeps what it acknowledged, and takes writes when there is room', async () => {
  for (const capacityBytes of [20_000, 50_000, 90_000]) {
    const history = new EngineHistory();
    const simulation = new EngineSimulation(undefined, new MemoryFileSystem({ capacityBytes }));
    const store = simulation.openStore();
    let refused = 0;
    for (let i = 1; i <= 400; i++) {
      await simulation.settle(
        history.write(store, Buffer.from(`key${i % 50}`), record(i, `${i}`.repeat(200))),
      );
      if (history.failures.length > refused) refused = history.failures.length;
    }
    assert.ok(refused > 0, 'the disk was full');
    for (const error of history.failures) assert.match((error as LsmError).code, /^(?:NO_SPACE|OVERLOADED)$/);
    await simulation.settle(history.check(store));
    const left = simulation.restartWith(simulation.fs.crash({ bytes: 'lost', names: 'lost' }));
    const recovered = left.openStore();
    await left.settle(history.check(recovered));
    await left.settle(recovered.close());

    simulation.fs.capacityBytes = Number.POSITIVE_INFINITY;
    await simulation.pass(20_000);
    const before = history.failures.length;
    for (let i = 1001; i <= 1050; i++) {
      await simulation.settle(
        history.write(store, Buffer.from(`key${i % 50}`), record(i, `${i}`.repeat(200))),
      );
    }
    assert.equal(history.failures.length, before, 'there is room again');
    await simulation.settle(history.check(store));
    await simulation.settle(store.close());
  }
});
