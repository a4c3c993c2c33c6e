import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import { fileSystemError, MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { Manifest } from '../../../../native-free-lsm/version/manifest.ts';
import type { ManifestState } from '../../../../native-free-lsm/version/manifest-reader.ts';
import { Version, type VersionEdit } from '../../../../native-free-lsm/version/version.ts';
import { seededRandom } from '../../../../src/clock.ts';
import { table } from './version-support.ts';

const DIRECTORY = '/db';
const FIRST = '/db/MANIFEST-000001';
const EMPTY: ManifestState = {
  version: Version.empty(),
  oldestGeneration: 1,
  nextFileId: 1,
  begunGeneration: 0,
};

const EDITS: readonly VersionEdit[] = [
  {
    added: [table(1, 0, 'a', 'm'), table(2, 0, 'n', 'z')],
    removed: [],
    oldestGeneration: 2,
    nextFileId: 8,
    begunGeneration: 4,
  },
  { added: [table(3, 1, '', 'k'.repeat(200), { largestTimestamp: 2 ** 53 - 1 })], removed: [1] },
  { added: [], removed: [2] },
];

function directory(): MemoryFileSystem {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync(DIRECTORY);
  return fs;
}

function recovered(fs: MemoryFileSystem) {
  const state = Manifest.recover(fs, DIRECTORY);
  assert.ok(state !== undefined);
  const { version, path, endOffset, ...rest } = state;
  assert.equal(endOffset + rest.tornBytes, fs.sizeSync(path));
  return { levels: version.levels, ...rest };
}

function manifests(fs: MemoryFileSystem): string[] {
  return fs.listSync(DIRECTORY).filter((name) => name.startsWith('MANIFEST'));
}

async function written(): Promise<MemoryFileSystem> {
  const fs = directory();
  const manifest = Manifest.create(fs, DIRECTORY, EMPTY);
  for (const edit of EDITS) await manifest.append(edit);
  await manifest.close();
  return fs;
}

test('edits come back, also into the snapshot of the next manifest', async () => {
  const fs = directory();
  assert.equal(Manifest.recover(fs, DIRECTORY), undefined);
  const manifest = Manifest.create(fs, DIRECTORY, EMPTY);
  await Promise.all(EDITS.map((edit) => manifest.append(edit)));
  assert.equal(manifest.sizeBytes, fs.sizeSync(FIRST));
  const expected = {
    levels: EDITS.reduce((version, edit) => version.apply(edit), Version.empty()).levels,
    oldestGeneration: 2,
    nextFileId: 8,
    begunGeneration: 4,
    edits: 1 + EDITS.length,
    tornBytes: 0,
  };
  assert.equal(expected.levels[1][0].largestTimestamp, 2 ** 53 - 1);
  assert.deepEqual(recovered(fs), expected);
  await manifest.close();
  await manifest.close();
  await assert.rejects(manifest.append(EDITS[2]), { code: 'CLOSED' });
  assert.deepEqual(recovered(fs), expected);
  const state = Manifest.recover(fs, DIRECTORY) as ManifestState;
  const next = Manifest.create(fs, DIRECTORY, state);
  assert.deepEqual(fs.listSync(DIRECTORY).sort(), ['CURRENT', 'MANIFEST-000002']);
  assert.deepEqual(recovered(fs), { ...expected, edits: 1 });
  await next.close();
  assert.equal(fs.openDescriptors, 0);
});

test('keys are memory of their own size, not views of the file', async () => {
  const fs = await written();
  const [found] = recovered(fs).levels[1];
  assert.equal(found.largestKey.buffer.byteLength, 200);
});

test('a table id is never given out twice', async () => {
  const fs = directory();
  const manifest = Manifest.create(fs, DIRECTORY, EMPTY);
  await manifest.append({ added: [table(41, 0, 'a', 'b')], removed: [] });
  await manifest.append({ added: [], removed: [41] });
  await manifest.close();
  assert.equal(recovered(fs).nextFileId, 42);
});

test('every flipped byte of a closed manifest is found, with the place', async () => {
  const fs = await written();
  const whole = fs.contents(FIRST);
  const state = recovered(fs);
  const markAt = whole.length - 32;
  for (let at = 0; at < whole.length; at++) {
    const flipped = whole.slice();
    flipped[at] ^= 1 << (at % 8);
    fs.place(FIRST, flipped);
    if (at < markAt) {
      assert.throws(
        () => Manifest.recover(fs, DIRECTORY),
        (error: { code?: string; file?: string; offset?: number }) =>
          error.code === 'CORRUPTION' && error.file === FIRST && (error.offset as number) <= at,
        `byte ${at}`,
      );
    } else {
      assert.deepEqual(recovered(fs), { ...state, tornBytes: 32 });
    }
  }
});

test('every flipped or missing byte of CURRENT is found', async () => {
  const fs = await written();
  const whole = fs.contents('/db/CURRENT');
  for (let at = 0; at < whole.length; at++) {
    const flipped = whole.slice();
    flipped[at] ^= 1 << (at % 8);
    for (const bytes of [flipped, whole.subarray(0, at), Buffer.concat([whole, flipped])]) {
      fs.place('/db/CURRENT', bytes);
      assert.throws(() => Manifest.recover(fs, DIRECTORY), { code: 'CORRUPTION', file: '/db/CURRENT' });
    }
  }
});

test('a manifest cut anywhere gives the edits that are whole; without its snapshot it is damaged', async () => {
  const fs = directory();
  const manifest = Manifest.create(fs, DIRECTORY, EMPTY);
  const ends = [manifest.sizeBytes];
  for (const edit of EDITS) {
    await manifest.append(edit);
    ends.push(manifest.sizeBytes);
  }
  const whole = fs.contents(FIRST);
  for (let length = 0; length < whole.length; length++) {
    fs.place(FIRST, whole.subarray(0, length));
    const edits = ends.findLastIndex((end) => end <= length);
    if (edits < 0) {
      assert.throws(() => Manifest.recover(fs, DIRECTORY), { code: 'CORRUPTION', file: FIRST });
    } else {
      const version = EDITS.slice(0, edits).reduce((version, edit) => version.apply(edit), Version.empty());
      assert.deepEqual(recovered(fs).levels, version.levels);
      assert.equal(recovered(fs).tornBytes, length - ends[edits]);
    }
  }
});

test('a missing file among others is damage and not an empty directory', async () => {
  const fs = await written();
  fs.removeSync(FIRST);
  assert.throws(() => Manifest.recover(fs, DIRECTORY), { code: 'CORRUPTION', file: '/db/CURRENT' });
  fs.removeSync('/db/CURRENT');
  assert.equal(Manifest.recover(fs, DIRECTORY), undefined);
  for (const name of ['000001.log', '000004.sst']) {
    fs.place(`/db/${name}`, Buffer.from('x'));
    assert.throws(() => Manifest.recover(fs, DIRECTORY), { code: 'CORRUPTION', file: '/db/CURRENT' });
    fs.removeSync(`/db/${name}`);
  }
});

test('an edit that does not fit, and another format', async () => {
  const fs = directory();
  const strict = Manifest.create(fs, DIRECTORY, EMPTY);
  await assert.rejects(strict.append({ added: [], removed: [5] }), { code: 'CORRUPTION' });
  await strict.append(EDITS[0]);
  await strict.close();
  assert.equal(recovered(fs).levels[0].length, 2);
  fs.removeSync('/db/CURRENT');
  fs.removeSync(FIRST);
  const lenient: Version = Object.create(Version.empty(), { apply: { value: () => lenient } });
  const manifest = Manifest.create(fs, DIRECTORY, { ...EMPTY, version: lenient });
  const offset = manifest.sizeBytes;
  await manifest.append({ added: [], removed: [5] });
  await manifest.close();
  assert.throws(() => Manifest.recover(fs, DIRECTORY), { code: 'CORRUPTION', file: FIRST, offset });
  const newer = Buffer.from(fs.contents(FIRST));
  newer.writeUInt32LE(3, 4);
  newer.writeUInt32LE(crc32(newer.subarray(0, 12)), 12);
  fs.place(FIRST, newer);
  assert.throws(() => Manifest.recover(fs, DIRECTORY), { code: 'UNSUPPORTED_FORMAT', file: FIRST });
});

test('a full disk refuses an edit and those behind it, durably, and takes later ones', async () => {
  for (const room of [0, 20, 60]) {
    const fs = directory();
    const manifest = Manifest.create(fs, DIRECTORY, EMPTY);
    await manifest.append(EDITS[0]);
    fs.capacityBytes = fs.usedBytes + room;
    const refused = [manifest.append(EDITS[1]), manifest.append(EDITS[2])];
    for (const one of refused) await assert.rejects(one, { code: 'NO_SPACE', canRetry: true });
    assert.equal(fs.sizeSync(FIRST), manifest.sizeBytes);
    assert.equal(recovered(fs.crash({ bytes: 'lost', names: 'lost' })).levels[0].length, 2);
    fs.capacityBytes = Number.POSITIVE_INFINITY;
    await manifest.append(EDITS[2]);
    await manifest.close();
    assert.equal(recovered(fs).levels[0].length, 1);
    assert.equal(recovered(fs).tornBytes, 0);
  }
});

test('an edit whose sync or cut fails goes into a fresh manifest, whatever became of it in the old one', async () => {
  for (const operation of ['fdatasync', 'truncate']) {
    const fs = directory();
    const manifest = Manifest.create(fs, DIRECTORY, EMPTY);
    fs.onCall = ({ operation: called, path }) => {
      const fails = called === operation || (operation === 'truncate' && called === 'write');
      if (fails && path === FIRST) throw fileSystemError('EIO', called, path);
      return undefined;
    };
    await manifest.append(EDITS[0]);
    fs.onCall = undefined;
    assert.equal(manifest.isInDoubt, false);
    assert.deepEqual(manifests(fs), ['MANIFEST-000002']);
    await manifest.append(EDITS[1]);
    await manifest.close();
    assert.equal(fs.openDescriptors, 0);
    assert.equal(recovered(fs.crash({ bytes: 'lost', names: 'lost' })).levels[1].length, 1);
  }
});

test('an edit that is refused is in doubt until a later one is taken, and then it is nowhere', async () => {
  for (const failing of ['create', 'rename', 'syncDirectory']) {
    const fs = directory();
    const manifest = Manifest.create(fs, DIRECTORY, EMPTY);
    let renamed = false;
    fs.onCall = ({ operation, path }) => {
      if (operation === 'rename') renamed = true;
      const ofSwitch = operation === failing && (operation !== 'syncDirectory' || renamed);
      if (ofSwitch || (operation === 'fdatasync' && path === FIRST))
        throw fileSystemError('EIO', operation, path);
      return undefined;
    };
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(manifest.append(EDITS[0]), { code: 'IO_ERROR' });
      assert.equal(manifest.isInDoubt, true);
      const { levels } = recovered(fs.crash({ bytes: 'lost', names: 'kept' }));
      assert.ok(levels[0].length === 0 || levels[0].length === 2);
    }
    fs.onCall = undefined;
    await manifest.append({ added: [EDITS[1].added[0]], removed: [] });
    assert.equal(manifest.isInDoubt, false);
    assert.equal(manifests(fs).length, 1, failing);
    await manifest.append({ added: [], removed: [3] });
    await manifest.close();
    assert.equal(fs.openDescriptors, 0);
    const { levels } = recovered(fs.crash({ bytes: 'lost', names: 'lost' }));
    assert.equal(levels.flat().length, 0);
  }
});

