/** One moment of a folder that an engine has open, for the tools that read folders. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  dumpEntries,
  FrozenFolder,
  statFolder,
  verifyFolder,
} from '../../../../native-free-lsm/offline/index.ts';
import { fileSystemError, type MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { EngineSimulation, NoBackground, TINY_OPTIONS } from '../../../support/engine-simulation.ts';

const DIRECTORY = '/db';
const FIRST = '/db/000001.log';
const SECOND = '/db/000002.log';
const HEADER_BYTES = 16;

/** The keys of a folder. */
function keysOf(fs: FrozenFolder): string {
  const keys: string[] = [];
  for (const item of dumpEntries(fs, DIRECTORY, { start: undefined, end: undefined }, 0))
    if (item.type === 'entry') keys.push(Buffer.from(item.key).toString());
  return keys.join(' ');
}

/** A folder with two logs, one after the other, and how to put it back to when the second had nothing. */
async function twoLogs(): Promise<{
  fs: MemoryFileSystem;
  goBack: (secondBytes: number) => void;
  goOn: () => void;
}> {
  const simulation = new EngineSimulation(TINY_OPTIONS, undefined, (context) => new NoBackground(context));
  const { fs } = simulation;
  const engine = await simulation.openEngine();
  const put = (key: string): Promise<void> =>
    simulation.settle(engine.put(Buffer.from(key), Buffer.from('x')));
  await put('a');
  const early = fs.contents(FIRST);
  await put('b');
  engine.flush().catch(() => undefined);
  await simulation.pass(20);
  await put('c');
  const [first, second] = [fs.contents(FIRST), fs.contents(SECOND)];
  assert.ok(second.length > HEADER_BYTES);
  return {
    fs,
    goBack(secondBytes) {
      fs.place(FIRST, early);
      fs.place(SECOND, second.subarray(0, secondBytes));
    },
    goOn() {
      fs.place(FIRST, first);
      fs.place(SECOND, second);
    },
  };
}

test('a log that was begun while the files were opened has nothing that the one before lacks', async () => {
  const { fs, goBack, goOn } = await twoLogs();
  for (const secondBytes of [HEADER_BYTES, HEADER_BYTES / 2, 0]) {
    // Between the two logs, whichever is opened first.
    goBack(secondBytes);
    let opened = 0;
    fs.onCall = ({ operation, path }) => {
      if (operation === 'status' && path.endsWith('.log') && ++opened === 2) goOn();
      return undefined;
    };
    using frozen = FrozenFolder.take(fs, DIRECTORY);
    fs.onCall = undefined;
    assert.match(keysOf(frozen), /^a b(?: c)?$/);
  }
});

test('it stays as it was, whatever becomes of its files, and nothing of it can be written', async () => {
  const { fs, goBack, goOn } = await twoLogs();
  goBack(HEADER_BYTES);
  const before = fs.openDescriptors;
  const frozen = FrozenFolder.take(fs, DIRECTORY);
  const fd = fs.openWriteSync(FIRST);
  fs.writeSync(fd, [Buffer.from('more')], fs.sizeSync(FIRST));
  fs.closeSync(fd);
  assert.equal(keysOf(frozen), 'a');
  goOn();
  for (const name of fs.listSync(DIRECTORY)) if (name !== 'LOCK') fs.removeSync(`${DIRECTORY}/${name}`);
  assert.equal(keysOf(frozen), 'a');
  assert.deepEqual(
    frozen
      .listSync(DIRECTORY)
      .sort()
      .map((name) => [name, frozen.existsSync(`${DIRECTORY}/${name}`)]),
    ['000001.log', '000002.log', 'CURRENT', 'MANIFEST-000001'].map((name) => [name, true]),
  );
  assert.equal(frozen.existsSync('/db/LOCK'), false);
  assert.throws(() => frozen.openReadSync('/db/none'), { code: 'ENOENT' });
  assert.throws(() => frozen.listSync('/'), { code: 'ENOENT' });
  const refused = { code: 'NOT_WRITABLE' };
  assert.throws(() => frozen.removeSync(FIRST), refused);
  assert.throws(() => frozen.createSync('/db/new'), refused);
  assert.throws(() => frozen.openWriteSync(FIRST), refused);
  assert.throws(() => frozen.lockSync('/db/LOCK'), refused);
  await assert.rejects(frozen.create('/db/new'), refused);
  await assert.rejects(frozen.rename(FIRST), refused);
  frozen[Symbol.dispose]();
  assert.equal(fs.openDescriptors, before);
});

test('an append that the writer took back reads as one that was never finished', async () => {
  const { fs } = await twoLogs();
  const wholeBytes = fs.sizeSync(SECOND);
  const half = Buffer.alloc(100, 1);
  fs.place(SECOND, Buffer.concat([fs.contents(SECOND), half]));
  using frozen = FrozenFolder.take(fs, DIRECTORY);
  const fd = fs.openWriteSync(SECOND);
  fs.truncateSync(fd, wholeBytes);
  fs.closeSync(fd);
  assert.equal(frozen.sizeSync(SECOND), wholeBytes + half.length);
  assert.equal(keysOf(frozen), 'a b c');
});

test('room stays as it was, whatever the writer has written into it and cut off since', async () => {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, durability: 'sync' });
  const { fs } = simulation;
  const engine = await simulation.openEngine();
  const keys: string[] = [];
  const put = async (): Promise<void> => {
    keys.push(`key ${String(keys.length).padStart(3, '0')}`);
    await simulation.settle(engine.put(Buffer.from(keys[keys.length - 1]), Buffer.from('x')));
  };
  for (let sizeBytes = 0; sizeBytes !== fs.sizeSync(FIRST); ) {
    assert.ok(keys.length < 100, 'no room was made');
    sizeBytes = fs.sizeSync(FIRST);
    await put();
  }
  using frozen = FrozenFolder.take(fs, DIRECTORY);
  const roomy = frozen.sizeSync(FIRST);
  const before = keys.slice();
  await put();
  await simulation.settle(engine.close());
  assert.ok(fs.sizeSync(FIRST) < roomy, 'the room is cut off');
  assert.deepEqual(keysOf(frozen).split(/ (?=key)/), before);
  const steps = verifyFolder(frozen, DIRECTORY);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  assert.deepEqual(step.value.damages, []);
  const [log] = statFolder(frozen, DIRECTORY).logs;
  assert.deepEqual([log.puts, log.tornBytes, log.sizeBytes], [before.length, 0, roomy]);
});

test('a folder that never stays as it is, and one whose files cannot be opened', async () => {
  const { fs } = await twoLogs();
  const before = fs.openDescriptors;
  let manifest = 1;
  fs.onCall = ({ operation, path }) => {
    if (operation === 'status' && path === FIRST)
      fs.place(`/db/MANIFEST-${String(++manifest).padStart(6, '0')}`, Buffer.from('x'));
    return undefined;
  };
  assert.throws(() => FrozenFolder.take(fs, DIRECTORY), { code: 'CHANGING', canRetry: true });
  fs.onCall = ({ operation, path }) => {
    if (operation === 'openRead' && path === SECOND) throw fileSystemError('EMFILE', 'open', path);
    return undefined;
  };
  assert.throws(() => FrozenFolder.take(fs, DIRECTORY), {
    code: 'IO_ERROR',
    message: /too many files are open/,
  });
  fs.onCall = undefined;
  assert.equal(fs.openDescriptors, before);
  assert.throws(() => FrozenFolder.take(fs, '/none'), { code: 'IO_ERROR' });
});
