import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { seededRandom } from '../../../../src/clock.ts';
import { QuorateError } from '../../../../src/errors.ts';
import {
  decodeIdentity,
  encodeIdentity,
  type Identity,
  randomIncarnation,
} from '../../../../src/replica/identity-file.ts';
import { exampleNames, formatExample } from '../../../support/format-example.ts';

const FORMAT = new URL('../../../../src/replica/FORMAT.md', import.meta.url);

const IDENTITY: Identity = {
  clusterId: 'demo',
  nodeId: 'node-1',
  incarnation: '0123456789abcdef0123456789abcdef',
  createdMs: 1_700_000_000_000,
  whole: 'whole',
  declaredMs: 0,
  missing: null,
  clockCeiling: Number.MAX_SAFE_INTEGER,
  newestTimestamp: 5,
  history: { progress: 12, starts: [{ id: 77, from: 4 }] },
  remembered: {
    'node-2': { incarnation: 'ffffffffffffffffffffffffffffffff', startId: 5, progress: 3, declaredMs: 9 },
  },
};

const MEMORY = fc.record(
  {
    incarnation: fc.string(),
    startId: fc.integer({ min: 0, max: 0xffff_ffff }),
    progress: fc.maxSafeNat(),
    declaredMs: fc.maxSafeNat(),
  },
  { noNullPrototype: true },
);

function faultOf(bytes: Uint8Array): QuorateError {
  try {
    decodeIdentity(bytes, '/data/IDENTITY');
  } catch (error) {
    assert.ok(error instanceof QuorateError);
    assert.equal(error.code, 'STORAGE');
    return error;
  }
  assert.fail('the damage was not found');
}

test('an identity reads back as it was written', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.constantFrom('whole' as const, 'unproven' as const, 'incomplete' as const),
      fc.option(MEMORY),
      fc.maxSafeNat(),
      fc.dictionary(fc.string({ minLength: 1 }), MEMORY, { noNullPrototype: true }),
      (nodeId, whole, missing, clockCeiling, remembered) => {
        const identity = { ...IDENTITY, nodeId, whole, missing, clockCeiling, remembered };
        assert.deepEqual(decodeIdentity(encodeIdentity(identity), 'IDENTITY'), identity);
      },
    ),
  );
});

test('every flipped bit of every byte is found and placed', () => {
  const written = encodeIdentity(IDENTITY);
  for (let at = 0; at < written.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = Uint8Array.from(written);
      flipped[at] ^= 1 << bit;
      const fault = faultOf(flipped);
      const offset = Number(/^\/data\/IDENTITY is damaged at byte (\d+): /.exec(fault.message)?.[1]);
      assert.ok(offset <= at || offset === 28, `byte ${at} flipped was placed at ${offset}`);
      if (at < 19) assert.equal(offset, at);
    }
  }
});

test('every truncation, and bytes behind the end, are found', () => {
  const written = encodeIdentity(IDENTITY);
  for (let length = 0; length < written.length; length++) faultOf(written.subarray(0, length));
  faultOf(Buffer.concat([written, Buffer.from(' ')]));
});

test('another format version whose checksum agrees is called another release, not damage', () => {
  const body = Buffer.from('{"whatever":true}');
  const checksum = crc32(body, crc32('quorate-identity 12\n')).toString(16).padStart(8, '0');
  const fault = faultOf(Buffer.concat([Buffer.from(`quorate-identity 12 ${checksum}\n`), body]));
  assert.match(fault.message, /format version 12 and this release reads version 2/);
});

test('an incarnation is 128 bits in hexadecimal, and no two are alike', () => {
  const random = seededRandom(7);
  const drawn = new Set<string>();
  for (let i = 0; i < 1000; i++) {
    const incarnation = randomIncarnation(random);
    assert.match(incarnation, /^[0-9a-f]{32}$/);
    drawn.add(incarnation);
  }
  assert.equal(drawn.size, 1000);
  assert.equal(
    randomIncarnation(() => 0),
    '0'.repeat(32),
  );
});

test('the identity drawn in FORMAT.md is read and written as it is drawn', () => {
  const drawn: Identity = {
    clusterId: 'demo',
    nodeId: 'n1',
    incarnation: '0123456789abcdef0123456789abcdef',
    createdMs: 1_800_000_000_000,
    whole: 'whole',
    declaredMs: 0,
    missing: null,
    clockCeiling: 4096,
    newestTimestamp: 3072,
    history: { progress: 40, starts: [{ id: 3_735_928_559, from: 38 }] },
    remembered: {
      n2: { incarnation: 'fedcba9876543210fedcba9876543210', startId: 77, progress: 12, declaredMs: 0 },
    },
  };
  const bytes = formatExample('identity-example', FORMAT);
  const read = decodeIdentity(bytes, 'IDENTITY');
  assert.deepEqual(read, drawn);
  assert.equal(Buffer.from(encodeIdentity(read)).toString(), bytes.toString());
  assert.deepEqual(exampleNames(FORMAT), ['identity-example']);
});

test('FORMAT.md lists every field, in the order in which they are written', () => {
  const listed = Array.from(
    readFileSync(FORMAT, 'utf8').matchAll(/^\| `(\w+)` +\| (?:string|number|object) /gm),
  );
  const fields = decodeIdentity(formatExample('identity-example', FORMAT), 'IDENTITY');
  assert.deepEqual(
    listed.map(([, name]) => name),
    Object.keys(fields),
  );
});

test('a field of a later release is kept', () => {
  const later = { ...IDENTITY, zone: 'a' };
  const read = decodeIdentity(encodeIdentity(later), 'IDENTITY');
  assert.deepEqual({ ...read, clockCeiling: 5 }, { ...later, clockCeiling: 5 });
});
