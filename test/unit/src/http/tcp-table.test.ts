import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IPV4_KEY_WIDTH, IPV6_KEY_WIDTH, TcpTableReader, tableKey } from '../../../../src/http/tcp-table.ts';

const IPV4_TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4B22 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1109264 1 0 100 0 0 10 0
   1: 0100007F:4B22 0100007F:D3A4 01 003E4600:00000010 00:00000000 00000000     0        0 1109265 1 0 100 0 0 10 0
12345: 0100007F:4B22 0A00000A:0001 01 00000000:00000000 00:00000000 00000000     0        0 1109266 1 0 100 0 0 10 0
`;
const IPV6_TABLE = `  sl  local_address                         remote_address                        st tx_queue rx_queue
   7: 0000000000000000FFFF00000100007F:4B22 0000000000000000FFFF00000100007F:D3A4 01 00000100:00000000 00:00000000
`;

test('connections are found by their ends, with what is not acknowledged, in whatever pieces the table comes', () => {
  const busy = tableKey('127.0.0.1', 0x4b22, '127.0.0.1', 0xd3a4, true) ?? '';
  const quiet = tableKey('127.0.0.1', 0x4b22, '10.0.0.10', 1, true) ?? '';
  assert.equal(busy, '0100007F:4B22 0100007F:D3A4');
  assert.equal(busy.length, IPV4_KEY_WIDTH);
  for (const pieceLength of [1, 7, 100, 10_000]) {
    const table = new TcpTableReader(new Set([busy, quiet]), IPV4_KEY_WIDTH);
    for (let i = 0; i < IPV4_TABLE.length; i += pieceLength) {
      assert.equal(table.hasAll, false);
      table.add(IPV4_TABLE.slice(i, i + pieceLength));
    }
    assert.ok(table.hasAll);
    assert.deepEqual(
      [...table.found],
      [
        [busy, 0x3e4600],
        [quiet, 0],
      ],
    );
  }
});

test('addresses of IPv6, and of IPv4 within it, are words in the byte order of the machine', () => {
  const mapped = tableKey('::ffff:127.0.0.1', 0x4b22, '::ffff:127.0.0.1', 0xd3a4, true) ?? '';
  assert.equal(mapped.length, IPV6_KEY_WIDTH);
  const table = new TcpTableReader(new Set([mapped]), IPV6_KEY_WIDTH);
  table.add(IPV6_TABLE);
  assert.deepEqual([...table.found], [[mapped, 0x100]]);
  assert.equal(tableKey('127.0.0.1', 1, '10.0.0.10', 2, false), '7F000001:0001 0A00000A:0002');
  assert.equal(tableKey('', 0, '', 0, true), null);
});
