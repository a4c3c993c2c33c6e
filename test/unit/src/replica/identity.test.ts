import assert from 'node:assert/strict';
import promises, { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { seededRandom } from '../../../../src/clock.ts';
import { QuorateError, type QuorateErrorCode } from '../../../../src/errors.ts';
import { nodeFolderFiles } from '../../../../src/replica/folder-files.ts';
import {
  claimFolder,
  createIdentity,
  declareWhole,
  inspectFolder,
  markIncomplete,
} from '../../../../src/replica/identity.ts';
import { encodeIdentity, type WholeState } from '../../../../src/replica/identity-file.ts';
import { MemoryFolderFiles } from '../../../support/memory-folder-files.ts';

const OWNER = { clusterId: 'demo', nodeId: 'node-1' };
const FOLDER = '/data/node-1';

function fields(whole: WholeState = 'unproven') {
  return { ...OWNER, nowMs: 1000, random: seededRandom(1), whole, clockCeiling: 5 };
}

async function refusal(promise: Promise<unknown>, code: QuorateErrorCode, sentence: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof QuorateError);
    assert.equal(error.code, code);
    assert.match(error.message, sentence);
    return true;
  });
}

test('no folder, an empty one, and the leavings of a first start cut short may be taken', async () => {
  const files = new MemoryFolderFiles();
  assert.equal(await inspectFolder(FOLDER, OWNER, files), null);
  await files.makeFolder(FOLDER);
  assert.equal(await inspectFolder(FOLDER, OWNER, files), null);
  files.put(`${FOLDER}/IDENTITY.tmp`, new Uint8Array(3));
  files.put(`${FOLDER}/lost+found`, new Uint8Array(0));
  assert.equal(await inspectFolder(FOLDER, OWNER, files), null);
});

test('a folder made for the node is its own', async () => {
  const files = new MemoryFolderFiles();
  const made = await createIdentity(FOLDER, fields(), files);
  assert.equal(made.declaredMs, 0);
  assert.deepEqual(await inspectFolder(FOLDER, OWNER, files), made);
});

