import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { seededRandom } from '../../../../src/clock.ts';
import type { ByteStream, StreamHandler } from '../../../../src/rpc/transport.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { MemoryNetwork } from '../../../../src/simulation/memory-network.ts';

/** Counts what a stream brings. */
class Counting implements StreamHandler {
  bytes = 0;
  drained = 0;
  closed = 0;

  onOpen(): void {}

  onData(chunk: Buffer): void {
    this.bytes += chunk.length;
  }

  onDrain(): void {
    this.drained++;
  }

  onClose(): void {
    this.closed++;
  }
}

describe('a network in memory with a slow link', () => {
  /** All latencies are below this, and each chunk takes one. */
  const SOON_MS = 50;
  let clock: FakeClock;
  let network: MemoryNetwork;
  let sender: Counting;
  let receiver: Counting;
  let stream: ByteStream;

  beforeEach(async () => {
    clock = new FakeClock();
    network = new MemoryNetwork(clock, seededRandom(1));
    sender = new Counting();
    receiver = new Counting();
    await network.transport('b').listen('b', 1, (accepted) => accepted.start(receiver));
    stream = network.transport('a').dial('b', 1);
    stream.start(sender);
    clock.advance(SOON_MS);
  });

  test('bytes take as long as its rate says', () => {
    network.links.setRate('a', 'b', 2);
    stream.write(new Uint8Array(1_000));
    clock.advance(490);
    assert.equal(receiver.bytes, 0);
    clock.advance(10 + SOON_MS);
    assert.equal(receiver.bytes, 1_000);
  });

  test('what is on its way when the link is fast again arrives at once, and its writer may write again', () => {
    network.links.setRate('a', 'b', 1);
    stream.write(new Uint8Array(10_000));
    assert.equal(stream.write(new Uint8Array(network.bufferBytes)), false);
    clock.advance(1_000);
    network.links.setRate('a', 'b', Number.POSITIVE_INFINITY);
    clock.advance(SOON_MS);
    assert.equal(receiver.bytes, 10_000 + network.bufferBytes);
    assert.equal(sender.drained, 1);
    stream.write(new Uint8Array(7));
    stream.end();
    clock.advance(SOON_MS);
    assert.equal(receiver.bytes, 10_000 + network.bufferBytes + 7, 'nothing waits behind what was slow');
    assert.equal(receiver.closed, 1);
  });

  test('what is left of the bytes on their way goes at the new rate', () => {
    network.links.setRate('a', 'b', 1);
    stream.write(new Uint8Array(1_000));
    stream.write(new Uint8Array(1_000));
    clock.advance(500);
    network.links.setRate('a', 'b', 10);
    clock.advance(45);
    assert.equal(receiver.bytes, 0, '500 bytes of the first write need 50 ms more');
    clock.advance(5 + SOON_MS);
    assert.equal(receiver.bytes, 1_000);
    network.links.setRate('a', 'b', 1);
    clock.advance(400);
    assert.equal(receiver.bytes, 1_000, 'half of the second write was left, and takes 500 ms now');
    clock.advance(100 + SOON_MS);
    assert.equal(receiver.bytes, 2_000);
  });

  test('bytes with a delay arrive no earlier than after it', () => {
    network.links.setDelay('a', 'b', 300);
    network.links.setRate('a', 'b', 1);
    stream.write(new Uint8Array(1_000));
    clock.advance(100);
    network.links.setRate('a', 'b', Number.POSITIVE_INFINITY);
    clock.advance(199);
    assert.equal(receiver.bytes, 0);
    clock.advance(1 + SOON_MS);
    assert.equal(receiver.bytes, 1_000);
  });

  test('the other direction, and other links, are as they were', () => {
    network.links.setRate('a', 'b', 1);
    stream.write(new Uint8Array(1_000));
    network.links.setRate('b', 'a', Number.POSITIVE_INFINITY);
    network.links.setRate('a', 'c', Number.POSITIVE_INFINITY);
    clock.advance(990);
    assert.equal(receiver.bytes, 0);
    clock.advance(10 + SOON_MS);
    assert.equal(receiver.bytes, 1_000);
  });

  test('what a fast link has carried is not held up when it becomes slow', () => {
    stream.write(new Uint8Array(1_000));
    network.links.setRate('a', 'b', 1);
    clock.advance(SOON_MS);
    assert.equal(receiver.bytes, 1_000);
  });
});
