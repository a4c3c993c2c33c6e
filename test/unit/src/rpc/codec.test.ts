import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { QuorateError } from '../../../../src/errors.ts';
import { MAX_FAILURE_CODE } from '../../../../src/failure.ts';
import { ReplyKind } from '../../../../src/reply.ts';
import {
  CANCEL_FRAME_BYTES,
  encodeCancel,
  encodeFailedResponse,
  encodeFragmentHead,
  encodeKeyRequest,
  encodePlainRequest,
  encodeReason,
  encodeRefusal,
  encodeResponse,
  encodeWriteRequest,
  FRAME_LENGTH_BYTES,
  failedResponseFrameBytes,
  fragmentFrameBytes,
  keyRequestBytes,
  PING_FRAME,
  PLAIN_REQUEST_FRAME_BYTES,
  PONG_FRAME,
  readFrameLength,
  responseBytes,
  writeRequestBytes,
} from '../../../../src/rpc/codec.ts';
import { Message } from '../../../../src/rpc/message.ts';
import { MessageDecoder } from '../../../../src/rpc/message-decoder.ts';
import { CLOCK, READ, READ_VERSION, REPAIR_WRITE, WRITE } from '../../../../src/rpc/operation-table.ts';
import { MessageKind } from '../../../../src/rpc/operations.ts';

const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });
const packr = new Packr({ useRecords: false });

const id = fc.integer({ min: 0, max: 0xffff_ffff });
const key = fc.uint8Array({ maxLength: 300 });
const record = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(0, 255, 256, 65_000, 70_000).map((length) => Buffer.alloc(length, 7)),
);
const timeoutMs = fc.integer({ min: 0, max: 0xffff_ffff });

/** One frame by hand and the array it stands for. */
interface Sample {
  readonly frame: Buffer;
  readonly array: unknown[];
}

function frameOf(bytes: number, encode: (target: Buffer, at: number) => number): Buffer {
  // Written behind other bytes, as in a batch.
  const target = Buffer.alloc(bytes + 7, 0xee);
  assert.equal(encode(target, 5), bytes + 5);
  assert.deepEqual([...target.subarray(bytes + 5)], [0xee, 0xee]);
  return Buffer.from(target.subarray(5, bytes + 5));
}

const keyRequest: fc.Arbitrary<Sample> = fc
  .tuple(id, fc.constantFrom(READ.number, READ_VERSION.number), timeoutMs, key)
  .map(([i, operation, t, k]) => ({
    frame: frameOf(FRAME_LENGTH_BYTES + keyRequestBytes(k.length), (target, at) =>
      encodeKeyRequest(target, at, i, operation, t, k),
    ),
    array: [MessageKind.request, i, operation, t, Buffer.from(k)],
  }));

const plainRequest: fc.Arbitrary<Sample> = fc.tuple(id, timeoutMs).map(([i, t]) => ({
  frame: frameOf(PLAIN_REQUEST_FRAME_BYTES, (target, at) =>
    encodePlainRequest(target, at, i, CLOCK.number, t),
  ),
  array: [MessageKind.request, i, CLOCK.number, t],
}));

const writeRequest: fc.Arbitrary<Sample> = fc
  .tuple(id, fc.constantFrom(WRITE.number, REPAIR_WRITE.number), timeoutMs, key, record)
  .map(([i, operation, t, k, r]) => ({
    frame: frameOf(FRAME_LENGTH_BYTES + writeRequestBytes(k.length, r.length), (target, at) =>
      encodeWriteRequest(target, at, i, operation, t, k, r),
    ),
    array: [MessageKind.request, i, operation, t, Buffer.from(k), Buffer.from(r)],
  }));

