import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accepts } from '../../../../src/http/accept.ts';

const TYPE = 'application/x-msgpack';

test('a type that is named is accepted, in any place and with any weight but 0', () => {
  for (const header of [
    TYPE,
    'Application/X-MsgPack',
    `text/plain, ${TYPE}`,
    `text/plain;q=0, ${TYPE};q=0.1 , */*`,
    `${TYPE};q=0.001`,
    `${TYPE};version=0;q=1`,
    `${TYPE};q=0,${TYPE}`,
  ])
    assert.equal(accepts(header, TYPE), true, header);
});

test('a type that is not named, or has a weight of 0, is not', () => {
  for (const header of [
    '',
    '*/*',
    'application/x-msgpack2',
    `${TYPE};q=0`,
    `${TYPE}; q=0.0`,
    `${TYPE};Q = 0.000`,
    `text/plain, ${TYPE};charset=x;q=0`,
  ])
    assert.equal(accepts(header, TYPE), false, header);
});
