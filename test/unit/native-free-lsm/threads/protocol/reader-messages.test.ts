import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AnswerStatus,
  answerBytes,
  BLOCK_LOAD_BYTES,
  BlockLoadRequest,
  continuedReadBytes,
  decodeAnswer,
  decodeBlockLoad,
  decodePageRequest,
  decodeRead,
  encodeAnswer,
  encodeBlockLoad,
  encodeContinuedRead,
  encodePageAnswer,
  encodePageRequest,
  encodeRead,
  encodeWake,
  PointedPageRequest,
  pageEntriesStart,
  pageRequestBytes,
  ReaderAnswer,
  ReaderRequestKind,
  ReadRequest,
  readBytes,
  readerRequestKind,
  WAKE_BYTES,
} from '../../../../../native-free-lsm/threads/protocol/reader-messages.ts';

const uint32 = fc.nat({ max: 0xffff_ffff });
const key = fc.uint8Array({ maxLength: 300 });
const AT = 8;
const BEHIND = 4;

/** Memory of a message at AT, in which a byte that was forgotten, or written outside of it, shows. */
function memoryFor(messageBytes: number): Buffer {
  return Buffer.alloc(AT + messageBytes + BEHIND, 0xaa);
}

function assertNothingOutside(memory: Buffer): void {
  assert.deepEqual(memory.subarray(0, AT), Buffer.alloc(AT, 0xaa));
  assert.deepEqual(memory.subarray(-BEHIND), Buffer.alloc(BEHIND, 0xaa));
}

// One object for all: nothing of an earlier message may be left in it.
const readRequest = new ReadRequest();
const pageRequest = new PointedPageRequest();
const answer = new ReaderAnswer();

test('a read comes through', () => {
  fc.assert(
    fc.property(uint32, uint32, key, (superVersionId, hash, key) => {
      const memory = memoryFor(readBytes(key.length));
      encodeRead(memory, AT, superVersionId, hash, key);
      assertNothingOutside(memory);
      assert.equal(readerRequestKind(memory, AT), ReaderRequestKind.read);
      decodeRead(memory, AT, readRequest);
      const { keyStart, keyEnd, isContinued } = readRequest;
      assert.equal(isContinued, false);
      assert.equal(readRequest.superVersionId, superVersionId);
      assert.equal(readRequest.hash, hash);
      assert.deepEqual(new Uint8Array(memory.subarray(keyStart, keyEnd)), key);
    }),
  );
});

test('a continued read comes through', () => {
  const cacheStart = fc.oneof(fc.constant(-1), fc.nat({ max: 0xffff_fffe }));
  const fields = fc.record({
    superVersionId: uint32,
    hash: uint32,
    level: uint32,
    index: uint32,
    ordinal: uint32,
    cacheStart,
  });
  fc.assert(
    fc.property(fields, key, (fields, key) => {
      const { superVersionId, hash, level, index, ordinal, cacheStart } = fields;
      const memory = memoryFor(continuedReadBytes(key.length));
      encodeContinuedRead(memory, AT, superVersionId, hash, level, index, ordinal, cacheStart, key);
      assertNothingOutside(memory);
      assert.equal(readerRequestKind(memory, AT), ReaderRequestKind.continuedRead);
      decodeRead(memory, AT, readRequest);
      const { keyStart, keyEnd, ...decoded } = readRequest;
      assert.deepEqual(decoded, { ...fields, isContinued: true });
      assert.deepEqual(new Uint8Array(memory.subarray(keyStart, keyEnd)), key);
    }),
  );
});

