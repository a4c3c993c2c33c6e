import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  BulkTable,
  DEFAULT_OPTIONS,
  encodeRecord,
  NodeFileSystem,
  RecordStore,
} from '../../../../../native-free-lsm/index.ts';
import {
  engineDirectory,
  FillFolders,
  inspectFolders,
  type NodeFolder,
} from '../../../../../src/cli/fill/folders.ts';
import { FILL_TIMESTAMP } from '../../../../../src/cli/fill/tables.ts';
import { inspectFolder } from '../../../../../src/replica/identity.ts';
import { beginWholeness, hearGreeting } from '../../../../../src/replica/wholeness.ts';
import { HASH_SEED } from '../../../../support/hash-flood.ts';

const CLUSTER = 'shop';
let parent = '';
let folders: NodeFolder[] = [];

beforeEach(() => {
  parent = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-fill-'));
  folders = ['a', 'b'].map((nodeId) => ({ nodeId, directory: path.join(parent, 'data', nodeId) }));
});

afterEach(() => {
  fs.rmSync(parent, { recursive: true });
});

/** Every file below the parent, with its bytes. */
function everything(): Record<string, string> {
  const names = fs.readdirSync(parent, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => fs.statSync(path.join(parent, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, fs.readFileSync(path.join(parent, name), 'latin1')]));
}

function writeTable(id: number, name: string) {
  using table = new BulkTable(
    new NodeFileSystem(),
    folders.map(engineDirectory),
    id,
    DEFAULT_OPTIONS,
    HASH_SEED,
  );
  const fields = { timestamp: FILL_TIMESTAMP, writer: 0, tombstone: false, from: 2, expiryMs: 0 };
  const record = encodeRecord(fields, Buffer.from('value'));
  const key = Buffer.from(name);
  table.add(key, 0, key.length, record, 0, record.length);
  return table.finish();
}

async function fill(): Promise<void> {
  using filled = await FillFolders.begin(folders);
  const tables = [writeTable(1, 'key1')];
  await filled.finish(CLUSTER, [tables, tables]);
}

const stateOf = ({ nodeId, directory }: NodeFolder) =>
  inspectFolder(new NodeFileSystem(), directory, { clusterId: CLUSTER, nodeId });

describe('the folders of a fill', () => {
  it('are whole nodes at the end', async () => {
    await fill();
    for (const folder of folders) {
      const identity = await stateOf(folder);
      assert.deepEqual(
        [identity?.nodeId, identity?.whole, identity?.clockCeiling],
        [folder.nodeId, 'whole', FILL_TIMESTAMP + 1],
      );
      assert.deepEqual(fs.readdirSync(folder.directory).sort(), ['IDENTITY', 'engine']);
    }
    assert.ok((await stateOf(folders[0]))!.declaredMs > 0, 'someone vouches for it');
    assert.notEqual((await stateOf(folders[0]))?.incarnation, (await stateOf(folders[1]))?.incarnation);
  });

  it('know of each other, so that one is missed that is emptied before the nodes have met', async () => {
    await fill();
    const [a, b] = folders.map((folder) => stateOf(folder)!);
    const { incarnation, declaredMs } = b;
    assert.deepEqual(a.remembered, { b: { incarnation, startId: 0, progress: 0, declaredMs } });
    const missing = a.remembered.b;
    const emptied = beginWholeness({
      ...b,
      incarnation: 'another',
      clusterSize: 2,
      whole: 'unproven',
      declaredMs: 0,
      remembered: {},
    });
    const told = { ...a, nodeId: 'a', remembered: missing };
    assert.equal(hearGreeting(emptied, told, 1).whole, 'incomplete');
    assert.equal(hearGreeting(beginWholeness({ ...b, clusterSize: 2 }), told, 1).whole, 'whole');
  });

  it('share no file', async () => {
    await fill();
    const [a, b] = folders.map((folder) => fs.statSync(path.join(engineDirectory(folder), '000001.sst')));
    assert.notEqual(a.ino, b.ino);
    assert.deepEqual([a.nlink, b.nlink], [1, 1]);
  });

  it('are refused once they hold data, and nothing is touched', async () => {
    await fill();
    fs.rmSync(folders[0].directory, { recursive: true });
    const before = everything();
    assert.throws(() => inspectFolders(folders), {
      code: 'FOREIGN_DIRECTORY',
      message: /holds data already/,
    });
    await assert.rejects(FillFolders.begin(folders), { code: 'FOREIGN_DIRECTORY' });
    assert.deepEqual(everything(), before);
  });

  it('are unfinished until the end, and started over then', async () => {
    {
      using _begun = await FillFolders.begin(folders);
      writeTable(7, 'left over');
    }
    for (const folder of folders) assert.throws(() => stateOf(folder), { code: 'UNFINISHED_FILL' });
    assert.ok(inspectFolders(folders) > 0);
    await fill();
    for (const folder of folders) {
      assert.equal(stateOf(folder)?.whole, 'whole');
      assert.deepEqual(
        fs.readdirSync(engineDirectory(folder)).filter((name) => name.endsWith('.sst')),
        ['000001.sst'],
      );
    }
  });

  it('are refused while another fill has one of them, and nothing is touched', async () => {
    using _other = await FillFolders.begin([folders[1]]);
    const before = everything();
    await assert.rejects(FillFolders.begin(folders), {
      code: 'STORAGE',
      message: /is in use by another process/,
    });
    assert.deepEqual(everything(), before);
  });

  it('are refused while an engine is open in one of them, and nothing is touched', async () => {
    const store = RecordStore.open(engineDirectory(folders[1]));
    fs.writeFileSync(path.join(folders[1].directory, 'FILLING'), '');
    const before = everything();
    await assert.rejects(FillFolders.begin(folders), {
      code: 'STORAGE',
      message: /is in use by another process/,
    });
    assert.deepEqual(everything(), before);
    await store.close();
  });

  it('that cannot be made are named with the reason', async () => {
    fs.writeFileSync(path.join(parent, 'data'), '');
    await assert.rejects(FillFolders.begin(folders), { code: 'STORAGE', message: /cannot be used/ });
  });
});
