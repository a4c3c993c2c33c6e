/**
 * Repair on a file system in memory: what it keeps, what it says it drops, and that no crash of it loses more.
 * DAMAGE=all (`npm run damage`) tries ten times as many random damages, and each crash with all that a disk may keep.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { LsmError } from '../../../../native-free-lsm/index.ts';
import { BatchKind } from '../../../../native-free-lsm/log/log-format.ts';
import { LogWriter } from '../../../../native-free-lsm/log/log-writer.ts';
import type { RepairPlan } from '../../../../native-free-lsm/offline/repair.ts';
import { repairFolder } from '../../../../native-free-lsm/offline/repair.ts';
import {
  fileSystemError,
  type MemoryFileSystem,
  SimulatedCrash,
} from '../../../../native-free-lsm/simulation/index.ts';
import { parseFileName } from '../../../../native-free-lsm/version/file-names.ts';
import { seededRandom } from '../../../../src/clock.ts';
import {
  type Contents,
  DIRECTORY,
  type Files,
  filesOf,
  placeFiles,
  type SampleFolder,
  SMALL,
  sampleFolder,
  useFolder,
  verifyFiles,
} from '../../../support/damaged-folder.ts';
import { frames, put } from '../log/log-support.ts';

const IS_WHOLE = process.env.DAMAGE === 'all';
/** What a disk may keep of what was not synced. */
const SURVIVALS = ['kept', 'lost', 'torn'] as const;

let folder: SampleFolder;
before(async () => {
  folder = await sampleFolder(true);
});

type Kind = 'log' | 'manifest' | 'table' | 'current';

function named(kind: Kind, place = 0): string {
  const names = [...folder.files.keys()].filter((name) => parseFileName(name)?.kind === kind);
  return names.at(place)!;
}

/** The sample folder with other bytes in some files; undefined removes one. */
function with_(
  changes: Readonly<Record<string, ((bytes: Uint8Array) => Uint8Array) | undefined>>,
): MemoryFileSystem {
  const files = new Map<string, Uint8Array>();
  for (const [name, bytes] of folder.files) {
    const change = changes[name];
    if (!(name in changes)) files.set(name, bytes);
    else if (change !== undefined) files.set(name, change(bytes));
  }
  return placeFiles(files);
}

function flipped(at: number): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => bytes.map((byte, i) => (i === (at + bytes.length) % bytes.length ? byte ^ 0x55 : byte));
}

function repair(fs: MemoryFileSystem, apply: boolean): Promise<RepairPlan> {
  return repairFolder(DIRECTORY, { fs, apply, engine: SMALL });
}

/**
 * Repairs and reads everything; the folder is whole then.
 * @param mayBeTorn an end of a log or manifest may look as an interrupted append leaves it, which is no damage
 */
async function repaired(
  fs: MemoryFileSystem,
  mayBeTorn = false,
): Promise<{ plan: RepairPlan; read: Map<string, string | null> }> {
  const untouched = filesOf(fs);
  const dry = await repair(fs, false);
  assert.deepEqual(filesOf(fs), untouched, 'a dry run changes nothing');
  const plan = await repair(fs, true);
  assert.deepEqual([plan.steps, plan.drops], [dry.steps, dry.drops], 'what was said is what is done');
  assert.deepEqual(verifyFiles(fs).damages, []);
  assertKept(untouched, fs);
  const { errors, read, reports } = await useFolder(fs, [...folder.contents.keys()]);
  assert.deepEqual([errors, mayBeTorn ? [] : reports], [[], []]);
  const found = new Map(read.map(({ key, record }) => [key, record]));
  for (const { key, record } of read)
    assert.equal(record, found.get(key), `${key}, before and after a compaction`);
  assert.equal((await repair(fs, true)).steps.length, 0, 'there is nothing left to do');
  return { plan, read: found };
}

/** Every file that was there is there, or in lost/, with the same bytes. */
function assertKept(before: Files, fs: MemoryFileSystem): void {
  const kept = [...filesOf(fs).values()];
  if (fs.existsSync(`${DIRECTORY}/lost`)) {
    for (const name of fs.listSync(`${DIRECTORY}/lost`)) kept.push(fs.contents(`${DIRECTORY}/lost/${name}`));
  }
  for (const [name, bytes] of before) {
    assert.ok(
      kept.some((other) => Buffer.compare(other, bytes) === 0),
      `${name} is gone`,
    );
  }
}

