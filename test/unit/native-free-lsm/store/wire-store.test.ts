import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InlineExecutor, type MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import type { ExecutorContext, RoleHandle } from '../../../../native-free-lsm/threads/executor.ts';
import type { ReaderInit, WriterInit } from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import { readRecord, record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const KEY = Buffer.from('key');
const OPTIONS = { ...TINY_OPTIONS, readers: 2 };

/** Starts so many roles, and then fails. */
class FailingExecutor extends InlineExecutor {
  readonly ended: Promise<unknown>[] = [];
  isClosed = false;
  #left: number;

  constructor(context: ExecutorContext, rolesToStart: number) {
    super(context);
    this.#left = rolesToStart;
  }

  override startWriter(init: WriterInit): RoleHandle {
    return this.#start(() => super.startWriter(init));
  }
  override startReader(init: ReaderInit): RoleHandle {
    return this.#start(() => super.startReader(init));
  }
  override async close(): Promise<void> {
    await super.close();
    this.isClosed = true;
  }

  #start(start: () => RoleHandle): RoleHandle {
    if (this.#left-- === 0) throw new RangeError('no memory for another thread');
    const handle = start();
    this.ended.push(handle.exited);
    return handle;
  }
}

async function folderWithData(): Promise<MemoryFileSystem> {
  const simulation = new EngineSimulation(OPTIONS);
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, KEY, record(1, 'x')));
  await simulation.settle(store.close());
  return simulation.fs;
}

for (const rolesToStart of [0, 1, 2]) {
  for (const isReadOnly of [false, true]) {
    const where = isReadOnly ? ', on a disk that takes nothing' : '';
    test(`an opening that fails behind ${rolesToStart} roles leaves nothing open${where}`, async () => {
      const fs = await folderWithData();
      const executors: FailingExecutor[] = [];
      const simulation = new EngineSimulation(OPTIONS, fs, (context) => {
        const executor = new FailingExecutor(context, executors.length === 0 ? rolesToStart : 10);
        executors.push(executor);
        return executor;
      });
      fs.isReadOnly = isReadOnly;
      assert.throws(() => simulation.openStore(), /no memory for another thread/);
      assert.equal(executors.length, 1);
      const [{ ended }] = executors;
      assert.equal(ended.length, rolesToStart);
      // What was started is told to end, and the lock is held until it has.
      await simulation.settle(Promise.all(ended));
      await simulation.pass(50);
      assert.ok(executors[0].isClosed, 'the executor is closed');
      assert.equal(fs.openDescriptors, 0);
      assert.equal(simulation.clock.pendingTimers, 0, 'nobody looks any more whether the disk takes writes');
      fs.onCall = ({ operation }) => assert.fail(`${operation}: nobody uses the folder any more`);
      await simulation.pass(3000);
      fs.onCall = undefined;
      const store = simulation.openStore();
      assert.deepEqual(await simulation.settle(readRecord(store, KEY)), record(1, 'x'));
      await simulation.settle(store.close());
    });
  }
}