const response: fc.Arbitrary<Sample> = fc
  .tuple(
    id,
    fc.oneof(
      fc.tuple(fc.constantFrom(ReplyKind.ok, ReplyKind.incomplete), fc.option(record)),
      fc.tuple(fc.constant(ReplyKind.stale), record),
      fc.tuple(fc.constant(ReplyKind.absent), fc.constant(null)),
    ),
  )
  .map(([i, [kind, r]]) => ({
    frame: frameOf(FRAME_LENGTH_BYTES + responseBytes(r), (target, at) =>
      encodeResponse(target, at, i, kind, r),
    ),
    array: [MessageKind.response, i, kind, r === null ? null : Buffer.from(r)],
  }));

const code = fc.integer({ min: 1, max: MAX_FAILURE_CODE });

const failedResponse: fc.Arbitrary<Sample> = fc
  .tuple(id, code, fc.string({ maxLength: 200 }))
  .map(([i, c, text]) => {
    const reason = encodeReason(text);
    return {
      frame: frameOf(failedResponseFrameBytes(reason), (target, at) =>
        encodeFailedResponse(target, at, i, c, reason),
      ),
      array: [MessageKind.response, i, ReplyKind.failed, [c, reason.toString()]],
    };
  });

const cancel: fc.Arbitrary<Sample> = id.map((i) => ({
  frame: frameOf(CANCEL_FRAME_BYTES, (target, at) => encodeCancel(target, at, i)),
  array: [MessageKind.cancel, i],
}));

const fragment: fc.Arbitrary<Sample> = fc
  .tuple(id, fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.nat(10_000), fc.nat(10_000))
  .map(([i, payload, offset, rest]) => {
    const total = offset + payload.length + rest;
    return {
      frame: frameOf(fragmentFrameBytes(payload.length), (target, at) => {
        const next = encodeFragmentHead(target, at, i, total, offset, payload.length);
        target.set(payload, next);
        return next + payload.length;
      }),
      array: [MessageKind.fragment, i, total, offset, Buffer.from(payload)],
    };
  });

const fixed: fc.Arbitrary<Sample> = fc.constantFrom(
  { frame: Buffer.from(PING_FRAME), array: [MessageKind.ping] },
  { frame: Buffer.from(PONG_FRAME), array: [MessageKind.pong] },
  { frame: encodeRefusal('differs'), array: [MessageKind.refuse, 'differs'] },
);

const sample = fc.oneof(
  keyRequest,
  plainRequest,
  writeRequest,
  response,
  failedResponse,
  cancel,
  fragment,
  fixed,
);

function decode(bytes: Buffer): Message {
  const message = new Message();
  new MessageDecoder().decode(bytes, 0, bytes.length, message);
  return message;
}

/** What a decoded message says, as the array it came from. */
function arrayOf(message: Message): unknown[] {
  switch (message.kind) {
    case MessageKind.request: {
      const head: unknown[] = [message.kind, message.id, message.operation, message.timeoutMs];
      if (message.operation === CLOCK.number) return head;
      head.push(message.key());
      return message.bodyStart < 0 ? head : [...head, message.body()];
    }
    case MessageKind.response: {
      const record = message.bodyStart < 0 ? null : message.body();
      const last = message.replyKind === ReplyKind.failed ? [message.code, message.reason] : record;
      return [message.kind, message.id, message.replyKind, last];
    }
    case MessageKind.fragment:
      return [message.kind, message.id, message.total, message.offset, message.body()];
    case MessageKind.cancel:
      return [message.kind, message.id];
    case MessageKind.refuse:
      return [message.kind, message.reason];
    default:
      return [message.kind];
  }
}

function decodesOrFaults(bytes: Buffer): void {
  try {
    decode(bytes);
  } catch (error) {
    assert.ok(error instanceof QuorateError && error.code === 'PROTOCOL', String(error));
  }
}

