/** What `verify` finds that no checksum does: files that are whole and do not go together, and faulty writers. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { checksum } from '../../../../native-free-lsm/format/checksum.ts';
import { writeUint32 } from '../../../../native-free-lsm/format/integers.ts';
import { encodeRecord } from '../../../../native-free-lsm/index.ts';
import { dumpEntries, dumpFile } from '../../../../native-free-lsm/offline/dump.ts';
import { lockForReading } from '../../../../native-free-lsm/offline/folder.ts';
import { countLive, statFolder } from '../../../../native-free-lsm/offline/stat.ts';
import { surveyTable } from '../../../../native-free-lsm/offline/table-survey.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import type { TableMetadata } from '../../../../native-free-lsm/sstable/table-metadata.ts';
import { TableWriter } from '../../../../native-free-lsm/sstable/table-writer.ts';
import { Manifest } from '../../../../native-free-lsm/version/manifest.ts';
import { Version } from '../../../../native-free-lsm/version/version.ts';
import {
  DIRECTORY,
  filesOf,
  placeFiles,
  runToEnd,
  type SampleFolder,
  sampleFolder,
  tombstonesOf,
  verifyFiles,
} from '../../../support/damaged-folder.ts';
import { isInSlotVersions } from '../../../support/slot-versions.ts';
import { OPTIONS } from '../sstable/table-support.ts';

/** A folder whose tables are these, by level; each entry `key@timestamp`. */
async function folderOf(
  levels: Readonly<Record<number, readonly (readonly string[])[]>>,
): Promise<MemoryFileSystem> {
  const fs = new MemoryFileSystem();
  fs.makeDirectorySync(DIRECTORY);
  const added: TableMetadata[] = [];
  for (const [level, tables] of Object.entries(levels)) {
    for (const entries of tables) {
      using writer = new TableWriter(fs, DIRECTORY, added.length + 1, OPTIONS);
      for (const entry of entries) {
        const [key, timestamp] = entry.split('@');
        const fields = { timestamp: Number(timestamp), writer: 1, tombstone: false, from: 3, expiryMs: 0 };
        const record = encodeRecord(fields, Buffer.from(`value of ${key}`));
        writer.add(Buffer.from(key), 0, key.length, record, 0, record.length);
      }
      added.push(writer.finish(Number(level)));
    }
  }
  const state = {
    version: Version.empty().apply({ added, removed: [] }),
    oldestGeneration: 1,
    nextFileId: added.length + 1,
    begunGeneration: 0,
  };
  await Manifest.create(fs, DIRECTORY, state).close();
  return fs;
}

function messages(fs: MemoryFileSystem): string[] {
  return verifyFiles(fs).damages.map(({ message }) => message);
}

