import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ClusterSecret } from '../../../../../src/rpc/cluster-secret.ts';
import { encodeWriteRequest, FRAME_LENGTH_BYTES } from '../../../../../src/rpc/codec.ts';
import {
  DatagramReader,
  DatagramWriter,
  datagramBytes,
  MAX_RECEIVERS,
} from '../../../../../src/rpc/multicast/datagram-codec.ts';
import { DatagramSeal } from '../../../../../src/rpc/multicast/datagram-seal.ts';
import { WRITE } from '../../../../../src/rpc/operation-table.ts';
import { formatExample } from '../../../../support/format-example.ts';

const FORMAT = new URL('../../../../../src/rpc/FORMAT.md', import.meta.url);
const RECORD = Buffer.from('0100030040e2010000000000070000006869', 'hex');

interface Write {
  /** The id at each receiver, by place; null: it is not for that one. */
  readonly ids: readonly (number | null)[];
  readonly message: Uint8Array;
}

function add(writer: DatagramWriter, { ids, message }: Write): void {
  const places = ids.flatMap((id, place) => (id === null ? [] : [place]));
  const known = ids.filter((id) => id !== null);
  writer.addWrite(Uint8Array.from(places), Uint32Array.from(known), places.length, message);
}

function readAll(bytes: Buffer): { tags: number[]; writes: Write[]; isWhole: boolean } | null {
  const reader = new DatagramReader();
  if (!reader.open(bytes)) return null;
  const places = Array.from({ length: reader.receivers }, (_, place) => place);
  const writes: Write[] = [];
  while (reader.next()) {
    const ids = places.map((place) => reader.idFor(place)).map((id) => (id < 0 ? null : id));
    writes.push({ ids, message: Uint8Array.from(bytes.subarray(reader.messageStart, reader.messageEnd)) });
  }
  return { tags: places.map((place) => reader.tagOf(place)), writes, isWhole: reader.isWhole };
}

function request(key: string): Buffer {
  const frame = Buffer.alloc(100);
  return frame.subarray(
    FRAME_LENGTH_BYTES,
    encodeWriteRequest(frame, 0, 0, WRITE.number, 1_000, Buffer.from(key), RECORD),
  );
}

const anyWrites = fc.integer({ min: 1, max: MAX_RECEIVERS }).chain((receivers) =>
  fc.record({
    tags: fc.array(
      fc.maxSafeNat().map((tag) => tag % 2 ** 48),
      { minLength: receivers, maxLength: receivers },
    ),
    writes: fc.array(
      fc.record({
        ids: fc.array(fc.option(fc.integer({ min: 0, max: 2 ** 30 - 1 })), {
          minLength: receivers,
          maxLength: receivers,
        }),
        message: fc.uint8Array({ maxLength: 100 }),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  }),
);

describe('datagrams', () => {
  it('are as FORMAT.md draws them', () => {
    const writer = new DatagramWriter(1_400);
    writer.addReceiver(0x010203040506);
    writer.addReceiver(0x0a0b0c0d0e0f);
    add(writer, { ids: [7, 9], message: request('k1') });
    add(writer, { ids: [null, 10], message: request('k2') });
    const datagram = writer.take();
    const seal = new DatagramSeal(ClusterSecret.of('00112233445566778899aabbccddeeff'));
    seal.seal(datagram);
    const example = formatExample('datagram-example', FORMAT);
    assert.equal(datagram.toString('hex'), example.toString('hex'));
    assert.ok(seal.isSealed(example));
  });

  it('bring every write to those that it is for, with the id that each knows it by', () => {
    // One writer for all: nothing of one datagram is left in the next.
    const writer = new DatagramWriter(16_384);
    fc.assert(
      fc.property(anyWrites, ({ tags, writes }) => {
        for (const [place, tag] of tags.entries()) assert.equal(writer.addReceiver(tag), place);
        for (const write of writes) add(writer, write);
        assert.deepEqual(readAll(writer.take()), {
          tags,
          writes: writes.map((write) => ({ ...write })),
          isWhole: true,
        });
        assert.ok(writer.isEmpty);
      }),
    );
  });

  it('cut anywhere, or with any bytes, are read without a fault, and a cut is noticed', () => {
    const writer = new DatagramWriter(16_384);
    fc.assert(
      fc.property(anyWrites, fc.nat(), ({ tags, writes }, cut) => {
        for (const tag of tags) writer.addReceiver(tag);
        for (const write of writes) add(writer, write);
        const whole = writer.take();
        const found = readAll(whole.subarray(0, cut % whole.length));
        assert.ok(found === null || !found.isWhole || found.writes.length < writes.length);
      }),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void readAll(Buffer.from(bytes))));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        // With a number of receivers that can be.
        void readAll(Buffer.concat([Buffer.alloc(16), Buffer.of(2), Buffer.alloc(12), bytes]));
      }),
    );
  });

  it('have room for what fits into their size, and no more', () => {
    const message = new Uint8Array(300);
    const receivers = 3;
    const bytes = datagramBytes(message.length, receivers);
    assert.ok(!new DatagramWriter(bytes - 1).hasRoom(message.length, receivers, receivers));
    const writer = new DatagramWriter(bytes);
    assert.ok(writer.hasRoom(message.length, receivers, receivers));
    for (let place = 0; place < receivers; place++) writer.addReceiver(place);
    add(writer, { ids: [1, 2, 3], message });
    assert.ok(!writer.hasRoom(0, 1, 0));
    assert.equal(writer.take().length, bytes);
    const many = new DatagramWriter(16_384);
    for (let place = 0; place < MAX_RECEIVERS; place++) many.addReceiver(place);
    assert.ok(many.hasRoom(1, 1, 0));
    assert.ok(!many.hasRoom(1, 1, 1));
  });

  it('have a seal that covers every byte, and that only those make who know the secret', () => {
    const seal = new DatagramSeal(ClusterSecret.of('the secret of this cluster, and no other'));
    const other = new DatagramSeal(ClusterSecret.of('the secret of another cluster, not this'));
    const writer = new DatagramWriter(1_400);
    writer.addReceiver(5);
    add(writer, { ids: [1], message: request('k1') });
    const datagram = writer.take();
    seal.seal(datagram);
    assert.ok(seal.isSealed(datagram));
    assert.ok(!other.isSealed(datagram));
    for (let at = 0; at < datagram.length; at++) {
      datagram[at] ^= 1;
      assert.ok(!seal.isSealed(datagram), `byte ${at}`);
      datagram[at] ^= 1;
    }
  });
});
