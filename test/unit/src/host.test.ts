import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostFromHere, isAnyAddress, isLoopback } from '../../../src/host.ts';

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

test('what listens on all addresses is reached from here by loopback, of the version it listens for', () => {
  for (const host of ['0.0.0.0', '::ffff:0.0.0.0', '::ffff:0:0'])
    assert.deepEqual([hostFromHere(host), isAnyAddress(host)], ['127.0.0.1', true], host);
  for (const host of ['::', '0:0::0'])
    assert.deepEqual([hostFromHere(host), isAnyAddress(host)], ['::1', true], host);
  for (const host of ['127.0.0.1', '10.0.0.1', '::1', 'fe80::1', 'n1', '0.0.0.0.example', ''])
    assert.deepEqual([hostFromHere(host), isAnyAddress(host)], [host, false], host);
});
