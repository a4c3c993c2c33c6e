import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type FileSystem, readFullySync } from '../../../../native-free-lsm/fs/file-system.ts';

/** What every file system does alike; `place` gives a fresh directory for each test. */
export function fileSystemContract(make: () => { fs: FileSystem; directory: string } & Disposable): void {
  const hasCode = (code: string) => (error: unknown) => (error as { code?: string }).code === code;

  test('what was written is read back, by parts and from shared memory', () => {
    using place = make();
    const { fs, directory } = place;
    const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(9);
    const fd = fs.createSync(join(directory, 'a'));
    fs.writeSync(fd, [Uint8Array.of(1, 2), new Uint8Array(0), shared], 0);
    fs.writeSync(fd, [Uint8Array.of(7)], 1);
    const target = new Uint8Array(new SharedArrayBuffer(8));
    assert.equal(fs.readSync(fd, target, 1, 7, 0), 5);
    assert.deepEqual([...target], [0, 1, 7, 9, 9, 9, 0, 0]);
    assert.equal(fs.readSync(fd, target, 0, 8, 5), 0);
    assert.equal(readFullySync(fs, fd, target, 0, 6, 0), false);
    assert.equal(readFullySync(fs, fd, target, 0, 5, 0), true);
    fs.fdatasyncSync(fd);
    fs.closeSync(fd);
    assert.equal(fs.sizeSync(join(directory, 'a')), 5);
    for (const path of [directory, join(directory, 'a')]) assert.ok(fs.freeBytesSync(path) > 1024, path);
    assert.throws(() => fs.freeBytesSync(join(directory, 'missing')), hasCode('ENOENT'));
  });

  test('a write beyond the end leaves zeros between, also after a truncation', () => {
    using place = make();
    const { fs, directory } = place;
    const fd = fs.createSync(join(directory, 'a'));
    fs.writeSync(fd, [Uint8Array.of(1, 2, 3, 4)], 0);
    fs.truncateSync(fd, 1);
    fs.writeSync(fd, [Uint8Array.of(5)], 3);
    const target = new Uint8Array(4);
    assert.equal(readFullySync(fs, fd, target, 0, 4, 0), true);
    assert.deepEqual([...target], [1, 0, 0, 5]);
    fs.closeSync(fd);
  });

  test('names: create, rename over another, remove, list', () => {
    using place = make();
    const { fs, directory } = place;
    const path = (name: string) => join(directory, name);
    for (const name of ['a', 'b']) fs.closeSync(fs.createSync(path(name)));
    assert.throws(() => fs.createSync(path('a')), hasCode('EEXIST'));
    const fd = fs.openWriteSync(path('a'));
    fs.writeSync(fd, [Uint8Array.of(1)], 0);
    fs.renameSync(path('a'), path('b'));
    fs.makeDirectorySync(path('deep/er'));
    fs.makeDirectorySync(path('deep'));
    fs.syncDirectorySync(directory);
    assert.deepEqual(fs.listSync(directory).sort(), ['b', 'deep']);
    assert.equal(fs.sizeSync(path('b')), 1);
    fs.removeSync(path('b'));
    assert.equal(fs.readSync(fd, new Uint8Array(1), 0, 1, 0), 1, 'an open file outlives its name');
    fs.closeSync(fd);
    assert.equal(fs.existsSync(path('b')), false);
    assert.equal(fs.existsSync(path('deep')), true);
    for (const call of [
      () => fs.openReadSync(path('b')),
      () => fs.openWriteSync(path('b')),
      () => fs.sizeSync(path('b')),
      () => fs.removeSync(path('b')),
      () => fs.renameSync(path('b'), path('c')),
      () => fs.listSync(path('none')),
      () => fs.syncDirectorySync(path('none')),
    ]) {
      assert.throws(call, hasCode('ENOENT'));
    }
  });

  test('a directory is removed when nothing is in it', () => {
    using place = make();
    const { fs, directory } = place;
    const path = (name: string) => join(directory, name);
    fs.makeDirectorySync(path('deep/er'));
    fs.closeSync(fs.createSync(path('file')));
    assert.throws(() => fs.removeDirectorySync(path('deep')), hasCode('ENOTEMPTY'));
    fs.removeDirectorySync(path('deep/er'));
    fs.closeSync(fs.createSync(path('deep/file')));
    assert.throws(() => fs.removeDirectorySync(path('deep')), hasCode('ENOTEMPTY'));
    fs.removeSync(path('deep/file'));
    fs.removeDirectorySync(path('deep'));
    assert.deepEqual(fs.listSync(directory), ['file']);
    assert.throws(() => fs.removeDirectorySync(path('deep')), hasCode('ENOENT'));
  });

  test('a second name for a file goes to one who wants it, and each name leads to the file by itself', () => {
    using place = make();
    const { fs, directory } = place;
    const path = (name: string) => join(directory, name);
    const fd = fs.createSync(path('a'));
    fs.linkSync(path('a'), path('b'));
    fs.writeSync(fd, [Uint8Array.of(1, 2)], 0);
    fs.closeSync(fd);
    fs.closeSync(fs.createSync(path('c')));
    assert.throws(() => fs.linkSync(path('c'), path('b')), hasCode('EEXIST'));
    assert.throws(() => fs.linkSync(path('none'), path('d')), hasCode('ENOENT'));
    assert.equal(fs.sizeSync(path('b')), 2, 'the name leads where it led');
    fs.removeSync(path('a'));
    assert.equal(fs.sizeSync(path('b')), 2);
    assert.deepEqual(fs.listSync(directory).sort(), ['b', 'c']);
  });

  test('what is made is for this user alone, until it is told otherwise', () => {
    using place = make();
    const { fs, directory } = place;
    // Windows has no such bits.
    if (fs.userId === null) return;
    const path = (name: string) => join(directory, name);
    fs.makeDirectorySync(path('deep/er'));
    fs.closeSync(fs.createSync(path('a')));
    const statusOf = (name: string) => fs.statusSync(path(name));
    assert.deepEqual(statusOf('a'), { kind: 'file', mode: 0o600, userId: fs.userId });
    assert.deepEqual(statusOf('deep'), { kind: 'directory', mode: 0o700, userId: fs.userId });
    assert.deepEqual(statusOf('deep/er'), { kind: 'directory', mode: 0o700, userId: fs.userId });
    fs.changeModeSync(path('a'), 0o640);
    fs.changeModeSync(path('deep'), 0o750);
    fs.renameSync(path('a'), path('b'));
    assert.deepEqual([statusOf('b').mode, statusOf('deep').mode], [0o640, 0o750]);
    assert.throws(() => statusOf('a'), hasCode('ENOENT'));
    assert.throws(() => fs.changeModeSync(path('a'), 0o600), hasCode('ENOENT'));
  });

  test('the asynchronous half', async () => {
    using place = make();
    const { fs, directory } = place;
    const path = join(directory, 'a');
    const fd = fs.createSync(path);
    await fs.write(fd, Uint8Array.of(1, 2, 3), 2);
    await fs.fdatasync(fd);
    const target = new Uint8Array(5);
    assert.equal(fs.readSync(fd, target, 0, 5, 0), 5);
    assert.deepEqual([...target], [0, 0, 1, 2, 3]);
    fs.closeSync(fd);
    await fs.remove(path);
    await assert.rejects(fs.remove(path), hasCode('ENOENT'));
  });

  test('a descriptor opened for reading takes no write', async () => {
    using place = make();
    const { fs, directory } = place;
    fs.closeSync(fs.createSync(join(directory, 'a')));
    const fd = fs.openReadSync(join(directory, 'a'));
    assert.throws(() => fs.writeSync(fd, [Uint8Array.of(1)], 0), hasCode('EBADF'));
    await assert.rejects(fs.write(fd, Uint8Array.of(1), 0), hasCode('EBADF'));
    fs.closeSync(fd);
    assert.throws(() => fs.readSync(fd, new Uint8Array(1), 0, 1, 0), hasCode('EBADF'));
  });

  test('a directory has one lock', () => {
    using place = make();
    const { fs, directory } = place;
    const path = join(directory, 'LOCK');
    {
      using _held = fs.lockSync(path);
      assert.throws(
        () => fs.lockSync(path),
        (error: unknown) => hasCode('LOCKED')(error) && (error as Error).message.includes(directory),
      );
    }
    const again = fs.lockSync(path);
    again[Symbol.dispose]();
    again[Symbol.dispose]();
    using _third = fs.lockSync(path);
  });
}