test('a manifest that cannot be created leaves the one before in force', async () => {
  const fs = await written();
  const before = recovered(fs);
  const first = fs.callCount;
  for (let failAt = 0; ; failAt++) {
    const attempt = fs.crash({ bytes: 'kept', names: 'kept' });
    let failed = false;
    attempt.onCall = ({ index, operation, path }) => {
      if (index !== failAt) return;
      failed = true;
      throw fileSystemError('ENOSPC', operation, path);
    };
    let manifest: Manifest | undefined;
    try {
      manifest = Manifest.create(attempt, DIRECTORY, EMPTY);
    } catch (error) {
      const { code } = error as { code: string };
      attempt.onCall = undefined;
      if (code === 'NO_SPACE') assert.deepEqual(recovered(attempt), before);
      else {
        assert.equal(code, 'IO_ERROR');
        const { levels } = recovered(attempt);
        assert.ok(isDeepStrictEqual(recovered(attempt), before) || levels.flat().length === 0);
      }
    }
    attempt.onCall = undefined;
    assert.equal(attempt.openDescriptors, manifest === undefined ? 0 : 1);
    await manifest?.close();
    if (!failed) break;
    assert.ok(failAt < 30);
  }
  assert.equal(fs.callCount, first);
});

/** Adds and removes tables, so that edits come and nothing stays but what the last few added. */
function editsOfALongLife(count: number): VersionEdit[] {
  return Array.from({ length: count }, (_, i) => ({
    added: [table(i + 1, 6, `k${String(i).padStart(3, '0')}`, `k${String(i).padStart(3, '0')}x`)],
    removed: i < 3 ? [] : [i - 2],
    oldestGeneration: i + 1,
    nextFileId: i + 2,
  }));
}