test('a request for a page comes through', () => {
  const point = fc.record({ superVersionId: uint32, generation: uint32, limit: uint32 });
  const request = fc.record({
    start: key,
    end: fc.oneof(fc.constant(null), key),
    maxBytes: uint32,
    maxEntries: uint32,
    includeTombstones: fc.boolean(),
    encoder: fc.nat({ max: 0xffff }),
    nowMs: fc.maxSafeNat(),
    reverse: fc.boolean(),
    keysOnly: fc.boolean(),
    skipsDamage: fc.boolean(),
    limit: uint32,
  });
  fc.assert(
    fc.property(point, request, (point, request) => {
      const memory = memoryFor(pageRequestBytes(request));
      encodePageRequest(memory, AT, point, request);
      assertNothingOutside(memory);
      assert.equal(readerRequestKind(memory, AT), ReaderRequestKind.page);
      decodePageRequest(memory, AT, pageRequest);
      const { startStart, startEnd, endStart, endEnd, hasEnd, ...decoded } = pageRequest;
      const { start, end, ...plain } = request;
      const { limit: memtableLimit, ...rest } = point;
      assert.deepEqual(decoded, { ...rest, memtableLimit, ...plain });
      assert.deepEqual(new Uint8Array(memory.subarray(startStart, startEnd)), start);
      const decodedEnd = hasEnd ? new Uint8Array(memory.subarray(endStart, endEnd)) : null;
      assert.deepEqual(decodedEnd, end);
    }),
  );
});

test('keys of the greatest length come through', () => {
  const longest = new Uint8Array(0xffff).fill(7);
  const memory = memoryFor(continuedReadBytes(longest.length));
  encodeContinuedRead(memory, AT, 1, 2, 3, 4, 5, -1, longest);
  decodeRead(memory, AT, readRequest);
  assert.equal(readRequest.keyEnd - readRequest.keyStart, 0xffff);
});

test('a block load comes through', () => {
  const load = new BlockLoadRequest();
  fc.assert(
    fc.property(
      uint32,
      uint32,
      uint32,
      uint32,
      uint32,
      (superVersionId, level, index, ordinal, cacheStart) => {
        const memory = memoryFor(BLOCK_LOAD_BYTES);
        encodeBlockLoad(memory, AT, superVersionId, level, index, ordinal, cacheStart);
        assertNothingOutside(memory);
        assert.equal(readerRequestKind(memory, AT), ReaderRequestKind.blockLoad);
        decodeBlockLoad(memory, AT, load);
        assert.deepEqual({ ...load }, { superVersionId, level, index, ordinal, cacheStart });
      },
    ),
  );
});

test('a wake is a wake', () => {
  const memory = memoryFor(WAKE_BYTES);
  encodeWake(memory, AT);
  assertNothingOutside(memory);
  assert.equal(readerRequestKind(memory, AT), ReaderRequestKind.wake);
});

test('the answer to a read, or a failure, comes through', () => {
  const status = fc.constantFrom(...Object.values(AnswerStatus));
  const body = fc.uint8Array({ maxLength: 600 });
  fc.assert(
    fc.property(status, fc.boolean(), body, fc.nat(20), (status, isCached, body, start) => {
      const from = Math.min(start, body.length);
      const bytes = answerBytes(body.length - from);
      const memory = memoryFor(bytes);
      encodeAnswer(memory, AT, status, isCached, body, from, body.length);
      assertNothingOutside(memory);
      decodeAnswer(memory, AT, AT + bytes, answer);
      assert.equal(answer.status, status);
      assert.equal(answer.isCached, isCached);
      const decoded = memory.subarray(answer.bodyStart, answer.bodyEnd);
      assert.deepEqual(new Uint8Array(decoded), body.subarray(from));
    }),
  );
});

test('a page comes through, around entries that are there already', () => {
  fc.assert(
    fc.property(key, key, fc.boolean(), (entries, resumeAt, hasMore) => {
      const resume = hasMore ? resumeAt : new Uint8Array(0);
      const memory = memoryFor(answerBytes(entries.length + resume.length));
      const start = pageEntriesStart(AT);
      memory.set(entries, start);
      const end = encodePageAnswer(memory, AT, start + entries.length, hasMore, resumeAt, 0, resumeAt.length);
      assertNothingOutside(memory);
      assert.equal(end, memory.length - BEHIND);
      decodeAnswer(memory, AT, end, answer);
      assert.equal(answer.status, AnswerStatus.found);
      assert.equal(answer.hasMore, hasMore);
      const { bodyStart, bodyEnd, resumeEnd } = answer;
      assert.deepEqual(new Uint8Array(memory.subarray(bodyStart, bodyEnd)), entries);
      assert.deepEqual(new Uint8Array(memory.subarray(bodyEnd, resumeEnd)), resume);
    }),
  );
});
