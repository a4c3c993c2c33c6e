import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  formatTable,
  statusConditions,
  statusRefusals,
  statusRows,
} from '../../../../../src/cli/client/status-table.ts';

const status = {
  node: { id: 'node-1', state: 'serving', version: '1.0.0' },
  engine: {
    estimatedKeys: 1_048_576,
    liveBytes: 2 ** 30,
    diskBytes: 600 * 2 ** 20,
    tablesByLevel: [2, 10, 64, 0, 0, 0, 0],
    memtables: 1,
    memtableBytes: 3 * 2 ** 20,
    cacheHits: 900,
    cacheMisses: 100,
    tableReadsByThread: { main: 0, writer: 3, 'reader-1': 1234 },
  },
  antiEntropy: { lastFullRoundAgeMs: 420_000 },
  hints: { keys: 1_234, bytes: 20_000 },
  conflicts: { acknowledged: 2_345 },
  eventLoopDelay: { p50Ms: 0.1, p99Ms: 2, p999Ms: 7.25, maxMs: 11 },
};

describe('the table of nodes', () => {
  it('shows a row for each node', () => {
    const [, row] = statusRows([{ id: 'node-1', http: 'http://127.0.0.1:1', status }]);
    assert.deepEqual(row, [
      'node-1',
      'http://127.0.0.1:1',
      'serving',
      '1,048,576',
      '1GiB',
      '600MiB',
      '2/10/64',
      '1 (3MiB)',
      '90.0 %',
      'main 0, writer 3, reader-1 1,234',
      '1,234',
      '2,345',
      '7 min ago',
      '7.3 ms',
    ]);
  });

  it('is followed by what keeps nodes from doing all they should', () => {
    const full = { code: 'NO_SPACE', message: 'the disk is full', sinceMs: 1, stopsWrites: true };
    const reports = [
      { id: 'a', http: 'h', status },
      { id: 'b', http: 'h', status: { node: { conditions: [full, { ...full, code: 'CLOCK_OFF' }] } } },
      { id: 'c', http: 'h', error: 'away' },
    ];
    assert.deepEqual(statusConditions(reports), [
      'b  NO_SPACE  the disk is full',
      'b  CLOCK_OFF  the disk is full',
    ]);
  });

  it('is followed by the nodes that refuse each other, and why', () => {
    const peers = [
      { id: 'b', state: 'up', lastError: null },
      { id: 'c', state: 'refused', lastError: 'another secret' },
      { id: 'd', state: 'down', lastError: 'gone' },
    ];
    const reports = [
      { id: 'a', http: 'h', status: { peers } },
      { id: 'c', http: 'h', status: {} },
    ];
    assert.deepEqual(statusRefusals(reports), ['a  REFUSED  c: another secret']);
  });

  it('shows what a node did not say as unknown', () => {
    const [, row] = statusRows([{ id: 'a', http: 'h', status: {} }]);
    assert.deepEqual(row, ['a', 'h', '-', '-', '-', '-', '-', '- (-)', '-', '-', '-', '-', '-', '-']);
    const [, empty] = statusRows([
      { id: 'a', http: 'h', status: { engine: { tablesByLevel: [0, 0], cacheHits: 0, cacheMisses: 0 } } },
    ]);
    assert.equal(empty[6], '0');
    assert.equal(empty[8], '-');
  });

  it('shows unreachable nodes as rows', () => {
    const rows = statusRows([
      { id: 'node-1', http: 'http://a', status },
      { id: 'node-2', http: 'http://b', error: 'nothing listens at http://b' },
    ]);
    assert.deepEqual(rows[2], ['node-2', 'http://b', 'unreachable: nothing listens at http://b']);
  });

  it('aligns columns, and lets the last cell of a row run on', () => {
    const text = formatTable([
      ['id', 'state', 'keys'],
      ['node-1', 'up', '1'],
      ['n', 'unreachable: for a reason that takes long to tell'],
    ]);
    assert.equal(
      text,
      'id      state  keys\nnode-1  up     1\nn       unreachable: for a reason that takes long to tell',
    );
  });
});
