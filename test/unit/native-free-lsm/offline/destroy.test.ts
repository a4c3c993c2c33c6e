/** Removing an engine's directory: all that is the engine's, and nothing else. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { destroy, open, repair } from '../../../../native-free-lsm/index.ts';
import { NativeFreeLevel } from '../../../../native-free-lsm/level/index.ts';
import { fileSystemError, type MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { flipBit } from '../../../support/damaged-tables.ts';
import { STOPS, stopName, stopped } from '../../../support/engine-crash.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';

const KEY = Buffer.from('key');

/** A folder with tables, a log that is not empty, and one that was closed or killed. */
async function used(isKilled = false): Promise<MemoryFileSystem> {
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(KEY, Buffer.alloc(9_000)));
  await simulation.settle(engine.flush());
  await simulation.settle(engine.put(KEY, Buffer.from('value')));
  const killed = simulation.fs.kill();
  await simulation.settle(engine.close());
  return isKilled ? killed : simulation.fs;
}

test('all files of an engine go, and its directory, whether it was closed or killed', async () => {
  for (const isKilled of [false, true]) {
    const fs = await used(isKilled);
    assert.ok(fs.listSync('/db').length >= 5);
    await destroy('/db', { fs });
    assert.equal(fs.existsSync('/db'), false);
    await destroy('/db', { fs });
    const anew = new EngineSimulation(undefined, fs);
    const engine = await anew.openEngine();
    assert.equal(await anew.settle(engine.get(KEY)), undefined);
    await anew.settle(engine.close());
  }
});

test('what a repair has put aside goes too', async () => {
  const fs = await used();
  const table = fs.listSync('/db').find((name) => name.endsWith('.sst'));
  flipBit(fs, `/db/${table}`, 20);
  await repair('/db', { fs, apply: true });
  assert.ok(fs.listSync('/db/lost').length > 0);
  await destroy('/db', { fs });
  assert.equal(fs.existsSync('/db'), false);
});

test('an open one is refused, in this process as in others, and stays as it is', async () => {
  const simulation = new EngineSimulation();
  const engine = await simulation.openEngine();
  await simulation.settle(engine.put(KEY, KEY));
  const before = simulation.fs.listSync('/db');
  await assert.rejects(destroy('/db', { fs: simulation.fs }), { code: 'LOCKED' });
  assert.deepEqual(simulation.fs.listSync('/db'), before);
  await simulation.settle(engine.close());
});