test('when two nodes start at once on an empty folder, one makes the identity and the other finds it', async () => {
  const root = await mkdtemp(join(tmpdir(), 'quorate-claim-'));
  try {
    for (const files of [nodeFolderFiles, new MemoryFolderFiles()]) {
      const folder = join(root, 'data', 'node-1');
      const random = seededRandom(7);
      const claims = [1, 2, 3].map(() => claimFolder(folder, { ...fields(), random }, files));
      await Promise.all(claims);
      const made = await inspectFolder(folder, OWNER, files);
      await claimFolder(folder, { ...fields(), random }, files);
      assert.deepEqual(await inspectFolder(folder, OWNER, files), made);
      assert.deepEqual(await files.list(folder), ['IDENTITY']);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test('a folder is claimed once also where files have no second name', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'quorate-claim-'));
  t.mock.method(promises, 'link', async () => {
    throw Object.assign(new Error('EPERM: operation not permitted, link'), {
      code: 'EPERM',
      syscall: 'link',
    });
  });
  syncBuiltinESMExports();
  try {
    await claimFolder(root, fields());
    const made = await inspectFolder(root, OWNER);
    await claimFolder(root, { ...fields(), nowMs: 5 });
    assert.deepEqual(await inspectFolder(root, OWNER), made);
    assert.equal(made?.createdMs, 1000);
    assert.deepEqual(await readdir(root), ['IDENTITY']);
  } finally {
    t.mock.restoreAll();
    syncBuiltinESMExports();
    await rm(root, { recursive: true, force: true });
  }
});

test('a power cut at any call of a claim leaves a folder that may be taken, or a whole identity', async () => {
  for (let failAt = 0; failAt <= 3; failAt++) {
    for (const keepNames of [false, true]) {
      const files = new MemoryFolderFiles();
      files.failAt = failAt;
      const isMade = await claimFolder(FOLDER, fields(), files).then(
        () => true,
        () => false,
      );
      const found = await inspectFolder(FOLDER, OWNER, files.afterPowerCut(keepNames, false));
      if (isMade) assert.equal(found?.nodeId, OWNER.nodeId);
    }
  }
});

test('the remains of a claim by a start that was cut short count as empty', async () => {
  const files = new MemoryFolderFiles();
  files.put(`${FOLDER}/IDENTITY.4f6b1c9e-0000-4000-8000-000000000000.tmp`, new Uint8Array(3));
  assert.equal(await inspectFolder(FOLDER, OWNER, files), null);
});

test('a bulk-loaded folder is whole and vouched for', async () => {
  const made = await createIdentity(FOLDER, fields('whole'), new MemoryFolderFiles());
  assert.equal(made.whole, 'whole');
  assert.equal(made.declaredMs, 1000);
  assert.equal(made.clockCeiling, 5);
});

test('foreign folders are refused with what to do', async () => {
  const files = new MemoryFolderFiles();
  await createIdentity(FOLDER, fields(), files);
  await refusal(
    inspectFolder(FOLDER, { ...OWNER, clusterId: 'other' }, files),
    'FOREIGN_DIRECTORY',
    /belongs to cluster demo and this is cluster other: choose another data folder/,
  );
  await refusal(
    inspectFolder(FOLDER, { ...OWNER, nodeId: 'node-2' }, files),
    'FOREIGN_DIRECTORY',
    /belongs to node node-1 and this is node node-2: give each node/,
  );
  files.put('/home/letter.txt', new Uint8Array(1));
  await refusal(
    inspectFolder('/home', OWNER, files),
    'FOREIGN_DIRECTORY',
    /not a node's data folder .*choose another/,
  );
});

test('an unfinished bulk load is named before anything else', async () => {
  const files = new MemoryFolderFiles();
  files.put(`${FOLDER}/FILLING`, new Uint8Array(0));
  await refusal(
    inspectFolder(FOLDER, OWNER, files),
    'UNFINISHED_FILL',
    /run fill again, or delete the folder$/,
  );
  await createIdentity(FOLDER, fields(), files);
  await refusal(inspectFolder(FOLDER, OWNER, files), 'UNFINISHED_FILL', /did not finish/);
});

test('a power cut at any call of the first start leaves a folder that may be taken, or a whole identity', async () => {
  for (let failAt = 0; failAt <= 4; failAt++) {
    for (const keepNames of [false, true]) {
      for (const keepBytes of [false, true]) {
        const files = new MemoryFolderFiles();
        files.failAt = failAt;
        const made = await createIdentity(FOLDER, fields(), files).catch(() => null);
        const found = await inspectFolder(FOLDER, OWNER, files.afterPowerCut(keepNames, keepBytes));
        if (made !== null) assert.deepEqual(found, made);
        else if (found !== null) assert.equal(found.nodeId, OWNER.nodeId);
      }
    }
  }
});

test('declaring a folder whole keeps everything else and holds the lock; each word is later than the last', async () => {
  const files = new MemoryFolderFiles();
  const made = await createIdentity(FOLDER, fields('incomplete'), files);
  let held = 0;
  let released = 0;
  const lock = async () => {
    held++;
    return { [Symbol.asyncDispose]: async () => void released++ };
  };
  const declared = { ...made, whole: 'whole', declaredMs: 2000 };
  assert.deepEqual(await declareWhole(FOLDER, 2000, lock, files), declared);
  assert.deepEqual(await inspectFolder(FOLDER, OWNER, files), declared);
  // The clock was set back.
  assert.equal((await declareWhole(FOLDER, 1, lock, files)).declaredMs, 2001);
  assert.deepEqual([held, released], [2, 2]);
  // What the folder's peers remember was declared by a clock that was ahead.
  const missing = { incarnation: 'x', startId: 1, progress: 1, declaredMs: 9000 };
  files.put(`${FOLDER}/IDENTITY`, encodeIdentity({ ...made, whole: 'incomplete', missing }));
  const again = await declareWhole(FOLDER, 2000, lock, files);
  assert.deepEqual([again.whole, again.declaredMs, again.missing], ['whole', 9001, null]);
});

test('a folder that lost something is marked, whoever vouched for it, until it is declared whole again', async () => {
  const files = new MemoryFolderFiles();
  assert.equal(await markIncomplete(FOLDER, files), false);
  for (const whole of ['whole', 'unproven', 'incomplete'] as const) {
    const made = await createIdentity(FOLDER, fields(whole), files);
    assert.equal(await markIncomplete(FOLDER, files), true);
    const marked = { ...made, whole: 'incomplete' };
    assert.deepEqual(await inspectFolder(FOLDER, OWNER, files), marked);
    const writes = files.calls.length;
    assert.equal(await markIncomplete(FOLDER, files), true);
    assert.equal(files.calls.length, writes, 'nothing to write the second time');
  }
  const lock = async (): Promise<AsyncDisposable> => ({ [Symbol.asyncDispose]: async () => undefined });
  assert.equal((await declareWhole(FOLDER, 2000, lock, files)).whole, 'whole');
});

test("a folder whose node runs, or that is no node's, is not declared whole", async () => {
  const files = new MemoryFolderFiles();
  const busy = async (): Promise<AsyncDisposable> => {
    throw new QuorateError('STORAGE', 'in use');
  };
  await refusal(declareWhole(FOLDER, 2000, busy, files), 'FOREIGN_DIRECTORY', /nothing is in it/);
  const made = await createIdentity(FOLDER, fields('incomplete'), files);
  await refusal(declareWhole(FOLDER, 2000, busy, files), 'STORAGE', /in use/);
  assert.deepEqual(await inspectFolder(FOLDER, OWNER, files), made);
});

test('on a real disk: made with its parents, read back, replaced, and nothing of a foreign one touched', async () => {
  const root = await mkdtemp(join(tmpdir(), 'quorate-folder-'));
  try {
    const folder = join(root, 'data', 'node-1');
    assert.equal(await inspectFolder(folder, OWNER), null);
    const made = await createIdentity(folder, fields());
    assert.deepEqual(await inspectFolder(folder, OWNER), made);
    assert.deepEqual(await readdir(folder), ['IDENTITY']);
    assert.deepEqual(await readFile(join(folder, 'IDENTITY')), Buffer.from(encodeIdentity(made)));
    if (process.platform !== 'win32') {
      assert.equal((await stat(folder)).mode & 0o777, 0o700);
      assert.equal((await stat(join(folder, 'IDENTITY'))).mode & 0o777, 0o600);
    }

    const foreign = join(root, 'mine');
    await mkdir(foreign);
    await writeFile(join(foreign, 'letter.txt'), 'dear');
    await refusal(inspectFolder(foreign, OWNER), 'FOREIGN_DIRECTORY', /not a node's data folder/);
    assert.deepEqual(await readdir(foreign), ['letter.txt']);

    await refusal(
      createIdentity(join(foreign, 'letter.txt', 'below'), fields()),
      'STORAGE',
      /a part of its path is a file/,
    );
    await nodeFolderFiles.remove(join(folder, 'IDENTITY'));
    await nodeFolderFiles.remove(join(folder, 'IDENTITY'));
    assert.equal(await nodeFolderFiles.read(join(folder, 'IDENTITY')), null);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
