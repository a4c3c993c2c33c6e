/** What stat and dump say of a folder is what an opening would find: they refuse what it refuses, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dumpEntries } from '../../../../native-free-lsm/offline/dump.ts';
import { countLive, statFolder } from '../../../../native-free-lsm/offline/stat.ts';
import type { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { record, writeRecordTo } from '../../../support/engine-calls.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';

/** One table, and one log with one put, begun as the manifest says. */
async function folder(): Promise<EngineSimulation> {
  const simulation = new EngineSimulation();
  const store = simulation.openStore();
  await simulation.settle(writeRecordTo(store, Buffer.from('a'), record(1, 'x')));
  await simulation.settle(store.flush());
  await simulation.settle(writeRecordTo(store, Buffer.from('b'), record(2, 'y')));
  await simulation.settle(store.close());
  return simulation;
}

const TOOLS: readonly [string, (fs: MemoryFileSystem) => unknown][] = [
  ['stat', (fs) => statFolder(fs, '/db')],
  ['dump', (fs) => [...dumpEntries(fs, '/db', {}, 0)]],
  ['count', (fs) => [...countLive(fs, '/db', 0)]],
];

for (const [name, use] of TOOLS) {
  test(`${name} refuses a folder whose log is gone or has no header, though it was begun`, async () => {
    const simulation = await folder();
    const { fs } = simulation;
    use(fs);
    const refused = { code: 'CORRUPTION', file: '/db/000002.log' };
    fs.place('/db/000002.log', new Uint8Array(0));
    assert.throws(() => use(fs), refused);
    assert.throws(() => simulation.openStore(), refused);
    fs.removeSync('/db/000002.log');
    assert.throws(() => use(fs), refused);
    assert.throws(() => simulation.openStore(), refused);
  });

  test(`${name} goes by damage of a log that is in tables, as an opening does`, async () => {
    const simulation = await folder();
    const { fs } = simulation;
    fs.place('/db/000001.log', Buffer.alloc(64, 7));
    use(fs);
    const [obsolete, live] = statFolder(fs, '/db').logs;
    assert.deepEqual([obsolete.isObsolete, obsolete.puts, obsolete.sizeBytes], [true, 0, 64]);
    assert.deepEqual([live.isObsolete, live.puts, live.isClean], [false, 1, true]);
    const store = simulation.openStore();
    await simulation.settle(store.close());
  });
}
