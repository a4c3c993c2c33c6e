import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readFullySync } from '../../../../native-free-lsm/fs/file-system.ts';
import {
  fileSystemError,
  MemoryFileSystem,
  SECTOR_BYTES,
  SimulatedCrash,
} from '../../../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { fileSystemContract } from '../fs/file-system-contract.ts';

const LOST = { bytes: 'lost', names: 'lost' } as const;
const KEPT = { bytes: 'kept', names: 'kept' } as const;

function withFile(bytes: string): { fs: MemoryFileSystem; fd: number } {
  const fs = new MemoryFileSystem();
  fs.place('/db/a', Buffer.from(bytes));
  return { fs, fd: fs.openWriteSync('/db/a') };
}

const text = (fs: MemoryFileSystem, path = '/db/a') => Buffer.from(fs.contents(path)).toString('latin1');

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
    const torn = text(fs.crash({ bytes: 'torn', names: 'torn', random: seededRandom(seed) }));
    assert.equal(text(fs.crash({ bytes: 'torn', names: 'torn', random: seededRandom(seed) })), torn);
    assert.ok(torn.length >= 2048 && torn.length <= 3000);
    for (let at = 0; at < 2048; at += 512) assert.match(torn.slice(at, at + 512), /^(o+|n+)$/);
    seen.add(torn);
  }
  assert.ok(seen.size > 16);
});

test('a crash that tears says that it needs numbers, and one that does not tear needs none', () => {
  const { fs, fd } = withFile('old');
  fs.writeSync(fd, [Buffer.from('new')], 0);
  assert.throws(() => fs.crash({ bytes: 'torn', names: 'kept' }), /draws numbers: give it `random`/);
  assert.equal(text(fs.crash(KEPT)), 'new');
});

/** What a torn crash may leave, over many seeds. */
function outcomes(fs: MemoryFileSystem, show: (bytes: string) => string): string[] {
  const seen = new Set<string>();
  for (let seed = 0; seed < 400; seed++)
    seen.add(show(text(fs.crash({ bytes: 'torn', names: 'torn', random: seededRandom(seed) }))));
  return [...seen].sort();
}

test('of several writes any part may have reached the disk, the later without the earlier too', () => {
  const { fs, fd } = withFile('.'.repeat(1024));
  fs.writeSync(fd, [Buffer.alloc(512, 'a')], 0);
  fs.writeSync(fd, [Buffer.alloc(512, 'b')], 512);
  fs.writeSync(fd, [Buffer.alloc(512, 'c')], 0);
  const firsts = outcomes(fs, (bytes) => bytes[0] + bytes[512]);
  assert.deepEqual(firsts, ['..', '.b', 'a.', 'ab', 'c.', 'cb']);
});

test('a file may have grown without its bytes: zeros, noise or what a removed file held are there', () => {
  const { fs, fd } = withFile('');
  fs.place('/db/old', Buffer.alloc(2048, 'o'));
  fs.removeSync('/db/old');
  fs.writeSync(fd, [Buffer.alloc(1024, 'n')], 0);
  const kinds = outcomes(fs, (bytes) => {
    if (bytes.length < 1024) return bytes.length === 0 ? 'none' : 'short';
    const second = bytes.slice(512);
    if (/^\0+$/.test(second)) return 'zeros';
    return /^n+$/.test(second) ? 'written' : /^o+$/.test(second) ? 'residue' : 'noise';
  });
  assert.deepEqual(kinds, ['noise', 'none', 'residue', 'short', 'written', 'zeros']);
});

test('a cut that was not synced may be undone, with what was written after it in place', () => {
  const { fs, fd } = withFile('o'.repeat(1536));
  fs.truncateSync(fd, 512);
  fs.writeSync(fd, [Buffer.alloc(512, 'n')], 512);
  const left = outcomes(fs, (bytes) => `${bytes.length}${bytes[512] ?? ''}${bytes[1024] ?? ''}`);
  for (const whole of ['512', '1024n', '1536oo', '1536no'])
    assert.ok(left.includes(whole), `${whole}: ${left}`);
});

