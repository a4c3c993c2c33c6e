import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FRAME_LENGTH_BYTES, readFrameLength } from '../../../../src/rpc/codec.ts';
import { Dropped, type LargeMessage } from '../../../../src/rpc/lane.ts';
import { Message } from '../../../../src/rpc/message.ts';
import { MessageDecoder } from '../../../../src/rpc/message-decoder.ts';
import { Outbox } from '../../../../src/rpc/outbox.ts';
import type { ByteStream } from '../../../../src/rpc/transport.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

const FRAME = Buffer.from([0, 0, 0, 2, 0x91, 8]);

class KeptStream implements ByteStream {
  readonly remoteAddress = 'there';
  readonly reusesChunks = false;
  readonly writes: Buffer[] = [];
  takes = true;
  hasEnded = false;

  start(): void {}

  write(bytes: Uint8Array): boolean {
    this.writes.push(Buffer.from(bytes));
    return this.takes;
  }

  pause(): void {}
  resume(): void {}
  end(): void {
    this.hasEnded = true;
  }
  destroy(): void {}
  reset(): void {}
}

function setUp(): { clock: FakeClock; stream: KeptStream; outbox: Outbox } {
  const clock = new FakeClock();
  const stream = new KeptStream();
  return { clock, stream, outbox: new Outbox(stream, clock) };
}

function large(id: number, bodyBytes: number): LargeMessage {
  const body = Buffer.alloc(bodyBytes);
  for (let i = 0; i < bodyBytes; i++) body[i] = i * 7 + id;
  return { id, head: Buffer.from([id, id, id]), body };
}

/** Kinds of frames in the order sent, and the payloads of fragments put together by id. */
function read(stream: KeptStream): { kinds: number[]; payloads: Map<number, Buffer> } {
  const bytes = Buffer.concat(stream.writes);
  const decoder = new MessageDecoder();
  const message = new Message();
  const kinds: number[] = [];
  const payloads = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const start = at + FRAME_LENGTH_BYTES;
    at = start + readFrameLength(bytes, at);
    decoder.decode(bytes, start, at, message);
    kinds.push(message.kind);
    if (message.kind !== 7) continue;
    const before = payloads.get(message.id) ?? Buffer.alloc(0);
    assert.equal(message.offset, before.length);
    payloads.set(message.id, Buffer.concat([before, message.body()]));
  }
  return { kinds, payloads };
}

