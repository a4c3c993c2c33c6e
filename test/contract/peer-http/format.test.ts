import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { FailureCode } from '../../../src/failure.ts';
import { failed, incomplete, type ReplicaReply, stale } from '../../../src/reply.ts';
import { ClusterSecret } from '../../../src/rpc/cluster-secret.ts';
import { HttpPair } from './harness.ts';

const text = readFileSync(new URL('../../../src/peer-http/FORMAT.md', import.meta.url), 'utf8');
const KEY = 'k1';
const RECORD = Buffer.from('0100030040e2010000000000070000006869', 'hex');
/** The session of the examples of src/rpc/FORMAT.md. */
const session = ClusterSecret.of('00112233445566778899aabbccddeeff').session(
  Buffer.alloc(32, 0x11),
  Buffer.alloc(32, 0x22),
);

/** By title: what the client sends, and what it is answered, as the document has it. */
function examples(): Map<string, readonly [request: string, answer: string]> {
  const found = new Map<string, readonly [string, string]>();
  for (const section of text.slice(text.indexOf('## Examples')).split('\n### ').slice(1)) {
    const [request, answer] = [...section.matchAll(/```\n([^`]*)```/g)].map(([, block]) => block);
    found.set(section.slice(0, section.indexOf('\n')), [request, answer]);
  }
  return found;
}

/** Bytes as the document has them: without the port of the day, and with what is not text in hexadecimal. */
function written(bytes: Buffer, port: number): string {
  const end = bytes.indexOf('\r\n\r\n') + 4;
  const head = bytes
    .subarray(0, end)
    .toString('latin1')
    .replaceAll('\r\n', '\n')
    .replace(`:${port}`, ':40123');
  const body = bytes.subarray(end);
  if (body.length === 0) return head;
  return `${head}${/^[ -~]*$/.test(body.toString('latin1')) ? body.toString() : body.toString('hex')}\n`;
}

/** Passes everything on to a port, and keeps what goes each way. */
class Wire implements AsyncDisposable {
  request = Buffer.alloc(0);
  answer = Buffer.alloc(0);
  readonly #sockets = new Set<Socket>();
  readonly #server;

  constructor(port: number) {
    this.#server = createServer((client) => {
      const server = connect(port, '127.0.0.1');
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
      }
      client.on('data', (bytes) => {
        this.request = Buffer.concat([this.request, bytes as Buffer]);
        server.write(bytes);
      });
      server.on('data', (bytes) => {
        this.answer = Buffer.concat([this.answer, bytes as Buffer]);
        client.write(bytes);
      });
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as { port: number }).port;
  }

  /** What has gone each way since it was last asked. */
  take(port: number): readonly [string, string] {
    const taken = [written(this.request, port), written(this.answer, port)] as const;
    this.request = Buffer.alloc(0);
    this.answer = Buffer.alloc(0);
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe('FORMAT.md of HTTP between nodes', () => {
  it('shows what is sent', async () => {
    await using pair = await HttpPair.start({ maxConnections: 1 });
    await using wire = new Wire(pair.port);
    const port = await wire.listen();
    pair.meet(port, session);
    const shown = examples();
    const isAsShown = (title: string): void => {
      assert.deepEqual(wire.take(port), shown.get(title), title);
      shown.delete(title);
    };
    const answering = (reply: ReplicaReply): void => {
      pair.replica.read = (_key, _timeoutMs, sink, token) => sink.onReply(token, reply);
      pair.replica.write = (_key, _record, sink, token) => sink.onReply(token, reply);
    };

    // The proof goes before the first request, in a message of its own.
    pair.replica.holds = true;
    const first = pair.write(KEY, RECORD);
    await pair.until(() => pair.replica.held === 1, 'the write does not come');
    const cut = wire.request.indexOf('\r\n\r\n') + 4;
    const rest = wire.request.subarray(cut);
    wire.request = wire.request.subarray(0, cut);
    isAsShown('a connection proves itself');
    wire.request = rest;
    pair.replica.holds = false;
    pair.replica.release();
    await pair.answered(first);
    isAsShown('a write');
    await pair.answered(pair.read(KEY));
    isAsShown('a read');
    await pair.answered(pair.readVersion(KEY));
    isAsShown('a read of the version');
    await pair.answered(pair.read('k2'));
    isAsShown('a read of a key that was never written');
    answering(stale(123_456, 7));
    await pair.answered(pair.write(KEY, RECORD));
    isAsShown('a write that met a newer version');
    answering(incomplete(null));
    await pair.answered(pair.read(KEY));
    isAsShown('a read of a node that is not whole');
    answering(failed(FailureCode.noSpace, 'disk full'));
    await pair.answered(pair.write(KEY, RECORD));
    isAsShown('a failure');
    assert.deepEqual([...shown.keys()], []);
  });

  it('says how the proofs are made', () => {
    const hmac = (key: string | Buffer, ...parts: (string | Buffer)[]): Buffer =>
      createHmac('sha256', key)
        .update(Buffer.concat(parts.map((part) => Buffer.from(part as string))))
        .digest();
    const nonces = [Buffer.alloc(32, 0x11), Buffer.alloc(32, 0x22)];
    const key = hmac('00112233445566778899aabbccddeeff', 'quorate-rpc handshake 1', ...nonces);
    const [request = '', answer = ''] = examples().get('a connection proves itself') ?? [];
    const [name, client, server] = ['http session', 'http client1', 'http server1'].map((what) =>
      hmac(key, what).toString('hex'),
    );
    assert.ok(request?.includes(`Authorization: Quorate ${name} 1 ${client}\n`), request);
    assert.ok(answer?.includes(`Authentication-Info: Quorate ${server}\n`), answer);
  });
});