/** Of the tables in the last level. */
function idsOf({ levels }: Pick<Version, 'levels'>): string {
  return levels[6].map(({ id }) => id).join();
}

function stateAfter(edits: readonly VersionEdit[]) {
  const { levels } = edits.reduce((version, edit) => version.apply(edit), Version.empty());
  return {
    levels,
    oldestGeneration: edits.length,
    nextFileId: edits.length + 1,
    begunGeneration: 0,
    tornBytes: 0,
  };
}

test('a manifest that has grown large goes on in a fresh one, and only that is left', async () => {
  const fs = directory();
  const manifest = Manifest.create(fs, DIRECTORY, EMPTY, 2000);
  const edits = editsOfALongLife(60);
  let largest = 0;
  const appended = edits.map(async (edit) => {
    await manifest.append(edit);
    largest = Math.max(largest, manifest.sizeBytes);
  });
  await Promise.all(appended);
  assert.ok(largest >= 2000 && largest < 2600, `${largest} bytes`);
  assert.notEqual(manifest.path, FIRST);
  assert.equal(manifest.sizeBytes, fs.sizeSync(manifest.path));
  const { edits: kept, ...state } = recovered(fs);
  assert.deepEqual(state, stateAfter(edits));
  assert.ok(kept < edits.length, `${kept} edits in it`);
  await manifest.close();
  assert.deepEqual(recovered(fs), { ...state, edits: kept });
  assert.deepEqual(
    fs
      .listSync(DIRECTORY)
      .map((name) => `/db/${name}`)
      .sort(),
    ['/db/CURRENT', manifest.path],
  );
  assert.equal(fs.openDescriptors, 0);
});