test('after a kill all is there, and what was not synced may still be lost', () => {
  const { fs, fd } = withFile('old');
  fs.writeSync(fd, [Buffer.from('new')], 0);
  fs.closeSync(fs.createSync('/db/b'));
  const killed = fs.kill();
  assert.equal(killed.usedBytes, 3);
  assert.equal(text(killed), 'new');
  assert.deepEqual(killed.listSync('/db').sort(), ['a', 'b']);
  assert.equal(text(killed.crash(LOST)), 'old');
  assert.deepEqual(killed.crash(LOST).listSync('/db'), ['a']);
  // A sync of the new process takes the old one's writes along.
  const own = killed.openWriteSync('/db/a');
  killed.fdatasyncSync(own);
  killed.syncDirectorySync('/db');
  assert.equal(text(killed.crash(LOST)), 'new');
  assert.deepEqual(killed.crash(LOST).listSync('/db').sort(), ['a', 'b']);
  killed.writeSync(own, [Buffer.from('x')], 0);
  assert.equal(text(fs), 'new', 'the one that was killed is as it was');
  assert.equal(text(fs.crash(LOST)), 'old');
});

test('after a torn crash a renamed file is at its old name, its new name, or replaced, but never half', () => {
  const { fs } = withFile('old');
  const fd = fs.createSync('/db/a.tmp');
  fs.writeSync(fd, [Buffer.from('new')], 0);
  fs.fdatasyncSync(fd);
  fs.renameSync('/db/a.tmp', '/db/a');
  const seen = new Set<string>();
  for (let seed = 0; seed < 64; seed++)
    seen.add(text(fs.crash({ bytes: 'torn', names: 'torn', random: seededRandom(seed) })));
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
  assert.equal(fs.freeBytesSync('/'), 10);
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
      /** The file after each step since the last sync. */
      let states = [cached];
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
          states = [];
        }
        states.push(Buffer.from(cached));
        assert.equal(Buffer.compare(fs.contents('/db/a'), cached), 0);
        assert.equal(fs.usedBytes, cached.length);
        assert.equal(Buffer.compare(fs.crash(LOST).contents('/db/a'), durable), 0);
      }
      const torn = fs.crash({ bytes: 'torn', names: 'kept', random: seededRandom(seed) }).contents('/db/a');
      for (let at = 0; at < torn.length; at += SECTOR_BYTES) {
        // Behind what was durable anything may stand where nothing was written yet.
        if (at >= durable.length) continue;
        const sector = Buffer.from(torn.subarray(at, at + SECTOR_BYTES));
        const sectorOf = (state: Buffer): Buffer =>
          Buffer.concat([state.subarray(at, at + sector.length), Buffer.alloc(SECTOR_BYTES)]);
        assert.ok(
          states.some((state) => sector.equals(sectorOf(state).subarray(0, sector.length))),
          `the sector at ${at} was never so`,
        );
      }
    }),
  );
});

test('a hook may have a call done in part', () => {
  const { fs, fd } = withFile('old');
  const full = fileSystemError('ENOSPC', 'write', '/db/a');
  fs.onCall = ({ operation, lengthBytes }) => {
    if (operation === 'write') return { doneBytes: lengthBytes - 4, error: full };
    return operation === 'read' ? { doneBytes: 2 } : undefined;
  };
  assert.throws(
    () => fs.writeSync(fd, [Buffer.from('12'), Buffer.from('34567')], 1),
    (error: unknown) => error === full,
  );
  assert.equal(text(fs), 'o123');
  assert.equal(fs.usedBytes, 4);
  assert.equal(fs.readSync(fd, new Uint8Array(4), 0, 4, 0), 2);
  const whole = new Uint8Array(4);
  assert.ok(readFullySync(fs, fd, whole, 0, 4, 0));
  assert.equal(Buffer.from(whole).toString(), 'o123');
});
