/** How what jobs have written becomes the new version. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TableSet } from '../../../../native-free-lsm/sstable/table-set.ts';
import { VersionCommits } from '../../../../native-free-lsm/store/version-commits.ts';
import { LEVELS, Version, type VersionEdit } from '../../../../native-free-lsm/version/version.ts';
import { table } from '../version/version-support.ts';

const LAST_LEVEL = LEVELS - 1;

test('an edit that does not fit is never in the manifest, and its tables go', async () => {
  const appended: VersionEdit[] = [];
  const removed: string[] = [];
  let version = Version.empty();
  const commits = new VersionCommits(
    {
      remove: async (path) => {
        removed.push(path);
      },
    },
    {
      isInDoubt: false,
      append: async (edit) => {
        appended.push(edit);
      },
    },
    {
      current: new TableSet(1, 1, []),
      get version() {
        return version;
      },
      install: (next) => {
        version = next;
      },
    },
    1,
  );
  await commits.commit({ added: [table(1, LAST_LEVEL, 'b', 'd')], removed: [] }, []);
  const overlapping = table(2, LAST_LEVEL, 'a', 'c');
  const none = new SharedArrayBuffer(0);
  const path = '/db/000002.sst';
  const handle = { metadata: overlapping, path, index: none, filter: none, slots: null, fault: null };
  await assert.rejects(commits.commit({ added: [overlapping], removed: [] }, [handle]), {
    code: 'CORRUPTION',
  });
  assert.deepEqual([appended.length, removed, version.tableCount], [1, [path], 1]);
});
