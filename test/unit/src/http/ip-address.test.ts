import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressBytes, clientOf } from '../../../../src/http/ip-address.ts';

test('addresses are read as sockets tell them', () => {
  const cases: [string, string | null][] = [
    ['127.0.0.1', '7f000001'],
    ['255.1.20.0', 'ff011400'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['fe80::1:2%eth0', 'fe800000000000000000000000010002'],
    ['2001:db8:1:2:3:4:5:6', '20010db8000100020003000400050006'],
    ['2001:db8::', '20010db8000000000000000000000000'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
    ['', null],
    ['1.2.3', null],
    ['1.2.3.256', null],
    ['1:2:3', null],
    ['1::2::3', null],
    ['1:2:3:4:5:6:7:8:9', null],
    ['::12345', null],
    ['::g', null],
    ['localhost', null],
  ];
  for (const [text, hex] of cases) assert.equal(addressBytes(text)?.toHex() ?? null, hex, text);
});

test('a client is a host of IPv4 or a network of IPv6, however it comes', () => {
  assert.equal(clientOf('::ffff:10.0.0.1'), clientOf('10.0.0.1'));
  assert.notEqual(clientOf('10.0.0.2'), clientOf('10.0.0.1'));
  assert.equal(clientOf('2001:db8:0:1::1'), clientOf('2001:db8:0:1:ffff::2'));
  assert.notEqual(clientOf('2001:db8:0:1::1'), clientOf('2001:db8:0:2::1'));
  assert.equal(clientOf(undefined), '');
});