describe('verify', () => {
  test('an older version above a newer one is found, in any layer', async () => {
    const right = await folderOf({
      0: [['b@3'], ['b@4', 'c@4']],
      1: [['a@1', 'b@2'], ['c@2']],
      2: [['a@1', 'b@1']],
    });
    assert.deepEqual(messages(right), []);
    for (const [levels, upper, lower] of [
      [{ 0: [['b@4'], ['b@3']] }, 'table 2', 'table 1'],
      [{ 0: [['b@3']], 1: [['a@1', 'b@5']] }, 'table 1', 'level 1'],
      [{ 1: [['a@1'], ['b@5']], 2: [['b@6']] }, 'level 1', 'level 2'],
    ] as const) {
      const found = messages(await folderOf(levels));
      assert.deepEqual(found.length, 1, `${found}`);
      assert.ok(
        found[0].includes(`${upper} has an older version of the key 62 (hexadecimal) than ${lower}`),
        found[0],
      );
    }
  });

  test('a table in the place of another is found', async () => {
    const fs = await folderOf({
      1: [
        ['a@1', 'b@2'],
        ['c@2', 'd@3'],
      ],
    });
    fs.place(`${DIRECTORY}/000001.sst`, fs.contents(`${DIRECTORY}/000002.sst`));
    assert.match(messages(fs).join('\n'), /000001\.sst is damaged .* another table than the manifest lists/);
  });

  test('keys out of order, outside of their index or filter, and wrong sums are found under right checksums', async () => {
    const keys = ['aa@1', 'ab@2', 'ac@3', 'ba@4', 'bb@5', 'bc@6'];
    const path = `${DIRECTORY}/000001.sst`;
    const cases: readonly (readonly [edit: (block: Buffer) => void, sentence: RegExp])[] = [
      [
        (block) => block.write('a', block.indexOf('bb') + 1),
        /entry 4: its key is not above the one before it/,
      ],
      [(block) => block.write('z', block.indexOf('aa')), /entry 0: its key is not where the index has it/],
      [(block) => block.write('0', block.indexOf('aa') + 1), /entry 0: its key is not in the filter/],
      [(block) => block.writeUInt8(9, block.indexOf('aa') + 2), /entry 0: record format 9 is unknown/],
      [
        (block) => block.writeUInt8(77, block.indexOf('aa') + 6),
        /its property .*Timestamp is not what its entries add up to/,
      ],
      [
        (block) => block.writeUInt32LE(1, block.length - 8),
        /entry 4: it shares 0 bytes of its key where 1 are the same/,
      ],
    ];
    for (const [edit, sentence] of cases) {
      const fs = await folderOf({ 1: [keys] });
      const bytes = Buffer.from(fs.contents(path));
      const { index } = surveyTable(fs, path);
      const blockEnd = index!.diskBytes(0);
      edit(bytes.subarray(0, blockEnd));
      writeUint32(bytes, blockEnd + 1, checksum(bytes, 0, blockEnd + 1));
      fs.place(path, bytes);
      const found = messages(fs);
      assert.equal(found.length, 1, `${sentence}: ${found}`);
      assert.match(found[0], sentence);
      assert.match(found[0], /^\/db\/000001\.sst is damaged at byte \d+: /);
    }
  });

  test('slot versions that are not those of the entries', async () => {
    const path = `${DIRECTORY}/000001.sst`;
    const fs = await folderOf({ 1: [['a@1', 'b@2', 'c@300']] });
    const bytes = Buffer.from(fs.contents(path));
    const { layout, slotVersions } = surveyTable(fs, path);
    const { block } = slotVersions!;
    // Of the last row, the low byte of its timestamp; then all that is checked by a checksum above it is set right.
    const row = block.offset + block.lengthBytes - 2;
    bytes[row] ^= 1;
    fs.place(path, bytes);
    assert.match(messages(fs)[0], /part 4 of the table does not match its checksum/);
    const end = block.offset + block.lengthBytes;
    const directory = layout!.metaBlocks.findIndex(({ type }) => type === block.type);
    const directoryStart = layout!.fileSizeBytes - 32 - layout!.metaBlocks.length * 16;
    writeUint32(bytes, directoryStart + directory * 16 + 12, checksum(bytes, block.offset, end));
    writeUint32(bytes, bytes.length - 20, checksum(bytes, directoryStart, bytes.length - 32));
    writeUint32(bytes, bytes.length - 12, checksum(bytes, bytes.length - 32, bytes.length - 12));
    fs.place(path, bytes);
    const found = messages(fs);
    assert.equal(found.length, 1, `${found}`);
    assert.match(found[0], /its slot versions are not those of its entries$/);
  });

  test('what is left over and what is torn is no damage', async () => {
    const fs = await folderOf({ 1: [['a@1']] });
    fs.place(`${DIRECTORY}/000009.sst`, fs.contents(`${DIRECTORY}/000001.sst`));
    fs.place(`${DIRECTORY}/000010.sst.tmp`, new Uint8Array(3));
    fs.place(`${DIRECTORY}/notes.txt`, new Uint8Array(3));
    fs.place(`${DIRECTORY}/000001.log`, new Uint8Array(5));
    const { damages, notes } = verifyFiles(fs);
    assert.deepEqual(damages, []);
    assert.match(
      notes.join('\n'),
      /notes\.txt.*000010\.sst\.tmp.*9.*torn tail|torn tail.*notes\.txt.*000010\.sst\.tmp.*: 9/s,
    );
  });

  test('a repair that did not finish is damage, to an engine as well', async () => {
    const fs = await folderOf({ 1: [['a@1']] });
    fs.place(`${DIRECTORY}/REPAIRING`, new Uint8Array(0));
    assert.match(messages(fs)[0], /REPAIRING is damaged at byte 0: a repair did not finish: run it again/);
  });
});

