import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback } from '../../../../src/cluster/address.ts';

test('loopback is what only this machine can reach', () => {
  const loopback = [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    'localhost',
    'LocalHost',
  ];
  for (const host of loopback) assert.equal(isLoopback(host), true, host);
  const others = [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '::ffff:10.0.0.1',
    '127.0.0.1.evil.example',
    'n1',
    'localhost.evil.example',
    '',
  ];
  for (const host of others) assert.equal(isLoopback(host), false, host);
});
