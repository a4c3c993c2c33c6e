import assert from 'node:assert/strict';
import { chmod, chown, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { NodeFileSystem } from '../../../../native-free-lsm/index.ts';
import { makePrivate } from '../../../../src/replica/folder-privacy.ts';

const disk = new NodeFileSystem();

async function setUp() {
  const root = await mkdtemp(join(tmpdir(), 'quorate-privacy-'));
  const folder = join(root, 'node-1');
  await mkdir(join(folder, 'engine', 'lost'), { recursive: true });
  const files = ['IDENTITY', 'engine/000001.log', 'engine/lost/000001.sst'];
  for (const name of files) await writeFile(join(folder, name), 'x', { mode: 0o600 });
  for (const name of ['', 'engine', 'engine/lost']) await chmod(join(folder, name), 0o700);
  return {
    folder,
    modeOf: async (name: string) => ((await stat(join(folder, name))).mode & 0o777).toString(8),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}

describe('a data folder', { skip: process.platform === 'win32' && 'Windows has no such bits' }, () => {
  test('that is private already is left as it is, and nothing is said', async () => {
    await using place = await setUp();
    assert.equal(makePrivate(disk, place.folder), null);
  });

  test('that others can read is made private, as is all that is in it, and that is said once', async () => {
    await using place = await setUp();
    const { folder, modeOf } = place;
    for (const name of ['', 'engine', 'engine/lost']) await chmod(join(folder, name), 0o755);
    for (const name of ['IDENTITY', 'engine/000001.log', 'engine/lost/000001.sst'])
      await chmod(join(folder, name), 0o644);
    // What a link leads to is not the node's.
    const outside = join(folder, '..', 'outside');
    await writeFile(outside, 'x');
    await chmod(outside, 0o644);
    await symlink(outside, join(folder, 'link'));
    assert.match(makePrivate(disk, folder) ?? '', /could read .* of 6 of its files and folders/);
    for (const name of ['', 'engine', 'engine/lost']) assert.equal(await modeOf(name), '700', name);
    for (const name of ['IDENTITY', 'engine/000001.log', 'engine/lost/000001.sst'])
      assert.equal(await modeOf(name), '600', name);
    assert.equal(await modeOf('../outside'), '644');
    assert.equal(makePrivate(disk, folder), null);
  });

  test('of another user is refused', async (t) => {
    await using place = await setUp();
    const { uid } = await stat(place.folder);
    if (uid === 0) await chown(place.folder, 12_345, 12_345);
    t.mock.method(process as { geteuid(): number }, 'geteuid', () => 54_321);
    assert.throws(() => makePrivate(disk, place.folder), {
      code: 'FOREIGN_DIRECTORY',
      message: /belongs to another user \(uid \d+, and this is uid 54321\).*chown/,
    });
  });
});
