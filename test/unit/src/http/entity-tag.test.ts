import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_TIMESTAMP } from '../../../../native-free-lsm/index.ts';
import { parseEntityTags, versionTag } from '../../../../src/http/entity-tag.ts';

const WRITER = fc.integer({ min: 0, max: 0xffff_ffff });
const TIMESTAMP = fc.integer({ min: 0, max: MAX_TIMESTAMP });

test('a tag says the version, all of it, in one form', () => {
  assert.equal(versionTag(1, 2), '"00000000000001-00000002"');
  assert.equal(versionTag(MAX_TIMESTAMP, 0xffff_ffff), '"1fffffffffffff-ffffffff"');
  fc.assert(
    fc.property(TIMESTAMP, WRITER, (timestamp, writer) => {
      const tag = versionTag(timestamp, writer);
      assert.deepEqual(parseEntityTags(tag, false), [{ timestamp, writer }]);
    }),
  );
});

test('lists are read as RFC 9110 writes them', () => {
  const a = { timestamp: 5, writer: 1 };
  const b = { timestamp: 6, writer: 1 };
  const [tagA, tagB] = [versionTag(5, 1), versionTag(6, 1)];
  for (const list of [`${tagA}, ${tagB}`, `${tagA},${tagB}`, ` , ${tagA}\t,, ${tagB} ,`])
    assert.deepEqual(parseEntityTags(list, false), [a, b], list);
  assert.deepEqual(parseEntityTags(`"other", ${tagA}, ""`, false), [a]);
  assert.deepEqual(parseEntityTags('"a,b"', true), []);
  assert.equal(parseEntityTags('*', false), 'any');
  assert.equal(parseEntityTags(' * ', true), 'any');
});

test('a weak tag names a version where tags are compared weakly, and else none', () => {
  const tag = versionTag(5, 1);
  assert.deepEqual(parseEntityTags(`W/${tag}`, true), [{ timestamp: 5, writer: 1 }]);
  assert.deepEqual(parseEntityTags(`W/${tag}`, false), []);
});

test('a tag that is nearly ours names no version', () => {
  for (const tag of [
    '"5-1"',
    '"00000000000005-0000001"',
    '"0000000000000A-00000001"',
    '"f0000000000005-00000001"',
  ])
    assert.deepEqual(parseEntityTags(tag, true), [], tag);
});

test('what is no list of tags is a fault', () => {
  const tag = versionTag(5, 1);
  const inner = tag.slice(1, -1);
  for (const header of [
    '',
    ' ',
    ',',
    inner,
    `'${inner}'`,
    `"${inner}`,
    `${inner}"`,
    `${tag} ${tag}`,
    `${tag};${tag}`,
    `*, ${tag}`,
    `${tag}, *`,
    '**',
    `w/${tag}`,
    `W/ ${tag}`,
    'W/',
    '"with space"',
    `W/W/${tag}`,
  ])
    assert.equal(parseEntityTags(header, true), null, header);
});

test('any header at all is read or refused', () => {
  const piece = fc.constantFrom('"', 'W/', ',', ' ', '*', versionTag(5, 1), 'é', '\u007f', '\\');
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string())), (pieces) => {
      const read = parseEntityTags(pieces.join(''), true);
      assert.ok(read === null || read === 'any' || Array.isArray(read));
    }),
  );
});
