import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyFileSync } from '../../../../native-free-lsm/fs/copy-file.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';

const LOST = { bytes: 'lost', names: 'kept' } as const;

function withFile(sizeBytes: number): MemoryFileSystem {
  const fs = new MemoryFileSystem();
  fs.place(
    '/db/a',
    Uint8Array.from({ length: sizeBytes }, (_, at) => at % 251),
  );
  return fs;
}

test('a copy has the same bytes, durably, whatever its size', () => {
  for (const sizeBytes of [0, 1, 2 ** 20, 2 ** 20 + 1, 2_500_000]) {
    const fs = withFile(sizeBytes);
    copyFileSync(fs, '/db/a', '/db/b');
    assert.deepEqual(fs.crash(LOST).contents('/db/b'), fs.contents('/db/a'));
  }
});

test('a file that ends before its size is not copied as if it were whole', () => {
  const fs = withFile(10);
  fs.sizeSync = () => 11;
  assert.throws(() => copyFileSync(fs, '/db/a', '/db/b'), /\/db\/a ended early/);
});

test('a file that is there already is left as it is', () => {
  const fs = withFile(10);
  fs.place('/db/b', Uint8Array.of(1));
  assert.throws(() => copyFileSync(fs, '/db/a', '/db/b'), { code: 'EEXIST' });
  assert.deepEqual([...fs.contents('/db/b')], [1]);
});
