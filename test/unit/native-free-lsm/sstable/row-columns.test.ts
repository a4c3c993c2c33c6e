import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RowColumns } from '../../../../native-free-lsm/sstable/row-columns.ts';

test("columns of two tables that are written at once serve for the next two, and are nobody else's meanwhile", () => {
  const first = [RowColumns.take(), RowColumns.take()];
  assert.notEqual(first[0], first[1]);
  first[0].growHashes();
  for (const columns of first) columns.release();
  const next = [RowColumns.take(), RowColumns.take()];
  assert.ok(first.every((columns) => next.includes(columns)));
  assert.ok(!first.includes(RowColumns.take()));
});
