import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, systemClock } from '../../../src/clock.ts';
import { TcpTransport } from '../../../src/rpc/tcp-transport.ts';
import type { ByteStream, StreamHandler, Transport } from '../../../src/rpc/transport.ts';
import { MemoryNetwork } from '../../../src/simulation/memory-network.ts';
import { until } from '../../support/until.ts';

const HOST = '127.0.0.1';

/** Keeps what a stream says. */
class Kept implements StreamHandler {
  readonly chunks: Buffer[] = [];
  opened = 0;
  drained = 0;
  readonly closed: string[] = [];
  readonly #reusesChunks: boolean;

  constructor(reusesChunks: boolean) {
    this.#reusesChunks = reusesChunks;
  }

  onOpen(): void {
    this.opened++;
  }

  onData(chunk: Buffer): void {
    this.chunks.push(this.#reusesChunks ? Buffer.from(chunk) : chunk);
  }

  onDrain(): void {
    this.drained++;
  }

  onClose(reason: string): void {
    this.closed.push(reason);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

interface End {
  readonly stream: ByteStream;
  readonly kept: Kept;
}

/** Two ends of one connection, and what takes both down. */
async function connect(transport: Transport): Promise<{ a: End; b: End; close: () => Promise<void> }> {
  const accepted: End[] = [];
  const begin = (stream: ByteStream): End => {
    const kept = new Kept(stream.reusesChunks);
    stream.start(kept);
    return { stream, kept };
  };
  const listener = await transport.listen(HOST, 0, (stream) => accepted.push(begin(stream)));
  const a = begin(transport.dial(HOST, listener.port));
  await until(
    () => accepted.length === 1 && a.kept.opened === 1,
    30_000,
    () => 'no connection',
  );
  const [b] = accepted;
  const close = async () => {
    a.stream.destroy('done');
    b.stream.destroy('done');
    await listener.close();
    await until(
      () => a.kept.closed.length + b.kept.closed.length === 2,
      30_000,
      () => 'not closed',
    );
  };
  return { a, b, close };
}

const transports: [string, () => Transport][] = [
  ['tcp', () => new TcpTransport()],
  ['memory', () => new MemoryNetwork(systemClock, seededRandom(3)).transport(HOST)],
];

for (const [name, create] of transports) {
  describe(`transport: ${name}`, () => {
    it('carries bytes both ways', async () => {
      const { a, b, close } = await connect(create());
      a.stream.write(Buffer.from('to b'));
      b.stream.write(Buffer.from('to a'));
      await until(
        () => b.kept.bytes.length === 4 && a.kept.bytes.length === 4,
        30_000,
        () => 'no bytes',
      );
      assert.equal(b.kept.bytes.toString(), 'to b');
      assert.equal(a.kept.bytes.toString(), 'to a');
      await close();
    });

    it('gives back memory that it has taken, and says when it has taken the rest', async () => {
      const { a, b, close } = await connect(create());
      b.stream.pause();
      const part = Buffer.alloc(256 * 1024);
      let sent = 0;
      let taken = true;
      for (let i = 1; taken && i < 200; i++) {
        part.fill(i);
        sent += part.length;
        taken = a.stream.write(part);
      }
      assert.equal(taken, false, 'a reader that does not read must hold up its writer');
      assert.equal(a.kept.drained, 0);
      b.stream.resume();
      await until(
        () => b.kept.bytes.length === sent,
        30_000,
        () => `${b.kept.bytes.length} of ${sent}`,
      );
      assert.equal(a.kept.drained, 1);
      const { bytes } = b.kept;
      for (let at = 0, i = 1; at < sent; at += part.length, i++) {
        assert.ok(bytes.subarray(at, at + part.length).equals(part.fill(i)), `part ${i}`);
      }
      await close();
    });

    it('reads no further on the dialled side while it is paused, and all of it afterwards', async () => {
      const { a, b, close } = await connect(create());
      b.stream.write(Buffer.from('first'));
      await until(
        () => a.kept.bytes.length === 5,
        30_000,
        () => 'no bytes',
      );
      a.stream.pause();
      const part = Buffer.alloc(256 * 1024);
      let sent = 5;
      for (let i = 1, taken = true; taken && i < 200; i++) {
        sent += part.length;
        taken = b.stream.write(part.fill(i));
      }
      assert.equal(b.kept.drained, 0, 'a reader that does not read must hold up its writer');
      a.stream.resume();
      await until(
        () => a.kept.bytes.length === sent,
        30_000,
        () => `${a.kept.bytes.length} of ${sent}`,
      );
      const { bytes } = a.kept;
      for (let at = 5, i = 1; at < sent; at += part.length, i++) {
        assert.ok(bytes.subarray(at, at + part.length).equals(part.fill(i)), `part ${i}`);
      }
      await close();
    });

    it('ends after what was written, and says so once on both sides', async () => {
      const { a, b, close } = await connect(create());
      a.stream.write(Buffer.from('last words'));
      a.stream.end();
      await until(
        () => a.kept.closed.length === 1 && b.kept.closed.length === 1,
        30_000,
        () => 'not closed',
      );
      assert.equal(b.kept.bytes.toString(), 'last words');
      await close();
    });

    it('is destroyed and reset with the reason given, on the other side with another', async () => {
      for (const how of ['destroy', 'reset'] as const) {
        const { a, b, close } = await connect(create());
        a.stream[how]('enough');
        assert.equal(a.kept.closed.length, 0);
        await until(
          () => a.kept.closed.length === 1 && b.kept.closed.length === 1,
          30_000,
          () => 'not closed',
        );
        assert.deepEqual(a.kept.closed, ['enough']);
        assert.notEqual(b.kept.closed[0], 'enough');
        assert.equal(a.stream.write(Buffer.from('too late')), true);
        await close();
      }
    });

    it('is closed once, at once, when it is reset or destroyed in the turn in which it ends', async () => {
      for (const how of ['destroy', 'reset'] as const) {
        const { a, b, close } = await connect(create());
        a.stream.end();
        a.stream[how]('enough');
        await until(
          () => a.kept.closed.length === 1 && b.kept.closed.length === 1,
          30_000,
          () => 'not closed',
        );
        await close();
        assert.deepEqual(a.kept.closed, ['enough']);
      }
    });

    it('says why it cannot connect', async () => {
      const transport = create();
      const listener = await transport.listen(HOST, 0, () => {});
      const { port } = listener;
      await listener.close();
      const kept = new Kept(false);
      transport.dial(HOST, port).start(kept);
      await until(
        () => kept.closed.length === 1,
        30_000,
        () => 'no answer',
      );
      assert.match(kept.closed[0], /refused/i);
      assert.equal(kept.opened, 0);
    });

    it('refuses a port that is taken', async () => {
      const transport = create();
      const listener = await transport.listen(HOST, 0, () => {});
      await assert.rejects(
        transport.listen(HOST, listener.port, () => {}),
        { code: 'ADDRESS_IN_USE' },
      );
      await listener.close();
    });
  });
}
