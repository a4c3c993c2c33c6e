/** An engine opened on a disk that is full or mounted read-only serves what is there, and writes once it can. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RecordStore } from '../../../../native-free-lsm/index.ts';
import {
  fileSystemError,
  type MemoryFileSystem,
  SimulatedCrash,
} from '../../../../native-free-lsm/simulation/index.ts';
import { readRecord, record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation, NoBackground, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

interface Refusal {
  readonly code: 'NO_SPACE' | 'READ_ONLY';
  begin(fs: MemoryFileSystem): void;
  end(fs: MemoryFileSystem): void;
}

const FULL: Refusal = {
  code: 'NO_SPACE',
  begin: (fs) => {
    fs.capacityBytes = fs.usedBytes;
  },
  end: (fs) => {
    fs.capacityBytes = Number.POSITIVE_INFINITY;
  },
};
const READ_ONLY: Refusal = {
  code: 'READ_ONLY',
  begin: (fs) => {
    fs.isReadOnly = true;
  },
  end: (fs) => {
    fs.isReadOnly = false;
  },
};

const nameOf = (i: number) => Buffer.from(`key${i}`);
const recordOf = (i: number) => record(i + 1, `value${i}`);

async function write(simulation: EngineSimulation, store: RecordStore, i: number): Promise<void> {
  const { error } = await simulation.settle(writeRecordTo(store, nameOf(i), recordOf(i)));
  assert.equal(error, null);
}

async function expectKeys(simulation: EngineSimulation, store: RecordStore, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    assert.deepEqual(await simulation.settle(readRecord(store, nameOf(i))), recordOf(i), `key${i}`);
  }
}

/** Some keys in tables, some in a log. */
async function filled(simulation: EngineSimulation): Promise<RecordStore> {
  const store = simulation.openStore();
  for (let i = 0; i < 10; i++) await write(simulation, store, i);
  await simulation.settle(store.flush());
  for (let i = 10; i < 20; i++) await write(simulation, store, i);
  return store;
}

/** Opens a folder of so many keys on such a disk, and sees it through until the disk takes writes again. */
async function seeThrough(simulation: EngineSimulation, refusal: Refusal, count: number): Promise<void> {
  const { fs } = simulation;
  refusal.begin(fs);
  const namesBefore = fs.listSync('/db').sort();
  const store = simulation.openStore();
  await expectKeys(simulation, store, count);
  const [condition, ...others] = store.stats().conditions;
  assert.deepEqual([condition.code, condition.stopsWrites, others], [refusal.code, true, []]);
  const { error } = await simulation.settle(writeRecordTo(store, nameOf(count), recordOf(count)));
  assert.equal((error as { code?: string } | null)?.code, refusal.code);
  await simulation.pass(20_000);
  await expectKeys(simulation, store, count);
  if (refusal === READ_ONLY) assert.deepEqual(fs.listSync('/db').sort(), namesBefore);

  // Stopped here, everything is there, for a start on the same disk as well.
  const killed = simulation.restartWith(fs.kill({ capacityBytes: fs.capacityBytes }));
  killed.fs.isReadOnly = fs.isReadOnly;
  const again = killed.openStore();
  await expectKeys(killed, again, count);
  await killed.settle(again.close());

  refusal.end(fs);
  await simulation.pass(15_000);
  assert.deepEqual(store.stats().conditions, []);
  await write(simulation, store, count);
  const cut = simulation.restartWith(fs.crash({ bytes: 'lost', names: 'lost' }));
  const recovered = cut.openStore();
  await expectKeys(cut, recovered, count + 1);
  await cut.settle(recovered.close());
  await simulation.settle(store.flush());
  await simulation.settle(store.close());
  assert.equal(fs.openDescriptors, 0);
  const last = simulation.restartWith(fs);
  const reopened = last.openStore();
  await expectKeys(last, reopened, count + 1);
  await last.settle(reopened.close());
}

