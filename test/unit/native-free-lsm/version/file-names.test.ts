import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logFileName } from '../../../../native-free-lsm/log/log-format.ts';
import { tableFileName, temporaryTableFileName } from '../../../../native-free-lsm/sstable/table-metadata.ts';
import { manifestFileName, parseFileName } from '../../../../native-free-lsm/version/file-names.ts';

test('every name is known again, small and large numbers alike', () => {
  for (const number of [0, 1, 42, 999_999, 1_000_000, 4_294_967_295]) {
    assert.deepEqual(parseFileName(tableFileName(number)), { kind: 'table', number });
    assert.deepEqual(parseFileName(temporaryTableFileName(number)), { kind: 'temporary', number });
    assert.deepEqual(parseFileName(logFileName(number)), { kind: 'log', number });
    assert.deepEqual(parseFileName(manifestFileName(number)), { kind: 'manifest', number });
  }
  assert.deepEqual(parseFileName('LOCK'), { kind: 'lock', number: 0 });
  assert.deepEqual(parseFileName('CURRENT'), { kind: 'current', number: 0 });
  assert.deepEqual(parseFileName('CURRENT.tmp'), { kind: 'temporary', number: 0 });
});

test('other names are foreign', () => {
  const names = [
    '',
    '7.log',
    '0000007.log',
    '000007.LOG',
    '000007',
    '000007.sst.bak',
    'x000007.log',
    'MANIFEST-1',
    'notes.txt',
    '-00001.sst',
    'constructor',
  ];
  for (const name of names) assert.equal(parseFileName(name), undefined, name);
});
