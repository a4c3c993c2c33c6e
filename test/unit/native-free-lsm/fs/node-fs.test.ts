import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readFullySync } from '../../../../native-free-lsm/fs/file-system.ts';
import { NodeFileSystem } from '../../../../native-free-lsm/fs/node-fs.ts';
import { openReadOnly, RecordStore } from '../../../../native-free-lsm/index.ts';
import { fileSystemContract } from './file-system-contract.ts';

function temporary() {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-fs-'));
  return {
    fs: new NodeFileSystem(),
    directory,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

fileSystemContract(temporary);

test('a kill frees the lock of another process', async () => {
  using place = temporary();
  const path = join(place.directory, 'LOCK');
  const module = import.meta.resolve('../../../../native-free-lsm/fs/node-fs.ts');
  const script = `
    const { NodeFileSystem } = await import(${JSON.stringify(module)});
    // Keep it: a lock that nothing references is collected, and then free again.
    globalThis.held = new NodeFileSystem().lockSync(${JSON.stringify(path)});
    process.stdout.write('locked');
    process.stdin.resume();
  `;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    await once(holder.stdout, 'data');
    assert.throws(() => place.fs.lockSync(path), { code: 'LOCKED', canRetry: false });
  } finally {
    const gone = once(holder, 'exit');
    holder.kill('SIGKILL');
    await gone;
  }
  using _held = place.fs.lockSync(path);
});

test('a lock file that is something else is refused and left as it is', () => {
  using place = temporary();
  const path = join(place.directory, 'LOCK');
  writeFileSync(path, 'someone else wrote this here, and it is no database at all'.repeat(20));
  assert.throws(() => place.fs.lockSync(path), { code: 'IO_ERROR', file: path });
  assert.throws(() => place.fs.lockSync(join(place.directory, 'none', 'LOCK')), { code: 'IO_ERROR' });
  assert.equal(place.fs.sizeSync(path), 58 * 20);
});

test('a system that writes or reads less than was asked is asked again for the rest', async (t) => {
  const { writeSync, writevSync, write } = fs;
  t.mock.method(fs, 'writeSync', ((
    fd: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    position: number,
  ) => writeSync(fd, bytes, at, Math.min(length, 3), position)) as typeof fs.writeSync);
  t.mock.method(fs, 'writevSync', ((fd: number, parts: Uint8Array[], position: number) =>
    writevSync(fd, [parts[0].subarray(0, 2)], position)) as typeof fs.writevSync);
  type Done = (error: Error | null, count: number) => void;
  t.mock.method(fs, 'write', ((
    fd: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    position: number,
    done: Done,
  ) => write(fd, bytes, at, Math.min(length, 3), position, done)) as typeof fs.write);
  t.after(syncBuiltinESMExports);
  syncBuiltinESMExports();
  using place = temporary();
  const fd = place.fs.createSync(join(place.directory, 'a'));
  place.fs.writeSync(fd, [Buffer.from('abcdefgh')], 0);
  place.fs.writeSync(fd, [Buffer.from('ijkl'), Buffer.alloc(0), Buffer.from('mnopqrst')], 8);
  await place.fs.write(fd, Buffer.from('uvwxyz01'), 20);
  const bytes = Buffer.alloc(28);
  assert.ok(readFullySync(place.fs, fd, bytes, 0, 28, 0));
  assert.equal(bytes.toString(), 'abcdefghijklmnopqrstuvwxyz01');
  place.fs.closeSync(fd);
});

test('what is made is for this user alone', {
  skip: process.platform === 'win32' && 'Windows has no such bits',
}, async () => {
  using place = temporary();
  const directory = join(place.directory, 'a', 'b');
  place.fs.makeDirectorySync(directory);
  place.fs.closeSync(place.fs.createSync(join(directory, 'one')));
  place.fs.closeSync(await place.fs.create(join(directory, 'two')));
  using _lock = place.fs.lockSync(join(directory, 'LOCK'));
  const modeOf = (path: string) => (fs.statSync(path).mode & 0o777).toString(8);
  assert.deepEqual(
    ['one', 'two', 'LOCK'].map((name) => modeOf(join(directory, name))),
    ['600', '600', '600'],
  );
  assert.deepEqual([modeOf(directory), modeOf(join(place.directory, 'a'))], ['700', '700']);
});

test('a directory that cannot be made is an error, also where the system denies that its parent exists', {
  skip: process.platform !== 'linux' && 'only Linux has /proc',
}, () => {
  using place = temporary();
  // Node's own recursion never ends there.
  assert.throws(() => place.fs.makeDirectorySync('/proc/none/deeper'), { code: 'ENOENT' });
  const file = join(place.directory, 'file');
  writeFileSync(file, '');
  assert.throws(() => place.fs.makeDirectorySync(file), { code: 'EEXIST' });
});

test('whoever opens a file, or what lies below one, is told that a folder is wanted', async () => {
  using place = temporary();
  const file = join(place.directory, 'file');
  writeFileSync(file, '');
  const refused = { code: 'IO_ERROR', systemCode: 'ENOTDIR', message: /is a file, and a folder is wanted$/ };
  for (const path of [file, join(file, 'below')]) assert.throws(() => RecordStore.open(path), refused);
  await assert.rejects(openReadOnly(file), refused);
});
