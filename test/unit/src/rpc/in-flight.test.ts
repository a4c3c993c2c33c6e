import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type InFlight, InFlightTable } from '../../../../src/rpc/in-flight.ts';
import { ReplyBook } from '../../../support/rpc-nodes.ts';

const sink = new ReplyBook();

function positions(requests: readonly InFlight[]): number[] {
  return requests.map(({ position }) => position).sort();
}

describe('in-flight table', () => {
  it('gives each request out once', () => {
    const table = new InFlightTable();
    const id = table.add(sink, 1, 100, false, true);
    const request = table.find(id);
    assert.ok(request !== undefined);
    assert.deepEqual(
      { ...request },
      { id, sink, position: 1, deadlineMs: 100, isLarge: false, wantsRecord: true },
    );
    table.free(request);
    assert.equal(table.find(id), undefined);
    assert.equal(table.count, 0);
  });

  it('takes out expired requests and leaves the rest', () => {
    const table = new InFlightTable();
    for (let i = 1; i <= 4; i++) table.add(sink, i, i * 10, false, false);
    assert.deepEqual(table.takeExpired(9), []);
    assert.deepEqual(positions(table.takeExpired(20)), [1, 2]);
    assert.equal(table.count, 2);
    assert.deepEqual(positions(table.takeAll()), [3, 4]);
  });

  it('finds nobody for the late answer to a request that has expired', () => {
    const table = new InFlightTable();
    const late = table.add(sink, 1, 10, false, false);
    table.takeExpired(10);
    for (let i = 0; i < 100; i++) {
      const id = table.add(sink, i, 20, false, false);
      assert.equal(table.find(late), undefined);
      table.free(table.find(id) as InFlight);
    }
  });
});