describe('codec', () => {
  it('writes frames that msgpackr reads', () => {
    fc.assert(
      fc.property(sample, ({ frame, array }) => {
        assert.equal(readFrameLength(frame, 0), frame.length - FRAME_LENGTH_BYTES);
        assert.deepEqual(unpackr.unpack(frame.subarray(FRAME_LENGTH_BYTES)), array);
      }),
    );
  });

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(sample, ({ frame, array }) => {
        assert.deepEqual(arrayOf(decode(frame.subarray(FRAME_LENGTH_BYTES))), array);
      }),
    );
  });

  it('reads what msgpackr writes', () => {
    fc.assert(
      fc.property(sample, ({ array }) => {
        assert.deepEqual(arrayOf(decode(packr.pack(array))), array);
      }),
    );
  });

  it('gives PROTOCOL for every message cut short', () => {
    fc.assert(
      fc.property(sample, fc.nat(), ({ frame }, seed) => {
        const message = frame.subarray(FRAME_LENGTH_BYTES);
        const cut = message.subarray(0, seed % message.length);
        assert.throws(() => decode(cut), { code: 'PROTOCOL' });
      }),
    );
  });

  it('gives PROTOCOL for bytes behind a message', () => {
    fc.assert(
      fc.property(sample, ({ frame }) => {
        const longer = Buffer.concat([frame.subarray(FRAME_LENGTH_BYTES), Buffer.of(0)]);
        assert.throws(() => decode(longer), { code: 'PROTOCOL' });
      }),
    );
  });

  it('gives PROTOCOL and nothing else for random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => decodesOrFaults(Buffer.from(bytes))),
      { numRuns: 5_000 },
    );
  });

  it('gives PROTOCOL and nothing else for flipped bits', () => {
    fc.assert(
      fc.property(sample, fc.nat(), fc.nat(7), ({ frame }, where, bit) => {
        const message = Buffer.from(frame.subarray(FRAME_LENGTH_BYTES));
        message[where % Math.min(message.length, 64)] ^= 1 << bit;
        decodesOrFaults(message);
      }),
      { numRuns: 3_000 },
    );
  });

  it('gives PROTOCOL and nothing else for well-formed arrays of other things', () => {
    const odd = fc.array(fc.oneof(fc.nat(12), fc.string(), fc.uint8Array(), fc.constant(null), fc.boolean()));
    fc.assert(
      fc.property(odd, (array) => decodesOrFaults(packr.pack(array))),
      { numRuns: 2_000 },
    );
  });

  it('keeps a request of an unknown operation, whatever its arguments', () => {
    const message = decode(packr.pack([MessageKind.request, 9, 77, 500, { any: ['thing'] }, 3.5]));
    assert.equal(message.operation, 77);
    assert.equal(message.id, 9);
  });

  it('takes a failure code that has no name here, and none that can be none', () => {
    const response = (failure: unknown): Buffer =>
      packr.pack([MessageKind.response, 1, ReplyKind.failed, failure]);
    const { code, reason } = decode(response([MAX_FAILURE_CODE, 'of a newer build']));
    assert.deepEqual([code, reason], [MAX_FAILURE_CODE, 'of a newer build']);
    for (const failure of [[0, 'why'], [MAX_FAILURE_CODE + 1, 'why'], [1], [1, 'why', 2], 'why', null]) {
      assert.throws(() => decode(response(failure)), { code: 'PROTOCOL' }, JSON.stringify(failure));
    }
  });

  it('refuses fragments that lie outside their message', () => {
    const payload = Buffer.alloc(10);
    assert.throws(() => decode(packr.pack([MessageKind.fragment, 1, 100, 91, payload])), {
      code: 'PROTOCOL',
    });
    assert.throws(() => decode(packr.pack([MessageKind.fragment, 1, 100, 0, Buffer.alloc(0)])), {
      code: 'PROTOCOL',
    });
  });

  it('cuts a reason that is too long', () => {
    assert.equal(encodeReason('x'.repeat(5_000)).length, 1_024);
  });

  it('lets go of the bytes it decoded', () => {
    const decoder = new MessageDecoder();
    const message = new Message();
    decoder.decode(Buffer.from(PING_FRAME.subarray(FRAME_LENGTH_BYTES)), 0, 2, message);
    decoder.clear(message);
    assert.equal(message.bytes.length, 0);
  });
});