for (const refusal of [FULL, READ_ONLY]) {
  describe(`an engine opened on a disk that says ${refusal.code}`, () => {
    test('after a clean close', async () => {
      const simulation = new EngineSimulation();
      const store = await filled(simulation);
      await simulation.settle(store.close());
      await seeThrough(simulation.restartWith(simulation.fs), refusal, 20);
    });

    test('after a kill, which has left a log that is not known to be on the disk', async () => {
      const simulation = new EngineSimulation({ ...TINY_OPTIONS, durability: 'none' });
      await filled(simulation);
      await seeThrough(new EngineSimulation(undefined, simulation.fs.kill()), refusal, 20);
    });

    test('after so many kills that there are more logs than places for memtables', async () => {
      let simulation = new EngineSimulation(undefined, undefined, (context) => new NoBackground(context));
      for (let start = 0; start < 14; start++) {
        await write(simulation, simulation.openStore(), start);
        simulation = simulation.restartWith(simulation.fs.kill());
      }
      // Each start has put the earliest log into a table; this one finds one more than there are places.
      await seeThrough(new EngineSimulation(undefined, simulation.fs), refusal, 14);
    });

    test('new and empty it is refused, and nothing is left of it', async () => {
      const simulation = new EngineSimulation();
      refusal.begin(simulation.fs);
      assert.throws(() => simulation.openStore(), { code: refusal.code });
      refusal.end(simulation.fs);
      const store = simulation.openStore();
      await write(simulation, store, 0);
      await simulation.settle(store.close());
    });
  });
}

test('a log that cannot be made durable on a full disk keeps the engine from writing until it can', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, durability: 'none' });
  await filled(simulation);
  const fs = simulation.fs.kill();
  const next = simulation.restartWith(fs);
  // A file system that copies on write needs room for what it overwrites.
  let isFull = true;
  fs.onCall = ({ operation, path }) => {
    if (isFull && operation === 'write') throw fileSystemError('ENOSPC', operation, path);
    return undefined;
  };
  const store = next.openStore();
  await expectKeys(next, store, 20);
  await next.pass(5_000);
  assert.equal(store.stats().conditions[0].code, 'NO_SPACE');
  isFull = false;
  await next.pass(15_000);
  assert.deepEqual(store.stats().conditions, []);
  const cut = next.restartWith(fs.crash({ bytes: 'lost', names: 'lost' }));
  await expectKeys(cut, cut.openStore(), 20);
  await next.settle(store.close());
});

for (const refusal of [FULL, READ_ONLY]) {
  test(`stopped or failing at any call once the disk that said ${refusal.code} takes writes again, nothing is lost`, async () => {
    const before = new EngineSimulation();
    await filled(before);
    for (const failure of ['crash', 'EIO'] as const) {
      for (let failAt = 0; ; failAt++) {
        const fs = before.fs.kill();
        refusal.begin(fs);
        const simulation = before.restartWith(fs);
        const store = simulation.openStore();
        await expectKeys(simulation, store, 20);
        refusal.end(fs);
        const first = fs.callCount;
        let isReached = false;
        fs.onCall = ({ index, operation, path }) => {
          if (index !== first + failAt) return undefined;
          isReached = true;
          if (failure === 'crash') throw new SimulatedCrash();
          throw fileSystemError(failure, operation, path);
        };
        await simulation.pass(3_000);
        const written = () => simulation.settle(writeRecordTo(store, nameOf(20), recordOf(20)));
        let { error } = await written();
        // The call that failed may have been the write's own.
        if (error !== null) error = (await written()).error;
        const isWritten = error === null;
        // A sync of the log that has failed is for good; whatever else fails once is done again.
        if (failure === 'EIO')
          assert.ok(
            isWritten || (error as { code?: string } | null)?.code === 'POISONED',
            `call ${failAt}: ${error}`,
          );
        fs.onCall = undefined;
        const after = simulation.restartWith(fs.crash({ bytes: 'lost', names: 'lost' }));
        const recovered = after.openStore();
        await expectKeys(after, recovered, isWritten ? 21 : 20);
        await after.settle(recovered.close());
        if (!isReached) break;
      }
    }
  });
}
