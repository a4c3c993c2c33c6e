import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  fileSystemError,
  MemoryFileSystem,
  SimulatedCrash,
} from '../../../../native-free-lsm/fs/memory-fs.ts';
import { fileSystemContract } from './file-system-contract.ts';

const LOST = { bytes: 'lost', names: 'lost' } as const;
const KEPT = { bytes: 'kept', names: 'kept' } as const;

function withFile(bytes: string): { fs: MemoryFileSystem; fd: number } {
  const fs = new MemoryFileSystem();
  fs.place('/db/a', Buffer.from(bytes));
  return { fs, fd: fs.openWriteSync('/db/a') };
}

const text = (fs: MemoryFileSystem, path = '/db/a') => Buffer.from(fs.contents(path)).toString();

fileSystemContract(() => {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync('/db');
  return { fs, directory: '/db', [Symbol.dispose]: () => {} };
});

test('unsynced bytes are lost or kept, synced ones always there', () => {
  const { fs, fd } = withFile('old');
  fs.writeSync(fd, [Buffer.from('newer')], 0);
  assert.equal(text(fs.crash(LOST)), 'old');
  assert.equal(text(fs.crash(KEPT)), 'newer');
  fs.fdatasyncSync(fd);
  fs.writeSync(fd, [Buffer.from('!')], 5);
  assert.equal(text(fs.crash(LOST)), 'newer');
  fs.truncateSync(fd, 2);
  assert.equal(text(fs.crash(LOST)), 'newer');
  fs.fdatasyncSync(fd);
  assert.equal(text(fs.crash(LOST)), 'ne');
});

test('a new name needs a sync of its directory, whatever its file got', () => {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync('/db');
  const fd = fs.createSync('/db/a');
  fs.writeSync(fd, [Buffer.from('x')], 0);
  fs.fdatasyncSync(fd);
  assert.equal(fs.crash(LOST).existsSync('/db/a'), false);
  fs.syncDirectorySync('/db');
  assert.equal(text(fs.crash(LOST)), 'x');
  fs.renameSync('/db/a', '/db/b');
  assert.deepEqual(fs.crash(LOST).listSync('/db'), ['a']);
  assert.deepEqual(fs.crash(KEPT).listSync('/db'), ['b']);
  fs.syncDirectorySync('/db');
  fs.removeSync('/db/b');
  assert.deepEqual(fs.crash(LOST).listSync('/db'), ['b']);
});

test('a torn crash mixes old and new by sectors, the same for the same seed', () => {
  const { fs, fd } = withFile('o'.repeat(2048));
  fs.writeSync(fd, [Buffer.alloc(3000, 'n')], 0);
  const seen = new Set<string>();
  for (let seed = 0; seed < 64; seed++) {
    const torn = text(fs.crash({ bytes: 'torn', names: 'torn', seed }));
    assert.equal(text(fs.crash({ bytes: 'torn', names: 'torn', seed })), torn);
    assert.ok(torn.length >= 2048 && torn.length <= 3000);
    for (let at = 0; at < 2048; at += 512) assert.match(torn.slice(at, at + 512), /^(o+|n+)$/);
    seen.add(torn);
  }
  assert.ok(seen.size > 16);
});

test('after a torn crash a renamed file is at its old name, its new name, or replaced, but never half', () => {
  const { fs } = withFile('old');
  const fd = fs.createSync('/db/a.tmp');
  fs.writeSync(fd, [Buffer.from('new')], 0);
  fs.fdatasyncSync(fd);
  fs.renameSync('/db/a.tmp', '/db/a');
  const seen = new Set<string>();
  for (let seed = 0; seed < 64; seed++) seen.add(text(fs.crash({ bytes: 'torn', names: 'torn', seed })));
  assert.deepEqual([...seen].sort(), ['new', 'old']);
});

test('bytes a failed sync was to write are not written by the next one', () => {
  const { fs, fd } = withFile('old');
  fs.writeSync(fd, [Buffer.from('new')], 0);
  fs.onCall = ({ operation, path }) => {
    if (operation === 'fdatasync') throw fileSystemError('EIO', operation, path);
  };
  assert.throws(() => fs.fdatasyncSync(fd), { code: 'EIO' });
  fs.onCall = undefined;
  fs.fdatasyncSync(fd);
  assert.equal(text(fs), 'new');
  assert.equal(text(fs.crash(LOST)), 'old');
});