describe('outbox', () => {
  it('sends what a turn gathered in one write', () => {
    const { clock, stream, outbox } = setUp();
    for (let i = 0; i < 10_000; i++) outbox.append(outbox.foreground, FRAME);
    assert.equal(stream.writes.length, 0);
    assert.equal(outbox.queuedBytes, 60_000);
    clock.flush();
    assert.equal(stream.writes.length, 1);
    assert.equal(stream.writes[0].length, 60_000);
    assert.equal(outbox.queuedBytes, 0);
  });

  it('writes nothing while the stream has not taken a write, and then all that gathered', () => {
    const { clock, stream, outbox } = setUp();
    stream.takes = false;
    outbox.append(outbox.foreground, FRAME);
    clock.flush();
    outbox.append(outbox.foreground, FRAME);
    outbox.append(outbox.background, FRAME);
    clock.flush();
    assert.equal(stream.writes.length, 1);
    assert.equal(outbox.queuedBytes, 18);
    stream.takes = true;
    outbox.drained();
    assert.equal(stream.writes.length, 3);
    assert.equal(outbox.queuedBytes, 0);
  });

  it('does not touch memory that the stream has not taken', () => {
    const { clock, outbox, stream } = setUp();
    const given: Uint8Array[] = [];
    stream.write = (bytes) => {
      given.push(bytes);
      return false;
    };
    outbox.append(outbox.foreground, Buffer.alloc(20, 1));
    clock.flush();
    outbox.append(outbox.foreground, Buffer.alloc(20, 2));
    outbox.append(outbox.foreground, Buffer.alloc(100_000, 3));
    assert.ok(given[0].every((byte) => byte === 1));
  });

  it('sends the background after the foreground', () => {
    const { clock, stream, outbox } = setUp();
    outbox.append(outbox.background, Buffer.from([0, 0, 0, 2, 0x91, 9]));
    outbox.append(outbox.foreground, FRAME);
    clock.flush();
    assert.deepEqual(read(stream).kinds, [8, 9]);
  });

  it('sends small frames between the fragments of a large message', () => {
    const { clock, stream, outbox } = setUp();
    stream.takes = false;
    const message = large(1, 300_000);
    outbox.appendLarge(outbox.foreground, message);
    clock.flush();
    for (let i = 0; i < 20 && outbox.queuedBytes > 0; i++) {
      outbox.append(outbox.foreground, FRAME);
      outbox.drained();
    }
    const { kinds, payloads } = read(stream);
    assert.deepEqual(kinds.slice(0, 6), [7, 8, 7, 8, 7, 8]);
    assert.ok(payloads.get(1)?.equals(Buffer.concat([message.head, message.body])));
  });

  it('lets the rest of the node have its turn during a very large message', () => {
    const { clock, stream, outbox } = setUp();
    const message = large(1, 4_000_000);
    outbox.appendLarge(outbox.foreground, message);
    let turns = 0;
    const { endOfTurn } = clock;
    clock.endOfTurn = (callback) => {
      turns++;
      endOfTurn.call(clock, callback);
    };
    clock.flush();
    assert.ok(turns >= 6, `${turns} turns`);
    assert.ok(
      read(stream)
        .payloads.get(1)
        ?.equals(Buffer.concat([message.head, message.body])),
    );
  });

  it('sends the large messages of a lane one after the other', () => {
    const { clock, stream, outbox } = setUp();
    const messages = [large(1, 150_000), large(2, 200_000)];
    for (const message of messages) outbox.appendLarge(outbox.foreground, message);
    clock.flush();
    const { payloads } = read(stream);
    assert.deepEqual([...payloads.keys()], [1, 2]);
    for (const { id, head, body } of messages) {
      assert.ok(payloads.get(id)?.equals(Buffer.concat([head, body])));
    }
  });

  it('drops a large message, whether it was begun or not', () => {
    const { clock, stream, outbox } = setUp();
    stream.takes = false;
    outbox.appendLarge(outbox.foreground, large(1, 300_000));
    outbox.appendLarge(outbox.foreground, large(2, 300_000));
    outbox.appendLarge(outbox.background, large(3, 300_000));
    clock.flush();
    assert.equal(outbox.dropLarge(9), Dropped.notFound);
    assert.equal(outbox.dropLarge(2), Dropped.unsent);
    assert.equal(outbox.dropLarge(1), Dropped.partlySent);
    assert.equal(outbox.dropLarge(3), Dropped.unsent);
    stream.takes = true;
    outbox.drained();
    assert.equal(outbox.queuedBytes, 0);
    const next = large(4, 100_000);
    outbox.appendLarge(outbox.foreground, next);
    clock.flush();
    assert.ok(
      read(stream)
        .payloads.get(4)
        ?.equals(Buffer.concat([next.head, next.body])),
    );
    assert.equal(outbox.queuedBytes, 0);
  });

  it('ends the stream once everything is sent', () => {
    const { clock, stream, outbox } = setUp();
    stream.takes = false;
    outbox.append(outbox.foreground, FRAME);
    outbox.endWhenSent();
    clock.flush();
    assert.equal(stream.hasEnded, false);
    stream.takes = true;
    outbox.drained();
    assert.equal(stream.hasEnded, true);
  });

  it('sends nothing once it is closed', () => {
    const { clock, stream, outbox } = setUp();
    outbox.append(outbox.foreground, FRAME);
    outbox.close();
    clock.flush();
    assert.equal(stream.writes.length, 0);
  });
});
