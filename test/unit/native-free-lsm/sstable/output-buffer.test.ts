import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import type { FileSystem } from '../../../../native-free-lsm/fs/file-system.ts';
import { OutputBuffer } from '../../../../native-free-lsm/sstable/output-buffer.ts';
import { emptyFileSystem } from './table-support.ts';

const FILE = '/db/file';

test('appended bytes stand in the file one after another, small and large, in few writes', () => {
  const fs = emptyFileSystem();
  let writes = 0;
  fs.onCall = ({ operation }) => {
    if (operation === 'write') writes++;
    return undefined;
  };
  const output = new OutputBuffer(fs, fs.createSync(FILE), FILE);
  const parts = [10, 300_000, 300_000, 0, 2_000_000, 7].map((length, i) => Buffer.alloc(length, i + 1));
  let offset = 0;
  for (const part of parts) {
    assert.equal(output.offset, offset);
    output.append(Buffer.concat([Buffer.from('>'), part, Buffer.from('<')]), 1, 1 + part.length);
    offset += part.length;
  }
  output.flush();
  output.flush();
  assert.equal(output.offset, offset);
  assert.deepEqual(Buffer.from(fs.contents(FILE)), Buffer.concat(parts));
  assert.equal(writes, 4);
});

test('a thread that writes two files at once uses the memory of both again', () => {
  const used: ArrayBufferLike[] = [];
  const watched: FileSystem = Object.assign(Object.create(emptyFileSystem()) as FileSystem, {
    writeSync: (_: number, parts: readonly Uint8Array[]) => void used.push(parts[0].buffer),
  });
  const writeTwo = (): Set<ArrayBufferLike> => {
    const outputs = ['/db/compacted', '/db/flushed'].map((file) => new OutputBuffer(watched, 0, file));
    for (const output of outputs) {
      output.append(Buffer.from('value'), 0, 5);
      output.flush();
    }
    for (const output of outputs) output.release();
    return new Set(used.splice(0));
  };
  const first = writeTwo();
  assert.equal(first.size, 2);
  const next = writeTwo();
  assert.ok([...first].every((memory) => next.has(memory)));
});

test('is synced in steps when it is to be', () => {
  const fs = emptyFileSystem();
  const calls: string[] = [];
  fs.onCall = ({ operation }) => {
    calls.push(operation);
    return undefined;
  };
  const output = new OutputBuffer(fs, fs.createSync(FILE), FILE, 1_000_000);
  for (let i = 0; i < 4; i++) output.append(Buffer.alloc(600_000), 0, 600_000);
  output.flush();
  assert.deepEqual(calls, ['create', 'write', 'write', 'fdatasync', 'write', 'write', 'fdatasync']);
});

test('a full disk is told as such', () => {
  const fs = emptyFileSystem();
  fs.capacityBytes = 5;
  const output = new OutputBuffer(fs, fs.createSync(FILE), FILE);
  output.append(Buffer.alloc(6), 0, 6);
  assert.throws(
    () => output.flush(),
    (error: LsmError) => error instanceof LsmError && error.code === 'NO_SPACE' && error.canRetry,
  );
});