describe('stat and dump', () => {
  let folder: SampleFolder;
  before(async () => {
    folder = await sampleFolder(true);
  });

  test('tell what is there', () => {
    const fs = placeFiles(folder.files);
    const { levels, logs, orphans, total } = statFolder(fs, DIRECTORY);
    assert.deepEqual(
      levels.map(({ level, tables }) => [level, tables]),
      [
        [0, 1],
        [6, 1],
      ],
    );
    assert.deepEqual(
      logs.map(({ puts, isClean, tornBytes }) => [puts, isClean, tornBytes]),
      [[5, true, 0]],
    );
    assert.deepEqual([orphans, total.tables], [[], 2]);
    assert.equal(total.entries, levels[0].entries + levels[1].entries);
    const live = runToEnd(countLive(fs, DIRECTORY, 0));
    assert.equal(live.entries, folder.contents.size - tombstonesOf(folder.contents));
    const dumped = [...dumpEntries(fs, DIRECTORY, {}, 0)];
    assert.equal(dumped.length, live.entries);
    const keys = dumped.map(({ key }) => Buffer.from(key).toString());
    assert.deepEqual(keys, keys.toSorted());
    assert.equal(
      dumped.reduce((sum, { key, value }) => sum + key.length + value.length, 0),
      live.sizeBytes,
    );
    const some = [
      ...dumpEntries(fs, DIRECTORY, { start: Buffer.from('key2'), end: Buffer.from('key25') }, 0),
    ];
    assert.deepEqual(
      some.map(({ key }) => Buffer.from(key).toString()),
      keys.filter((key) => key >= 'key2' && key < 'key25'),
    );
    const later = runToEnd(countLive(fs, DIRECTORY, Number.MAX_SAFE_INTEGER));
    assert.ok(later.entries < live.entries, 'some expire');
    assert.equal(fs.openDescriptors, 0);
  });

  test('of a damaged folder entries are shown only as far as a read would give them', () => {
    for (const [name, whole] of folder.files) {
      for (let at = 0; at < whole.length; at += 5) {
        const fs = placeFiles(
          new Map([...folder.files, [name, whole.map((byte, i) => (i === at ? byte ^ 4 : byte))]]),
        );
        const isDamaged = verifyFiles(fs).damages.length > 0;
        const read = (): void => {
          for (const { key, value } of dumpEntries(fs, DIRECTORY, {}, 0)) {
            const record = Buffer.from(folder.contents.get(Buffer.from(key).toString())!, 'hex');
            assert.ok(
              record.subarray(-value.length || record.length).equals(value),
              `${name}, byte ${at}: ${key}`,
            );
          }
        };
        // Nobody who reads entries reads these.
        if (isDamaged && !isInSlotVersions(folder.files, name, at))
          assert.throws(read, { name: 'LsmError' }, `${name}, byte ${at}`);
        else read();
        assert.equal(fs.openDescriptors, 0);
      }
    }
  });

  test('every file can be dumped however it is damaged, and no descriptor is left open', () => {
    for (const [name, whole] of folder.files) {
      const isWhole = [...dumpFile(placeFiles(folder.files), DIRECTORY, name, {})].every(
        ({ type }) => type !== 'damage',
      );
      assert.ok(isWhole, name);
      for (let at = 0; at < whole.length; at += 3) {
        const bytes = Uint8Array.from(whole);
        bytes[at] ^= 0xff;
        const fs = placeFiles(new Map([[name, bytes]]));
        const items = [...dumpFile(fs, DIRECTORY, name, {})];
        const isTold = items.some(({ type }) => type === 'damage' || type === 'torn');
        assert.ok(isTold, `${name}, byte ${at}`);
        assert.equal(fs.openDescriptors, 0, `${name}, byte ${at}`);
      }
    }
  });

  test('a folder is locked only where an engine has been, and nothing is made in it', () => {
    const fs = placeFiles(folder.files);
    const untouched = filesOf(fs);
    {
      using _held = lockForReading(fs, DIRECTORY);
    }
    assert.ok(!fs.existsSync(`${DIRECTORY}/LOCK`));
    fs.place(`${DIRECTORY}/LOCK`, new Uint8Array(0));
    using _open = lockForReading(fs, DIRECTORY);
    assert.throws(() => lockForReading(fs, DIRECTORY), { code: 'LOCKED' });
    assert.deepEqual(filesOf(fs), untouched);
  });
});
