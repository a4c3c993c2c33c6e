import { NodeFileSystem } from '../../../../../native-free-lsm/index.ts';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  checkMemberDirectory,
  inspectDataDirectory,
  openDataDirectory,
} from '../../../../../src/cli/data/layout.ts';
import { createExclusively } from '../../../../../src/cli/data/exclusive-file.ts';
import { createIdentity } from '../../../../../src/replica/identity.ts';

let parent = '';
let directory = '';

beforeEach(() => {
  parent = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-layout-'));
  directory = path.join(parent, 'deep', 'data');
});

afterEach(() => {
  fs.rmSync(parent, { recursive: true });
});

describe('the data folder of a cluster', () => {
  it('is made once and keeps its cluster id', () => {
    const made = openDataDirectory(directory, 3);
    assert.match(made.clusterId, /^[0-9a-f-]{36}$/);
    assert.equal(made.nodes, 3);
    assert.deepEqual(openDataDirectory(directory, 3), made);
    assert.deepEqual(fs.readdirSync(directory), ['cluster.json']);
  });

  it('is not touched by looking', () => {
    assert.equal(inspectDataDirectory(directory, 3), undefined);
    assert.deepEqual(fs.readdirSync(parent), []);
  });

  it('is made again after a crash that left it half made', () => {
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(path.join(directory, 'cluster.json.0a1b.tmp'), '{"for');
    fs.writeFileSync(path.join(directory, 'cluster.lock'), '');
    assert.equal(inspectDataDirectory(directory, 3), undefined);
    assert.equal(openDataDirectory(directory, 3).nodes, 3);
  });

  it('is for this user alone', { skip: process.platform === 'win32' && 'Windows has no such bits' }, () => {
    openDataDirectory(directory, 3);
    assert.equal(fs.statSync(directory).mode & 0o777, 0o700);
    assert.equal(fs.statSync(path.join(directory, 'cluster.json')).mode & 0o777, 0o600);
  });

  it('is made by one of two that come at once, and the other takes what is there', (t) => {
    // The other one comes between the look and the making.
    const mkdirSync = fs.mkdirSync;
    let other: unknown;
    t.mock.method(fs, 'mkdirSync', ((...args: Parameters<typeof mkdirSync>) => {
      t.mock.restoreAll();
      other = openDataDirectory(directory, 3);
      return mkdirSync(...args);
    }) as typeof mkdirSync);
    const own = openDataDirectory(directory, 3);
    assert.deepEqual(own, other);
    assert.deepEqual(inspectDataDirectory(directory, 3), own);
    assert.deepEqual(fs.readdirSync(directory), ['cluster.json']);
  });

  it('whose description is lost is described again from the identities of its nodes', async () => {
    const { clusterId } = openDataDirectory(directory, 3);
    const file = path.join(directory, 'cluster.json');
    const fields = { nowMs: 0, random: () => 0.5, whole: 'unproven', clockCeiling: 0 } as const;
    for (const nodeId of ['node-1', 'node-3'])
      await createIdentity(new NodeFileSystem(), path.join(directory, nodeId), { clusterId, nodeId, ...fields });
    const content = fs.readFileSync(file, 'utf8');
    fs.rmSync(file);
    assert.throws(() => openDataDirectory(directory, 2), {
      code: 'FOREIGN_DIRECTORY',
      message: /belongs to a cluster of 3 nodes: use --nodes 3/,
    });
    assert.equal(fs.existsSync(file), false);
    const reports: string[] = [];
    const cluster = openDataDirectory(directory, 3, (line) => void reports.push(line));
    assert.deepEqual(cluster, { clusterId, nodes: 3 });
    assert.match(reports.join(), /cluster\.json was missing and is made again/);
    assert.equal(fs.readFileSync(file, 'utf8'), content);

    fs.rmSync(file);
    await createIdentity(new NodeFileSystem(), path.join(directory, 'node-2'), { clusterId: 'other', nodeId: 'node-2', ...fields });
    assert.throws(() => openDataDirectory(directory, 3), {
      code: 'FOREIGN_DIRECTORY',
      message: /belongs to node node-2 of cluster other/,
    });
    assert.equal(fs.existsSync(file), false);
  });

  it('is refused to a cluster of another size, with what to do', () => {
    openDataDirectory(directory, 3);
    assert.throws(() => openDataDirectory(directory, 5), {
      code: 'FOREIGN_DIRECTORY',
      message: /belongs to a cluster of 3 nodes: use --nodes 3 or another folder with --data/,
    });
  });

  it('is refused when it holds something else', () => {
    fs.mkdirSync(path.join(directory, 'node-1'), { recursive: true });
    assert.throws(() => openDataDirectory(directory, 3), {
      code: 'FOREIGN_DIRECTORY',
      message: /no cluster.json/,
    });
    assert.deepEqual(fs.readdirSync(directory), ['node-1']);
  });

  it('is refused when its description is damaged or of another version', () => {
    fs.mkdirSync(directory, { recursive: true });
    const file = path.join(directory, 'cluster.json');
    fs.writeFileSync(file, '{"format": 1, "clus');
    assert.throws(() => inspectDataDirectory(directory, 3), {
      code: 'STORAGE',
      message: /cluster.json cannot be read/,
    });
    for (const content of ['{"format": 2, "clusterId": "x", "nodes": 3}', 'null', '{"format": 1}']) {
      fs.writeFileSync(file, content);
      assert.throws(() => inspectDataDirectory(directory, 3), { code: 'FOREIGN_DIRECTORY' }, content);
    }
  });

  it('is refused when it is or lies below a file', () => {
    fs.writeFileSync(path.join(parent, 'file'), '');
    for (const place of ['file', 'file/data']) {
      const wrong = path.join(parent, place);
      assert.throws(
        () => openDataDirectory(wrong, 3),
        { code: 'STORAGE', message: /cannot be used .* --data/ },
        place,
      );
      assert.throws(() => checkMemberDirectory(wrong), { code: 'STORAGE' }, place);
    }
  });

  it('with data in it may lie on a disk that is mounted read-only; one still to be made may not', (t) => {
    const made = openDataDirectory(directory, 3);
    const error = Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
    t.mock.method(fs, 'accessSync', () => {
      throw error;
    });
    assert.deepEqual(openDataDirectory(directory, 3), made);
    checkMemberDirectory(directory);
    const fresh = path.join(parent, 'fresh');
    assert.throws(() => inspectDataDirectory(fresh, 3), { code: 'STORAGE', message: /read-only/ });
    assert.throws(() => checkMemberDirectory(fresh), { code: 'STORAGE', message: /read-only/ });
    error.code = 'EACCES';
    assert.throws(() => inspectDataDirectory(directory, 3), { code: 'STORAGE' });
  });

  it('is refused when it may not be written', {
    skip: process.getuid?.() === 0 && 'root may write anything',
  }, () => {
    fs.chmodSync(parent, 0o500);
    try {
      assert.throws(() => inspectDataDirectory(directory, 3), {
        code: 'STORAGE',
        message: /permission denied/,
      });
      assert.throws(() => checkMemberDirectory(directory), { code: 'STORAGE', message: /permission denied/ });
    } finally {
      fs.chmodSync(parent, 0o700);
    }
  });
});

describe('a file that is made once', () => {
  it('is made on file systems without links as well, and once there too', (t) => {
    const file = path.join(parent, 'once');
    t.mock.method(fs, 'linkSync', () => {
      throw Object.assign(new Error('EPERM: operation not permitted, link'), {
        code: 'EPERM',
        syscall: 'link',
      });
    });
    assert.equal(createExclusively(file, 'first'), true);
    assert.equal(createExclusively(file, 'second'), false);
    assert.equal(fs.readFileSync(file, 'utf8'), 'first');
    assert.deepEqual(fs.readdirSync(parent), ['once']);
  });
});
