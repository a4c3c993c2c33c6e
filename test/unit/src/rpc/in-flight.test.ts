import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InFlightTable } from '../../../../src/rpc/in-flight.ts';
import { ReplyBook } from '../../../support/rpc-nodes.ts';

describe('in-flight table', () => {
  it('gives each entry out once', () => {
    const table = new InFlightTable();
    const sink = new ReplyBook();
    table.add(5, sink, 1, 100, false, true);
    const entry = table.take(5);
    assert.equal(entry?.position, 1);
    assert.equal(table.take(5), undefined);
    assert.equal(table.count, 0);
  });

  it('takes out what has expired and leaves the rest', () => {
    const table = new InFlightTable();
    const sink = new ReplyBook();
    for (let id = 1; id <= 4; id++) table.add(id, sink, id, id * 10, false, false);
    assert.equal(table.takeExpired(9), null);
    assert.deepEqual(
      table.takeExpired(20)?.map((entry) => entry.id),
      [1, 2],
    );
    assert.equal(table.count, 2);
    assert.deepEqual(
      table.takeAll().map((entry) => entry.id),
      [3, 4],
    );
  });

  it('uses entries again', () => {
    const table = new InFlightTable();
    const sink = new ReplyBook();
    table.add(1, sink, 1, 10, true, true);
    const entry = table.take(1);
    assert.ok(entry !== undefined);
    table.free(entry);
    table.add(2, sink, 7, 20, false, false);
    const again = table.take(2);
    assert.equal(again, entry);
    assert.deepEqual(
      { ...again },
      { id: 2, sink, position: 7, deadlineMs: 20, isLarge: false, wantsRecord: false },
    );
  });
});