test('a hook sees every call, may skip it, and a crash is for good', () => {
  const calls: string[] = [];
  const fs = new MemoryFileSystem({
    onCall: ({ index, operation, path }) => {
      assert.equal(index, calls.length);
      calls.push(`${operation} ${path}`);
      if (operation === 'fdatasync') return 'skip';
      if (operation === 'rename') throw new SimulatedCrash();
    },
  });
  fs.makeDirectorySync('/db');
  const fd = fs.createSync('/db/a');
  fs.writeSync(fd, [Buffer.from('x')], 0);
  fs.fdatasyncSync(fd);
  fs.syncDirectorySync('/db');
  assert.equal(text(fs.crash(LOST)), '', 'the sync was left out');
  assert.throws(() => fs.renameSync('/db/a', '/db/b'), { code: 'CRASHED' });
  assert.throws(() => fs.existsSync('/db/a'), { code: 'CRASHED' });
  assert.throws(() => fs.closeSync(fd), { code: 'CRASHED' });
  assert.deepEqual(calls, [
    'makeDirectory /db',
    'create /db/a',
    'write /db/a',
    'fdatasync /db/a',
    'syncDirectory /db',
    'rename /db/a',
  ]);
  assert.equal(fs.callCount, calls.length);
  using _lock = fs.crash(KEPT).lockSync('/db/LOCK');
});

test('a full file system takes what fits; room comes back with removal, truncation and the last close', () => {
  const fs = new MemoryFileSystem({ capacityBytes: 10 });
  fs.makeDirectorySync('/db');
  const fd = fs.createSync('/db/a');
  assert.throws(() => fs.writeSync(fd, [Buffer.from('123456'), Buffer.from('789abc')], 0), {
    code: 'ENOSPC',
  });
  assert.equal(text(fs), '123456789a');
  fs.writeSync(fd, [Buffer.from('0')], 9);
  fs.truncateSync(fd, 4);
  assert.equal(fs.usedBytes, 4);
  fs.writeSync(fd, [Buffer.from('56')], 4);
  fs.removeSync('/db/a');
  assert.equal(fs.usedBytes, 6);
  fs.closeSync(fd);
  assert.equal(fs.usedBytes, 0);
  assert.equal(fs.openDescriptors, 0);
});

test('random writes, truncations and syncs against plain buffers', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('write' as const),
      at: fc.nat(3000),
      length: fc.nat(1500),
      fill: fc.integer({ min: 1, max: 255 }),
    }),
    fc.record({ kind: fc.constant('truncate' as const), at: fc.nat(4000) }),
    fc.record({ kind: fc.constant('sync' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.nat(), (steps, seed) => {
      const { fs, fd } = withFile('');
      let cached = Buffer.alloc(0);
      let durable = cached;
      const resized = (length: number) => Buffer.concat([cached, Buffer.alloc(length)]).subarray(0, length);
      for (const step of steps) {
        if (step.kind === 'write') {
          fs.writeSync(fd, [Buffer.alloc(step.length, step.fill)], step.at);
          if (step.length > 0) cached = Buffer.from(resized(Math.max(cached.length, step.at + step.length)));
          if (step.length > 0) cached.fill(step.fill, step.at, step.at + step.length);
        } else if (step.kind === 'truncate') {
          fs.truncateSync(fd, step.at);
          cached = Buffer.from(resized(step.at));
        } else {
          fs.fdatasyncSync(fd);
          durable = Buffer.from(cached);
        }
        assert.equal(Buffer.compare(fs.contents('/db/a'), cached), 0);
        assert.equal(fs.usedBytes, cached.length);
        assert.equal(Buffer.compare(fs.crash(LOST).contents('/db/a'), durable), 0);
      }
      const torn = fs.crash({ bytes: 'torn', names: 'kept', seed }).contents('/db/a');
      for (let i = 0; i < torn.length; i++) {
        assert.ok(torn[i] === (cached[i] ?? 0) || torn[i] === (durable[i] ?? 0));
      }
    }),
  );
});