test('what is no engine directory is refused by the name of what is in it', async () => {
  const fs = await used();
  fs.makeDirectorySync('/photos');
  fs.place('/photos/holiday.jpg', new Uint8Array(3));
  fs.place('/photos/000007.log', new Uint8Array(3));
  await assert.rejects(destroy('/photos', { fs }), {
    code: 'FOREIGN_DIRECTORY',
    message:
      /\/photos is not an engine's folder \(it holds holiday\.jpg, and no CURRENT\): nothing was removed/,
  });
  assert.deepEqual(fs.listSync('/photos'), ['holiday.jpg', '000007.log']);
  await assert.rejects(destroy('/photos/holiday.jpg', { fs }), {
    code: 'FOREIGN_DIRECTORY',
    message: /is a file/,
  });
  await assert.rejects(destroy('', { fs }), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(destroy('/db', { fss: fs } as never), {
    code: 'INVALID_ARGUMENT',
    message: /has no fss/,
  });
});

test('a folder of LevelDB, whose files have such names, is refused by whatever would change it', async () => {
  const simulation = new EngineSimulation();
  const { fs } = simulation;
  const names = ['000003.log', '000005.ldb', '000007.sst', 'LOCK', 'LOG', 'MANIFEST-000002'];
  for (const name of names) fs.place(`/db/${name}`, Buffer.alloc(100, name));
  fs.place('/db/CURRENT', Buffer.from('MANIFEST-000002\n'));
  const before = fs.listSync('/db').map((name) => fs.contents(`/db/${name}`));
  const refused = { code: 'FOREIGN_DIRECTORY', message: /\/db is a folder of LevelDB or RocksDB/ };
  await assert.rejects(destroy('/db', { fs }), refused);
  await assert.rejects(repair('/db', { fs, apply: true }), refused);
  await assert.rejects(simulation.openEngine(), refused);
  assert.deepEqual(
    fs.listSync('/db').map((name) => fs.contents(`/db/${name}`)),
    before,
  );
});

test('files of others in it stay, and so does the directory', async () => {
  const fs = await used();
  fs.makeDirectorySync('/db/lost');
  fs.makeDirectorySync('/db/000099.sst');
  for (const name of ['notes.txt', '7.log', 'LOCKSMITH', 'lost/mine', 'lost/000001.sst', 'lost/000001.sst.2'])
    fs.place(`/db/${name}`, new Uint8Array(3));
  await destroy('/db', { fs });
  assert.deepEqual(fs.listSync('/db').sort(), ['000099.sst', '7.log', 'LOCKSMITH', 'lost', 'notes.txt']);
  assert.deepEqual(fs.listSync('/db/lost'), ['mine']);
});

test('a stop at any call leaves what an opening refuses or finds empty, and the next destroy ends it', async () => {
  for (const isWithOthers of [false, true]) {
    const fs = await used(true);
    if (isWithOthers) fs.place('/db/notes.txt', new Uint8Array(3));
    const moments: { readonly name: string; readonly disk: MemoryFileSystem }[] = [];
    fs.onCall = (call) => {
      for (const stop of ['kill', STOPS[1 + (call.index % (STOPS.length - 1))]] as const)
        moments.push({
          name: `${stopName(stop)} before ${call.operation} ${call.path}`,
          disk: stopped(fs, stop, call.index),
        });
      return undefined;
    };
    await destroy('/db', { fs });
    fs.onCall = undefined;
    assert.ok(moments.length > 30);
    for (const { name, disk } of moments) {
      const copy = new EngineSimulation(undefined, disk.kill());
      try {
        const engine = await copy.openEngine();
        const value = await copy.settle(engine.get(KEY));
        // Before the first removal all is there. Never an older value, or another one.
        assert.ok(value === undefined || Buffer.from(value).toString() === 'value', name);
        await copy.settle(engine.close());
      } catch (error) {
        const { code } = error as { code?: string };
        assert.ok(
          code === 'CORRUPTION' || (code === 'FOREIGN_DIRECTORY' && isWithOthers),
          `${name}: ${error}`,
        );
      }
      const isDone = isWithOthers && disk.listSync('/db').every((file) => /^(?:notes|LOCK)/.test(file));
      if (isDone) continue;
      await destroy('/db', { fs: disk });
      assert.deepEqual(
        disk.existsSync('/db') ? disk.listSync('/db') : [],
        isWithOthers ? ['notes.txt'] : [],
        name,
      );
    }
  }
});

test('a call that fails is told, and the next destroy ends it; a disk that takes no writes is told first', async () => {
  let isThrough = false;
  for (let call = 0; !isThrough; call++) {
    const fs = await used();
    let calls = 0;
    let isOfCurrent = false;
    isThrough = true;
    fs.onCall = ({ operation, path }) => {
      if (calls++ !== call) return undefined;
      isThrough = false;
      // That CURRENT cannot be read keeps nobody from destroying the rest.
      isOfCurrent = path === '/db/CURRENT' && /read|size/i.test(operation);
      throw fileSystemError('EIO', operation, path);
    };
    const failure = await destroy('/db', { fs }).catch((error) => error);
    fs.onCall = undefined;
    assert.equal(
      failure?.code,
      isThrough || isOfCurrent ? undefined : 'IO_ERROR',
      `call ${call}: ${failure}`,
    );
    await destroy('/db', { fs });
    assert.equal(fs.existsSync('/db'), false);
  }
  const fs = await used();
  fs.isReadOnly = true;
  const before = fs.listSync('/db');
  await assert.rejects(destroy('/db', { fs }), { code: 'READ_ONLY' });
  assert.deepEqual(fs.listSync('/db'), before);
});

test('a lock that cannot be removed while it is held, as on Windows, is removed behind it', async () => {
  const fs = await used();
  let refusals = 0;
  fs.onCall = ({ operation, path }) => {
    if (operation !== 'remove' || !path.endsWith('LOCK') || refusals++ > 0) return undefined;
    throw fileSystemError('EBUSY', 'unlink', path);
  };
  await destroy('/db', { fs });
  assert.equal(refusals, 2);
  assert.equal(fs.existsSync('/db'), false);
});

test('on a real disk links go without what they lead to, and a directory may be named by one', async () => {
  const root = mkdtempSync(join(tmpdir(), 'destroy-'));
  try {
    mkdirSync(join(root, 'elsewhere'));
    writeFileSync(join(root, 'elsewhere', '000001.sst'), 'mine');
    await using engine = await open(join(root, 'db'));
    await engine.put(KEY, KEY);
    await assert.rejects(destroy(join(root, 'db')), { code: 'LOCKED' });
    await engine.close();
    symlinkSync(join(root, 'elsewhere'), join(root, 'db', 'lost'));
    symlinkSync(join(root, 'elsewhere', '000001.sst'), join(root, 'db', '000098.sst'));
    symlinkSync(join(root, 'db'), join(root, 'link'));
    await destroy(join(root, 'link'));
    assert.deepEqual(readdirSync(join(root, 'elsewhere')), ['000001.sst']);
    assert.deepEqual(readdirSync(join(root, 'db')), []);
    await destroy(join(root, 'db'));
    assert.equal(existsSync(join(root, 'db')), false);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('a database of abstract-level is destroyed and repaired by its location', async () => {
  const root = mkdtempSync(join(tmpdir(), 'destroy-'));
  const location = join(root, 'db');
  try {
    const level = new NativeFreeLevel(location);
    await level.put('key', 'value');
    await assert.rejects(NativeFreeLevel.destroy(location), { code: 'LEVEL_LOCKED' });
    await assert.rejects(NativeFreeLevel.repair(location), { code: 'LEVEL_LOCKED' });
    await level.close();
    rmSync(join(location, 'CURRENT'));
    await assert.rejects(level.open(), { code: 'LEVEL_DATABASE_NOT_OPEN' });
    await NativeFreeLevel.repair(location);
    const mended = new NativeFreeLevel(location);
    assert.equal(await mended.get('key'), 'value');
    await mended.close();
    await NativeFreeLevel.destroy(location);
    await NativeFreeLevel.destroy(location);
    assert.equal(existsSync(location), false);
  } finally {
    rmSync(root, { recursive: true });
  }
});