test('a manifest of many tables is not written anew with every edit', async () => {
  const fs = directory();
  const many = Array.from({ length: 100 }, (_, i) =>
    table(i + 1, 6, `a${String(i).padStart(3, '0')}`, `a${String(i).padStart(3, '0')}x`),
  );
  const version = Version.empty().apply({ added: many, removed: [] });
  const manifest = Manifest.create(
    fs,
    DIRECTORY,
    { version, oldestGeneration: 1, nextFileId: 101, begunGeneration: 0 },
    1,
  );
  const snapshotBytes = manifest.sizeBytes;
  for (let id = 101; manifest.path === FIRST; id++) {
    assert.ok(manifest.sizeBytes < 4 * snapshotBytes + 300);
    await manifest.append({ added: [table(id, 0, 'b', 'c')], removed: id > 101 ? [id - 1] : [] });
  }
  assert.ok(manifest.sizeBytes < 1.1 * snapshotBytes);
  await manifest.close();
});

test('whatever fails or stops while a manifest goes on in a fresh one, every edit that was taken is there', async () => {
  const edits = editsOfALongLife(12);
  let refused = 0;
  for (let failAt = 0; ; failAt++) {
    const fs = directory();
    const manifest = Manifest.create(fs, DIRECTORY, EMPTY, 700);
    const first = fs.callCount;
    let failed = false;
    let taken = 0;
    /** All that was taken, and perhaps what is under way. */
    const isPossible = (version: Version): boolean =>
      [taken, taken + 1].some((count) => idsOf(stateAfter(edits.slice(0, count))) === idsOf(version));
    fs.onCall = ({ index, operation, path }) => {
      // At every call: what a power loss would leave.
      const [bytes, names] = [index, failAt + index].map((i) => (['lost', 'torn', 'kept'] as const)[i % 3]);
      const left = Manifest.recover(
        fs.crash({ bytes, names, random: seededRandom(index) }),
        DIRECTORY,
      ) as ManifestState;
      assert.ok(isPossible(left.version), `before call ${index}, ${operation} ${path}, ${taken} edits`);
      if (index !== first + failAt) return;
      failed = true;
      throw fileSystemError('ENOSPC', operation, path);
    };
    while (taken < edits.length) {
      const error = await manifest.append(edits[taken]).then(
        () => undefined,
        ({ code }: { code: string }) => code,
      );
      if (error === undefined) taken++;
      else {
        assert.equal(error, 'NO_SPACE');
        refused++;
      }
    }
    fs.onCall = undefined;
    await manifest.close();
    assert.equal(fs.openDescriptors, 0);
    assert.equal(idsOf(stateAfter(edits)), idsOf(Manifest.recover(fs, DIRECTORY)?.version as Version));
    if (!failed) {
      assert.ok(failAt > 30, `${failAt} calls`);
      break;
    }
  }
  assert.ok(refused > 0, `${refused} refused`);
});

test('a frame with the tag of a later version is named as such', async () => {
  for (const [tag, code] of [
    [5, 'UNSUPPORTED_FORMAT'],
    [3, 'CORRUPTION'],
    [4, 'CORRUPTION'],
    [1, 'CORRUPTION'],
    [0, 'CORRUPTION'],
  ] as const) {
    const fs = directory();
    const manifest = Manifest.create(fs, DIRECTORY, EMPTY);
    const at = manifest.sizeBytes;
    await manifest.append(EDITS[0]);
    await manifest.close();
    const bytes = Buffer.from(fs.contents(FIRST));
    const end = at + 32 + bytes.readUInt32LE(at + 8);
    // The tag is the second word of the body; the checksum goes over all behind it.
    bytes.writeUInt32LE(tag, at + 36);
    bytes.writeUInt32LE(crc32(bytes.subarray(at + 8, end)), at + 4);
    fs.place(FIRST, bytes);
    assert.throws(() => Manifest.recover(fs, DIRECTORY), { code, file: FIRST, offset: at }, `tag ${tag}`);
  }
});
