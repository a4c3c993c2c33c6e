import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { pack, unpack } from 'msgpackr/pack';
import {
  CREATOR,
  decodeProperties,
  differingProperty,
  encodeProperties,
} from '../../../../native-free-lsm/sstable/properties.ts';
import { assertDamage } from './table-support.ts';

const FILE = '/db/000001.sst';
const PROPERTIES = {
  entries: 3,
  tombstones: 1,
  rawSizeBytes: 0x1_2345_6789,
  smallestKey: Uint8Array.from([]),
  largestKey: Uint8Array.from([0x7a, 0xff]),
  smallestTimestamp: 0,
  largestTimestamp: Number.MAX_SAFE_INTEGER,
  smallestExpiryMs: 1_700_000_000_000,
};

test('properties come back, with keys in memory of their own', () => {
  const bytes = Buffer.concat([encodeProperties(PROPERTIES)]);
  const decoded = decodeProperties(bytes, FILE, 0);
  assert.deepEqual(decoded, PROPERTIES);
  assert.equal(decoded.largestKey.buffer.byteLength, 2);
  assert.deepEqual(structuredClone(decoded), PROPERTIES);
});

test('they are a plain map and name their writer', () => {
  const map = unpack(encodeProperties(PROPERTIES));
  assert.equal(map.creator, CREATOR);
  assert.deepEqual(Object.keys(map).sort(), [...Object.keys(PROPERTIES), 'creator'].sort());
  const manifest = new URL('../../../../native-free-lsm/package.json', import.meta.url);
  const { name, version } = JSON.parse(readFileSync(manifest, 'utf8'));
  assert.equal(CREATOR, `${name} ${version}`);
});

test('properties to come are skipped', () => {
  const bytes = pack({ ...unpack(encodeProperties(PROPERTIES)), colour: 'green' });
  assert.deepEqual(decodeProperties(bytes, FILE, 0), PROPERTIES);
});

test('properties that cannot be are damage', () => {
  const map = unpack(encodeProperties(PROPERTIES));
  const { largestKey: _, ...incomplete } = map;
  for (const wrong of [
    null,
    7,
    [],
    {},
    incomplete,
    { ...map, entries: -1 },
    { ...map, entries: 1.5 },
    { ...map, rawSizeBytes: '7' },
    { ...map, largestTimestamp: 2 ** 53 },
    { ...map, smallestKey: 'text' },
  ]) {
    assert.equal(assertDamage(() => decodeProperties(pack(wrong), FILE, 77), FILE, 100).offset, 77);
  }
  const bytes = encodeProperties(PROPERTIES);
  for (let length = 0; length < bytes.length; length++) {
    assertDamage(() => decodeProperties(bytes.slice(0, length), FILE, 77), FILE, 100);
  }
});

test('the property in which two tables differ is named', () => {
  assert.equal(differingProperty(PROPERTIES, { ...PROPERTIES }), undefined);
  for (const name of Object.keys(PROPERTIES) as (keyof typeof PROPERTIES)[]) {
    const value = typeof PROPERTIES[name] === 'number' ? 5 : Uint8Array.of(9);
    assert.equal(differingProperty(PROPERTIES, { ...PROPERTIES, [name]: value }), name);
  }
});

test('to pack and unpack properties changes the shape of no Uint8Array', () => {
  const bytes = encodeProperties(PROPERTIES);
  assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype);
  decodeProperties(bytes, FILE, 0);
  assert.deepEqual(
    Reflect.ownKeys(bytes).filter((name) => Number.isNaN(Number(name))),
    [],
  );
});
