import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NodeFileSystem } from '../../../../native-free-lsm/index.ts';
import { fileSystemError, MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { QuorateError, type QuorateErrorCode } from '../../../../src/errors.ts';
import {
  claimFolder,
  createIdentity,
  declareWhole,
  inspectFolder,
  markIncomplete,
} from '../../../../src/replica/identity.ts';
import { encodeIdentity, type Identity, type WholeState } from '../../../../src/replica/identity-file.ts';
import { FailingDisk } from '../../../support/failing-disk.ts';

const OWNER = { clusterId: 'demo', nodeId: 'node-1' };
const FOLDER = '/data/node-1';

function fields(whole: WholeState = 'unproven') {
  return { ...OWNER, nowMs: 1000, random: seededRandom(1), whole, clockCeiling: 5 };
}

async function refusal(
  call: () => Promise<unknown> | Identity | null,
  code: QuorateErrorCode,
  sentence: RegExp,
): Promise<void> {
  await assert.rejects(
    async () => call(),
    (error) => {
      assert.ok(error instanceof QuorateError);
      assert.equal(error.code, code);
      assert.match(error.message, sentence);
      return true;
    },
  );
}

test('no folder, an empty one, and the leavings of a first start cut short may be taken', async () => {
  const disk = new FailingDisk();
  assert.equal(inspectFolder(disk, FOLDER, OWNER), null);
  disk.makeDirectorySync(FOLDER);
  assert.equal(inspectFolder(disk, FOLDER, OWNER), null);
  disk.place(`${FOLDER}/IDENTITY.tmp`, new Uint8Array(3));
  disk.place(`${FOLDER}/lost+found`, new Uint8Array(0));
  assert.equal(inspectFolder(disk, FOLDER, OWNER), null);
});

test('a folder made for the node is its own', async () => {
  const disk = new FailingDisk();
  const made = await createIdentity(disk, FOLDER, fields());
  assert.equal(made.declaredMs, 0);
  assert.deepEqual(inspectFolder(disk, FOLDER, OWNER), made);
});

test('when two nodes start at once on an empty folder, one makes the identity and the other finds it', async () => {
  const root = await mkdtemp(join(tmpdir(), 'quorate-claim-'));
  try {
    for (const disk of [new NodeFileSystem(), new FailingDisk()]) {
      const folder = join(root, 'data', 'node-1');
      const random = seededRandom(7);
      for (let claim = 0; claim < 3; claim++) claimFolder(disk, folder, { ...fields(), random });
      const made = inspectFolder(disk, folder, OWNER);
      claimFolder(disk, folder, { ...fields(), random });
      assert.deepEqual(inspectFolder(disk, folder, OWNER), made);
      assert.deepEqual(disk.listSync(folder), ['IDENTITY']);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test('a folder is claimed once also where files have no second name', () => {
  for (const code of ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']) {
    const disk = new MemoryFileSystem();
    disk.onCall = ({ operation, path }) => {
      if (operation === 'link') throw fileSystemError(code, operation, path);
      return undefined;
    };
    claimFolder(disk, FOLDER, fields());
    const made = inspectFolder(disk, FOLDER, OWNER);
    claimFolder(disk, FOLDER, { ...fields(), nowMs: 5 });
    assert.deepEqual(inspectFolder(disk, FOLDER, OWNER), made);
    assert.equal(made?.createdMs, 1000);
    assert.deepEqual(disk.listSync(FOLDER), ['IDENTITY']);
    assert.equal(disk.openDescriptors, 0);
  }
});

test('a claim that fails at any change says so, leaves nothing open and the folder to whoever comes next', () => {
  const random = seededRandom(3);
  const changes = new FailingDisk();
  claimFolder(changes, FOLDER, fields());
  for (let failAt = 0; failAt < changes.changes.length; failAt++) {
    const disk = new FailingDisk();
    disk.failAt = failAt;
    assert.throws(() => claimFolder(disk, FOLDER, { ...fields(), random }), {
      code: 'STORAGE',
      message: /EIO/,
    });
    assert.equal(disk.openDescriptors, 0);
    const isRemoved = disk.changes.includes('remove');
    assert.equal(isRemoved, failAt > 0, 'what was begun is removed');
    disk.failAt = Number.POSITIVE_INFINITY;
    claimFolder(disk, FOLDER, { ...fields(), random });
    assert.equal(inspectFolder(disk, FOLDER, OWNER)?.nodeId, OWNER.nodeId);
  }
});

test('a power cut at any call of a claim leaves a folder that may be taken, or a whole identity', async () => {
  for (let failAt = 0; failAt <= 7; failAt++) {
    for (const names of ['lost', 'kept', 'torn'] as const) {
      const disk = new FailingDisk();
      disk.failAt = failAt;
      let isMade = true;
      try {
        claimFolder(disk, FOLDER, fields());
      } catch {
        isMade = false;
      }
      const found = inspectFolder(
        disk.crash({ bytes: 'lost', names, random: seededRandom(failAt) }),
        FOLDER,
        OWNER,
      );
      if (isMade) assert.equal(found?.nodeId, OWNER.nodeId);
    }
  }
});

test('the remains of a claim by a start that was cut short count as empty', async () => {
  const disk = new FailingDisk();
  disk.place(`${FOLDER}/IDENTITY.4f6b1c9e-0000-4000-8000-000000000000.tmp`, new Uint8Array(3));
  assert.equal(inspectFolder(disk, FOLDER, OWNER), null);
});

test('a bulk-loaded folder is whole and vouched for', async () => {
  const made = await createIdentity(new FailingDisk(), FOLDER, fields('whole'));
  assert.equal(made.whole, 'whole');
  assert.equal(made.declaredMs, 1000);
  assert.equal(made.clockCeiling, 5);
});

test('foreign folders are refused with what to do', async () => {
  const disk = new FailingDisk();
  await createIdentity(disk, FOLDER, fields());
  await refusal(
    () => inspectFolder(disk, FOLDER, { ...OWNER, clusterId: 'other' }),
    'FOREIGN_DIRECTORY',
    /belongs to cluster demo and this is cluster other: choose another data folder/,
  );
  await refusal(
    () => inspectFolder(disk, FOLDER, { ...OWNER, nodeId: 'node-2' }),
    'FOREIGN_DIRECTORY',
    /belongs to node node-1 and this is node node-2: give each node/,
  );
  disk.place('/home/letter.txt', new Uint8Array(1));
  await refusal(
    () => inspectFolder(disk, '/home', OWNER),
    'FOREIGN_DIRECTORY',
    /not a node's data folder .*choose another/,
  );
});

test('an unfinished bulk load is named before anything else', async () => {
  const disk = new FailingDisk();
  disk.place(`${FOLDER}/FILLING`, new Uint8Array(0));
  await refusal(
    () => inspectFolder(disk, FOLDER, OWNER),
    'UNFINISHED_FILL',
    /run fill again, or delete the folder$/,
  );
  await createIdentity(disk, FOLDER, fields());
  await refusal(() => inspectFolder(disk, FOLDER, OWNER), 'UNFINISHED_FILL', /did not finish/);
});

test('a power cut at any call of the first start leaves a folder that may be taken, or a whole identity', async () => {
  for (let failAt = 0; failAt <= 6; failAt++) {
    for (const names of ['lost', 'kept', 'torn'] as const) {
      for (const bytes of ['lost', 'kept', 'torn'] as const) {
        const disk = new FailingDisk();
        disk.failAt = failAt;
        const made = await createIdentity(disk, FOLDER, fields()).catch(() => null);
        const found = inspectFolder(
          disk.crash({ bytes, names, random: seededRandom(failAt) }),
          FOLDER,
          OWNER,
        );
        if (made !== null) assert.deepEqual(found, made);
        else if (found !== null) assert.equal(found.nodeId, OWNER.nodeId);
      }
    }
  }
});

test('declaring a folder whole keeps everything else and holds the lock; each word is later than the last', async () => {
  const disk = new FailingDisk();
  const made = await createIdentity(disk, FOLDER, fields('incomplete'));
  let held = 0;
  let released = 0;
  const lock = () => {
    held++;
    return { [Symbol.dispose]: () => void released++ };
  };
  const declared = { ...made, whole: 'whole', declaredMs: 2000 };
  assert.deepEqual(await declareWhole(disk, FOLDER, 2000, lock), declared);
  assert.deepEqual(inspectFolder(disk, FOLDER, OWNER), declared);
  // The clock was set back.
  assert.equal((await declareWhole(disk, FOLDER, 1, lock)).declaredMs, 2001);
  assert.deepEqual([held, released], [2, 2]);
  // What the folder's peers remember was declared by a clock that was ahead.
  const missing = { incarnation: 'x', startId: 1, progress: 1, declaredMs: 9000 };
  disk.place(`${FOLDER}/IDENTITY`, encodeIdentity({ ...made, whole: 'incomplete', missing }));
  const again = await declareWhole(disk, FOLDER, 2000, lock);
  assert.deepEqual([again.whole, again.declaredMs, again.missing], ['whole', 9001, null]);
});

test('a folder that lost something is marked, whoever vouched for it, until it is declared whole again', async () => {
  const disk = new FailingDisk();
  assert.equal(await markIncomplete(disk, FOLDER), false);
  for (const whole of ['whole', 'unproven', 'incomplete'] as const) {
    const made = await createIdentity(disk, FOLDER, fields(whole));
    assert.equal(await markIncomplete(disk, FOLDER), true);
    const marked = { ...made, whole: 'incomplete', declaredMs: made.declaredMs + 1 };
    assert.deepEqual(inspectFolder(disk, FOLDER, OWNER), marked);
    // Something more is missing then: what was refilled before may be, too.
    assert.equal(await markIncomplete(disk, FOLDER), true);
    assert.equal(inspectFolder(disk, FOLDER, OWNER)?.declaredMs, made.declaredMs + 2);
  }
  const lock = (): Disposable => ({ [Symbol.dispose]: () => undefined });
  assert.equal((await declareWhole(disk, FOLDER, 2000, lock)).whole, 'whole');
});

test("a folder whose node runs, or that is no node's, is not declared whole", async () => {
  const disk = new FailingDisk();
  const busy = (): Disposable => {
    throw new QuorateError('STORAGE', 'in use');
  };
  await refusal(() => declareWhole(disk, FOLDER, 2000, busy), 'FOREIGN_DIRECTORY', /nothing is in it/);
  const made = await createIdentity(disk, FOLDER, fields('incomplete'));
  await refusal(() => declareWhole(disk, FOLDER, 2000, busy), 'STORAGE', /in use/);
  assert.deepEqual(inspectFolder(disk, FOLDER, OWNER), made);
});

test('on a real disk: made with its parents, read back, replaced, and nothing of a foreign one touched', async () => {
  const root = await mkdtemp(join(tmpdir(), 'quorate-folder-'));
  try {
    const folder = join(root, 'data', 'node-1');
    assert.equal(inspectFolder(new NodeFileSystem(), folder, OWNER), null);
    const made = await createIdentity(new NodeFileSystem(), folder, fields());
    assert.deepEqual(inspectFolder(new NodeFileSystem(), folder, OWNER), made);
    assert.deepEqual(await readdir(folder), ['IDENTITY']);
    assert.deepEqual(await readFile(join(folder, 'IDENTITY')), Buffer.from(encodeIdentity(made)));
    if (process.platform !== 'win32') {
      assert.equal((await stat(folder)).mode & 0o777, 0o700);
      assert.equal((await stat(join(folder, 'IDENTITY'))).mode & 0o777, 0o600);
    }

    const foreign = join(root, 'mine');
    await mkdir(foreign);
    await writeFile(join(foreign, 'letter.txt'), 'dear');
    await refusal(
      () => inspectFolder(new NodeFileSystem(), foreign, OWNER),
      'FOREIGN_DIRECTORY',
      /not a node's data folder/,
    );
    assert.deepEqual(await readdir(foreign), ['letter.txt']);

    await refusal(
      () => createIdentity(new NodeFileSystem(), join(foreign, 'letter.txt', 'below'), fields()),
      'STORAGE',
      /a part of its path is a file/,
    );
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
