import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { writeFrameLength } from '../../../../src/rpc/codec.ts';
import { type FrameSink, FrameSplitter } from '../../../../src/rpc/frame-splitter.ts';

const LIMIT = 1_000;

class Kept implements FrameSink {
  isClosed = false;
  readonly messages: Buffer[] = [];
  readonly memory: ArrayBufferLike[] = [];
  closesAfter = Number.POSITIVE_INFINITY;
  usesLater = true;

  onFrame(bytes: Buffer, start: number, end: number): boolean {
    this.messages.push(Buffer.from(bytes.subarray(start, end)));
    this.memory.push(bytes.buffer);
    this.isClosed = this.messages.length >= this.closesAfter;
    return this.usesLater;
  }
}

function framed(messages: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    messages.flatMap((message) => {
      const length = Buffer.alloc(4);
      writeFrameLength(length, 0, message.length);
      return [length, message];
    }),
  );
}

const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 12 });

describe('frame splitter', () => {
  it('gives the same frames however the stream is cut', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, cuts) => {
        const sink = new Kept();
        const splitter = new FrameSplitter(sink, LIMIT);
        const stream = framed(sent);
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = Math.min(at + cuts[i % cuts.length], stream.length);
          splitter.push(Buffer.from(stream.subarray(at, end)));
          at = end;
        }
        assert.deepEqual(
          sink.messages.map((message) => [...message]),
          sent.map((message) => [...message]),
        );
      }),
    );
  });

  it('puts frames of one size together in one memory where nobody uses it later, and only there', () => {
    for (const usesLater of [false, true]) {
      const sink = new Kept();
      sink.usesLater = usesLater;
      const splitter = new FrameSplitter(sink, LIMIT);
      const sent = [50, 50, 40, 50].map((length, i) => Buffer.alloc(length, i + 1));
      for (const message of sent) {
        const frame = framed([message]);
        splitter.push(Buffer.from(frame.subarray(0, 20)));
        splitter.push(Buffer.from(frame.subarray(20)));
      }
      assert.deepEqual(sink.messages, sent);
      assert.equal(new Set(sink.memory).size, usesLater ? 4 : 3);
      assert.equal(sink.memory[0] === sink.memory[1], !usesLater);
    }
  });

  it('waits for more at every truncation', () => {
    const message = Uint8Array.of(1, 2, 3, 4, 5);
    const stream = framed([message]);
    for (let cut = 0; cut < stream.length; cut++) {
      const sink = new Kept();
      const splitter = new FrameSplitter(sink, LIMIT);
      splitter.push(Buffer.from(stream.subarray(0, cut)));
      assert.equal(sink.messages.length, 0);
      splitter.push(Buffer.from(stream.subarray(cut)));
      assert.deepEqual([...sink.messages[0]], [...message]);
    }
  });

  it('hands out frames in place, and spanning ones in memory of their exact size', () => {
    const sink = new Kept();
    const splitter = new FrameSplitter(sink, LIMIT);
    const stream = framed([Buffer.alloc(20, 1), Buffer.alloc(30, 2)]);
    const first = Buffer.from(stream.subarray(0, 40));
    splitter.push(first);
    splitter.push(Buffer.from(stream.subarray(40)));
    assert.equal(sink.memory[0], first.buffer);
    assert.equal(sink.memory[1].byteLength, 30);
  });

  it('refuses lengths that no frame has, before it takes any of the frame', () => {
    for (const length of [0, LIMIT + 1, 0xffff_ffff]) {
      const header = Buffer.alloc(4);
      writeFrameLength(header, 0, length);
      assert.throws(() => new FrameSplitter(new Kept(), LIMIT).push(header), { code: 'PROTOCOL' });
    }
  });

  it('takes a new limit from the next frame on', () => {
    const sink = new Kept();
    const splitter = new FrameSplitter(sink, 10);
    splitter.push(framed([Buffer.alloc(10)]));
    splitter.setMaxFrameBytes(20);
    splitter.push(framed([Buffer.alloc(20)]));
    assert.equal(sink.messages.length, 2);
  });

  it('stops once nobody wants more', () => {
    const sink = new Kept();
    sink.closesAfter = 2;
    new FrameSplitter(sink, LIMIT).push(framed([Buffer.of(1), Buffer.of(2), Buffer.of(3)]));
    assert.equal(sink.messages.length, 2);
  });
});