/** What is read is not there at all, or was written once. */
function assertWritten(key: string, read: ReadonlyMap<string, string | null>): void {
  const record = read.get(key) ?? null;
  assert.ok(record === null || folder.written.has(record), `${key} was never ${record}`);
}

function differing(read: ReadonlyMap<string, string | null>, contents: Contents): string[] {
  return [...read].filter(([key, record]) => (contents.get(key) ?? null) !== record).map(([key]) => key);
}

describe('repair', () => {
  test('finds nothing to do in a whole folder', async () => {
    const fs = placeFiles(folder.files);
    const { plan } = await repaired(fs);
    assert.deepEqual([plan.steps, plan.drops, plan.mayLackRecords], [[], [], false]);
    assert.ok(!fs.existsSync(`${DIRECTORY}/lost`));
  });

  test('keeps every batch before and behind the damage of a log', async () => {
    const log = named('log');
    // The write of key11, between that of key10 and those of two others.
    const { plan, read } = await repaired(with_({ [log]: flipped(180) }));
    assert.deepEqual(differing(read, folder.contents), ['key11']);
    assert.equal(read.get('key11'), folder.afterBatches[0].get('key11'), 'the version before');
    assert.equal(plan.mayLackRecords, true);
    assert.match(
      plan.drops[0].what,
      /^72 bytes at byte 144 of 000004\.log, between 2 batches before and 4 behind/,
    );
  });

  test('takes batches from a log whose header is damaged', async () => {
    const { plan, read } = await repaired(with_({ [named('log')]: flipped(1) }));
    assert.deepEqual(differing(read, folder.contents), []);
    assert.equal(plan.mayLackRecords, false);
  });

  test('drops only the garbage behind a log', async () => {
    const grown = (bytes: Uint8Array) => Uint8Array.from([...bytes, ...Buffer.from('garbage')]);
    const { plan, read } = await repaired(with_({ [named('log')]: grown }));
    assert.deepEqual(differing(read, folder.contents), []);
    assert.deepEqual([plan.mayLackRecords, plan.drops.map(({ lengthBytes }) => lengthBytes)], [false, [7]]);
  });

  for (const [name, place] of [
    ['compressed in the last level', 0],
    ['plain in level 0', 1],
  ] as const) {
    test(`keeps the blocks of a table that are whole, ${name}`, async () => {
      const { plan, read } = await repaired(with_({ [named('table', place)]: flipped(20) }));
      const lost = differing(read, folder.contents);
      assert.ok(lost.length > 0 && lost.length < 12, `${lost}`);
      for (const key of lost) assertWritten(key, read);
      assert.ok(plan.mayLackRecords);
      assert.match(
        plan.drops.map(({ what }) => what).join('\n'),
        /keys from .* to .* may be gone, or older versions/,
      );
    });

    test(`loses nothing with the index, filter, properties or footer of a table, ${name}`, async () => {
      const table = named('table', place);
      const length = folder.files.get(table)!.length;
      for (const at of [length - 1, length - 20, length - 40, length - 100, length - 500]) {
        const { plan, read } = await repaired(with_({ [table]: flipped(at) }));
        assert.deepEqual(differing(read, folder.contents), [], `byte ${at}`);
        assert.equal(plan.mayLackRecords, false, `byte ${at}`);
      }
    });
  }

  test('says that keys may come back when a table has lost its range tombstones, and only then', async () => {
    const table = named('table', 1);
    const at = Buffer.from(folder.files.get(table)!).lastIndexOf('nflrange');
    const { plan, read } = await repaired(with_({ [table]: flipped(at + 30) }));
    assert.deepEqual(differing(read, folder.contents), ['open1', 'open3']);
    assert.equal(plan.mayLackRecords, true);
    assert.match(plan.drops.map(({ what }) => what).join('\n'), /the 2 range tombstones of .* may come back/);
  });

  test('says which keys a missing table had', async () => {
    const { plan, read } = await repaired(with_({ [named('table', 1)]: undefined }));
    assert.ok(plan.mayLackRecords);
    assert.equal(read.get('above'), null);
    assert.match(plan.drops[0].what, /keys from above to open4 may be gone/);
  });

  test('writes a damaged or missing CURRENT anew and loses nothing', async () => {
    for (const change of [flipped(3), undefined]) {
      const { plan, read } = await repaired(with_({ CURRENT: change }));
      assert.deepEqual([differing(read, folder.contents), plan.drops, plan.manifest], [[], [], 'found']);
    }
  });

  test('takes a CURRENT that has lost its checksum for damage, and not for one of LevelDB', async () => {
    const { plan, read } = await repaired(
      with_({ CURRENT: (bytes) => Buffer.concat([bytes.subarray(0, 15), Buffer.from('\n')]) }),
    );
    assert.deepEqual(
      plan.damages.map(({ code, file }) => [code, file]),
      [['CORRUPTION', `${DIRECTORY}/CURRENT`]],
    );
    assert.deepEqual(differing(read, folder.contents), []);
  });

  test('makes a manifest of the tables and logs that are there', async () => {
    for (const change of [flipped(70), flipped(250), flipped(0), undefined]) {
      const { plan, read } = await repaired(with_({ [named('manifest')]: change }));
      assert.deepEqual([differing(read, folder.contents), plan.manifest], [[], 'rebuilt']);
      assert.ok(plan.mayLackRecords, 'a table that is missing as well would not be noticed');
    }
  });

  test('rebuilds a folder with damage of every kind', async () => {
    const { plan, read } = await repaired(
      with_({
        CURRENT: undefined,
        [named('manifest')]: flipped(70),
        [named('table', 1)]: flipped(20),
        [named('log')]: flipped(180),
      }),
    );
    assert.equal(plan.manifest, 'rebuilt');
    for (const key of differing(read, folder.contents)) assertWritten(key, read);
  });

  test('merges by version what an interrupted compaction has left beside its output', async () => {
    // Ids say that the copy is the newest table; its versions are the oldest.
    const files = new Map(folder.files);
    files.set('000099.sst', files.get(named('table', 0))!);
    files.delete(named('manifest'));
    const { read } = await repaired(placeFiles(files));
    assert.deepEqual(differing(read, folder.contents), []);
  });

  test('moves orphans aside instead of leaving them to be removed', async () => {
    const files = new Map(folder.files);
    files.set('000099.sst', files.get(named('table', 0))!);
    files.set(named('log'), flipped(180)(files.get(named('log'))!));
    const fs = placeFiles(files);
    await repaired(fs);
    assert.ok(fs.listSync(`${DIRECTORY}/lost`).includes('000099.sst'));
  });

  test('goes on without a log that is missing, which an engine does not', async () => {
    const fs = placeFiles(folder.files);
    // The log of generation 5 is not there, the one behind it is.
    const log = LogWriter.create(fs, DIRECTORY, 6);
    const batch = frames([put('late', 'later', 5000)]);
    log.append(batch, 0, batch.length);
    log.finish(BatchKind.cleanClose);
    const { errors } = await useFolder(placeFiles(filesOf(fs)), []);
    assert.match(
      errors[0].message,
      /there is no 000005\.log though there is 000006\.log: either that file is lost, or/,
    );
    const { plan, read } = await repaired(fs);
    assert.match(plan.drops[0].what, /^000005\.log is missing, with all its writes$/);
    assert.ok(plan.mayLackRecords);
    assert.deepEqual(differing(read, folder.contents), ['late']);
    assert.equal(read.get('late'), Buffer.from(put('late', 'later', 5000).record).toString('hex'));
  });

  test('leaves a folder alone that a newer version wrote, or whose disk fails', async () => {
    const fs = with_({ [named('log')]: flipped(180) });
    const untouched = filesOf(fs);
    fs.onCall = ({ operation, path }) => {
      if (operation === 'read' && path.endsWith('.sst')) throw fileSystemError('EIO', 'read', path);
      return undefined;
    };
    await assert.rejects(repair(fs, true), (error) => error instanceof LsmError && error.code === 'IO_ERROR');
    fs.onCall = undefined;
    assert.deepEqual(filesOf(fs), untouched);
  });

  test('refuses a folder that is open', async () => {
    const fs = with_({ [named('log')]: flipped(180) });
    using _lock = fs.lockSync(`${DIRECTORY}/LOCK`);
    for (const apply of [false, true]) {
      await assert.rejects(
        repair(fs, apply),
        (error) => error instanceof LsmError && error.code === 'LOCKED',
      );
    }
  });

  test('any damage at all: what is read afterwards was written, and the rest is right', async () => {
    const change = fc.record({
      file: fc.nat(100),
      at: fc.nat(100_000),
      length: fc.integer({ min: 0, max: 40 }),
      bytes: fc.uint8Array({ maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const files = new Map(folder.files);
        for (const { file, at, bytes, length } of changes) {
          const name = [...files.keys()][file % files.size];
          const whole = files.get(name)!;
          const start = at % (whole.length + 1);
          files.set(name, Buffer.concat([whole.subarray(0, start), bytes, whole.subarray(start + length)]));
        }
        const { plan, read } = await repaired(placeFiles(files), true);
        const lost = differing(read, folder.contents);
        for (const key of lost) assertWritten(key, read);
        // What may be gone without a word: the end of a log, which may be what an interrupted append left.
        const isLogHit = changes.some(({ file }) =>
          isLog([...folder.files.keys()][file % folder.files.size]),
        );
        const what = `${lost} are lost and nobody was told: ${plan.steps}`;
        assert.ok(lost.length === 0 || plan.mayLackRecords || isLogHit, what);
      }),
      { numRuns: IS_WHOLE ? 1500 : 100 },
    );
  });

  test('a crash at any call of a repair costs nothing that the repair would keep', async () => {
    for (const damage of [
      { [named('log')]: flipped(180), [named('table', 1)]: flipped(20) },
      { [named('manifest')]: flipped(70) },
      { CURRENT: flipped(1) },
    ]) {
      const whole = await repaired(with_(damage));
      for (let at = 0; ; at++) {
        const fs = with_(damage);
        const untouched = filesOf(fs);
        fs.onCall = ({ index }) => {
          if (index - start === at) throw new SimulatedCrash();
          return undefined;
        };
        const start = fs.callCount;
        const isDone = await repair(fs, true).then(
          () => true,
          () => false,
        );
        if (isDone) break;
        for (const [i, survival] of SURVIVALS.entries()) {
          if (!IS_WHOLE && at % SURVIVALS.length !== i) continue;
          const after = fs.crash({ bytes: survival, names: survival, random: seededRandom(at * 10 + i) });
          await repair(after, true);
          assert.deepEqual(verifyFiles(after).damages, [], `call ${at}, ${survival}`);
          assertKept(untouched, after);
          const { errors, read } = await useFolder(after, [...folder.contents.keys()]);
          assert.deepEqual(errors, []);
          for (const { key, record } of read) {
            assert.equal(record, whole.read.get(key), `${key} after a crash at call ${at}, ${survival}`);
          }
        }
      }
    }
  });
});

function isLog(name: string): boolean {
  return parseFileName(name)?.kind === 'log';
}

test('a directory in which no engine was ever is refused and left as it is, with or without apply', async () => {
  const files = (names: readonly string[]): MemoryFileSystem =>
    placeFiles(new Map(names.map((name) => [name, Buffer.from('text')])));
  for (const apply of [false, true]) {
    const others = files(['letter.txt']);
    await assert.rejects(repairFolder(DIRECTORY, { fs: others, apply }), {
      code: 'FOREIGN_DIRECTORY',
      message: /it holds letter\.txt/,
    });
    assert.deepEqual(others.listSync(DIRECTORY), ['letter.txt'], 'not even a lock is made');
    const empty = files([]);
    await assert.rejects(repairFolder(DIRECTORY, { fs: empty, apply }), { code: 'NOT_FOUND' });
    assert.deepEqual(empty.listSync(DIRECTORY), []);
    const nowhere = `${DIRECTORY}/nowhere`;
    await assert.rejects(repairFolder(nowhere, { fs: empty, apply }), {
      code: 'NOT_FOUND',
      message: /there is no directory/,
    });
    assert.equal(empty.existsSync(nowhere), false);
  }
});
