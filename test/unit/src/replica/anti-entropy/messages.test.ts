import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QuorateError } from '../../../../../src/errors.ts';
import {
  decodeFetchResult,
  decodePart,
  decodeRecords,
  decodeRequest,
  encodeFetchResult,
  encodePart,
  encodeRecords,
  encodeRequest,
  RoundMessage,
  type RoundRequest,
} from '../../../../../src/replica/anti-entropy/messages.ts';
import { decodeTold, encodeTold } from '../../../../../src/replica/anti-entropy/told-ranges.ts';

const scope = { leader: 'n1', first: 8_192, last: 16_383, skipped: ['n3'] };
const point = { round: 2 ** 47 + 1, timestamp: 2 ** 52 + 3 };
const wanted = [
  { slot: 65_535, fingerprint: 2 ** 48 - 1 },
  { slot: 0, fingerprint: 0 },
];
const requests: RoundRequest[] = [
  { kind: RoundMessage.close, ...scope, ...point },
  { kind: RoundMessage.compare, ...scope, root: Uint32Array.of(1, 0xffff_ffff) },
  { kind: RoundMessage.leaves, ...scope, groups: Uint16Array.of(32, 33) },
  {
    kind: RoundMessage.versions,
    round: 7,
    maxBytes: 5_000,
    ranges: [{ slot: 9_000, depth: 3, prefix: 0x010203, purgeableTo: 2 ** 52 }],
  },
  { kind: RoundMessage.records, maxBytes: 1, wanted },
  { kind: RoundMessage.fetch, leader: 'n1', wanted },
  { kind: RoundMessage.bar, ...scope, ...point, excluded: Uint16Array.of(8_193) },
  { kind: RoundMessage.settle, ...scope, ...point, excluded: new Uint16Array(0) },
  { kind: RoundMessage.start, first: 0, last: 65_535 },
  { kind: RoundMessage.progress, repair: 3 },
];

test('each request comes back as it was', () => {
  assert.deepEqual(
    new Set(requests.map(({ kind }) => kind)),
    new Set(Object.values(RoundMessage)),
    'all kinds are tried',
  );
  for (const request of requests) assert.deepEqual(decodeRequest(encodeRequest(request)), request);
});

test('each answer comes back as it was', () => {
  const entry = {
    fingerprint: 2 ** 48 - 2,
    timestamp: 2 ** 53 - 1,
    writer: 0xffff_ffff,
    from: 65_535,
    flags: 3,
  };
  const told = [
    { settled: 17, entries: [entry, { ...entry, fingerprint: 1 }], folds: null },
    { settled: 0, entries: null, folds: Uint32Array.from({ length: 512 }, (_, index) => index * 0x100_0001) },
    { settled: 1, entries: [], folds: null },
  ] as const;
  assert.deepEqual(decodeTold(encodeTold(told)), told);
  const records = [{ key: Buffer.from('key'), record: Buffer.from('record') }];
  assert.deepEqual(decodeRecords(encodeRecords(records, wanted)), { records, left: wanted });
  const result = { stored: 1, bytes: 2, failed: 3, dead: wanted, left: [], waitMs: 82_000 };
  assert.deepEqual(decodeFetchResult(encodeFetchResult(result)), result);
  const part = { repair: 1, stretches: 8, left: 2, obstacle: 'node n3 is away' };
  assert.deepEqual(decodePart(encodePart(part)), part);
});

test('whatever else comes is refused', () => {
  const isRefused = (bytes: Uint8Array): boolean => {
    try {
      decodeRequest(bytes);
      return false;
    } catch (error) {
      return error instanceof QuorateError && error.code === 'PROTOCOL';
    }
  };
  assert.ok(isRefused(new Uint8Array(0)));
  assert.ok(isRefused(Uint8Array.of(0xc1)));
  assert.ok(isRefused(Uint8Array.of(0x91, 99)));
  for (const request of requests) {
    const bytes = encodeRequest(request);
    // One element fewer, and one more.
    assert.ok(isRefused(Buffer.concat([Uint8Array.of(bytes[0] - 1), bytes.subarray(1)])), `${request.kind}`);
    assert.ok(isRefused(Buffer.concat([Uint8Array.of(bytes[0] + 1), bytes.subarray(1), Uint8Array.of(0)])));
    for (let length = 0; length < bytes.length; length++) assert.ok(isRefused(bytes.subarray(0, length)));
  }
});
