import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import type { Address } from '../../../src/address.ts';
import { resetSocket } from '../../../src/reset-socket.ts';
import { DelayProxy } from '../../support/delay-proxy.ts';
import { freePortRow } from '../../support/ports.ts';
import { until } from '../../support/until.ts';

/** A server whose connections do what `serve` says, behind a proxy. */
class Proxied implements AsyncDisposable {
  readonly proxy: DelayProxy;
  readonly #server: Server;
  /** Of both ends. */
  readonly #sockets: Socket[];

  private constructor(server: Server, proxy: DelayProxy, sockets: Socket[]) {
    this.#server = server;
    this.proxy = proxy;
    this.#sockets = sockets;
  }

  static async start(serve: (socket: Socket) => void): Promise<Proxied> {
    const sockets: Socket[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      serve(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { address: host, port } = server.address() as { address: string; port: number };
    return new Proxied(server, await DelayProxy.listen({ host, port }), sockets);
  }

  client(): Socket {
    const socket = dial(this.proxy.address);
    this.#sockets.push(socket);
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.proxy[Symbol.asyncDispose]();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** So many looks without a byte more: the sender has come to a stop. */
const STILL_POLLS = 15;

function dial({ host, port }: Address): Socket {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  socket.on('error', () => undefined);
  return socket;
}

const echo = (socket: Socket): void => {
  socket.setNoDelay(true);
  socket.pipe(socket);
};

/** From a message to its echo. */
async function roundTripMs(client: Socket): Promise<number> {
  const startMs = performance.now();
  client.write('ping');
  await once(client, 'data');
  return performance.now() - startMs;
}

async function isReset(client: Socket): Promise<void> {
  const [error] = await once(client, 'error');
  assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET');
}

describe('a proxy', () => {
  test('carries every byte in order both ways, and the end of each way by itself, while delays change', async () => {
    await using proxied = await Proxied.start((socket) => {
      const heard: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => heard.push(chunk));
      // It answers when it has heard the end: the way back is still open then.
      socket.on('end', () => socket.end(Buffer.concat(heard)));
    });
    const sent = randomBytes(3_000_000);
    const client = proxied.client();
    for (let at = 0; at < sent.length; at += 100_000) {
      proxied.proxy.delayMs = (at / 100_000) % 3;
      client.write(sent.subarray(at, at + 100_000));
    }
    client.end();
    const heard = await buffer(client);
    assert.equal(heard.length, sent.length);
    assert.ok(heard.equals(sent));
    await until(
      () => proxied.proxy.connections === 0,
      30_000,
      () => 'the connection is not over',
    );
  });

  test('delays each way by what it is told', async () => {
    await using proxied = await Proxied.start(echo);
    const { proxy } = proxied;
    const client = proxied.client();
    const plainMs = await roundTripMs(client);
    proxy.toTarget.delayMs = 40;
    const oneWayMs = await roundTripMs(client);
    proxy.toClient.delayMs = 70;
    const bothWaysMs = await roundTripMs(client);
    assert.ok(oneWayMs >= 40, `${oneWayMs} ms instead of 40`);
    assert.ok(bothWaysMs >= 110, `${bothWaysMs} ms instead of 110`);
    assert.ok(plainMs < oneWayMs, `${plainMs} ms without a delay`);
  });

  test('holds a connection open while it is frozen, also one made meanwhile, and loses nothing', async () => {
    let accepted = 0;
    await using proxied = await Proxied.start((socket) => {
      accepted++;
      echo(socket);
    });
    const { proxy } = proxied;
    const client = proxied.client();
    await roundTripMs(client);
    proxy.freeze();
    const late = proxied.client();
    await once(late, 'connect');
    const heard: string[] = [];
    for (const [name, socket] of Object.entries({ client, late })) {
      socket.on('data', (chunk) => heard.push(`${name} ${chunk}`));
      socket.write('frozen');
    }
    await using other = await Proxied.start(echo);
    // Longer than what was sent needs, as a link beside it shows.
    for (let i = 0; i < 20; i++) await roundTripMs(other.client());
    assert.deepEqual([heard, accepted], [[], 1]);
    proxy.thaw();
    await until(
      () => heard.length === 2,
      30_000,
      () => `heard ${heard}`,
    );
    assert.deepEqual(heard.toSorted(), ['client frozen', 'late frozen']);
  });

  test('stops a sender whose receiver does not read, and goes on when it does', async () => {
    let receiver: Socket | undefined;
    await using proxied = await Proxied.start((socket) => {
      socket.pause();
      receiver = socket;
    });
    const client = proxied.client();
    const chunk = Buffer.alloc(1 << 20, 7);
    const total = 64;
    for (let i = 0; i < total; i++) client.write(chunk);
    client.end();
    let sentBytes = 0;
    let stillFor = 0;
    await until(
      () => {
        const before = sentBytes;
        sentBytes = client.bytesWritten - client.writableLength;
        stillFor = sentBytes > 0 && sentBytes === before ? stillFor + 1 : 0;
        return stillFor === STILL_POLLS;
      },
      30_000,
      () => 'the sender never comes to a stop',
    );
    assert.ok(client.writableLength > 0, 'the whole of it was taken for a receiver that does not read');
    assert.ok(receiver !== undefined);
    assert.equal((await buffer(receiver)).length, total * chunk.length);
  });

  test('holds a link to its rate', async () => {
    await using proxied = await Proxied.start(echo);
    proxied.proxy.toTarget.bytesPerSecond = 1_000_000;
    const client = proxied.client();
    const startMs = performance.now();
    client.end(Buffer.alloc(100_000));
    assert.equal((await buffer(client)).length, 100_000);
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs >= 99, `100 kB came within ${tookMs} ms at 1 MB/s`);
  });

  test('resets its connections when it is cut, and new ones until it is mended', async () => {
    await using proxied = await Proxied.start(echo);
    const { proxy } = proxied;
    const client = proxied.client();
    await roundTripMs(client);
    const reset = isReset(client);
    proxy.cut();
    await reset;
    await isReset(proxied.client());
    proxy.mend();
    await roundTripMs(proxied.client());
    await until(
      () => proxy.connections === 1,
      30_000,
      () => `${proxy.connections} connections are left`,
    );
  });

  test('passes on a reset, and resets a client whose target does not listen', async () => {
    const sockets: Socket[] = [];
    await using proxied = await Proxied.start((socket) => {
      sockets.push(socket);
      echo(socket);
    });
    const client = proxied.client();
    await roundTripMs(client);
    const reset = isReset(client);
    resetSocket(sockets[0]);
    await reset;
    const there = proxied.client();
    await roundTripMs(there);
    const passedOn = isReset(sockets[1]);
    resetSocket(there);
    await passedOn;
    const [port] = await freePortRow(1);
    await using nowhere = await DelayProxy.listen({ host: '127.0.0.1', port });
    await isReset(dial(nowhere.address));
  });

  test('carries five hundred connections at a time, each with what is its own', async () => {
    await using proxied = await Proxied.start(echo);
    proxied.proxy.delayMs = 20;
    const clients = Array.from({ length: 500 }, () => proxied.client());
    const echoes = clients.map(async (client, i) => {
      client.end(`client ${i}`);
      assert.equal((await buffer(client)).toString(), `client ${i}`);
    });
    await Promise.all(echoes);
  });
});
