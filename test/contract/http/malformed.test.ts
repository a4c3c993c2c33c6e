import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type Random, seededRandom } from '../../../src/clock.ts';
import { cutAtRandom, malformedHttpRequests } from '../../support/http-fuzz.ts';
import { Harness, request, until } from './harness.ts';

const SEED = 20_261_123;
const REQUESTS = 3000;
const CONNECTIONS_AT_A_TIME = 32;
const ALLOWED = new Set([
  100, 200, 201, 202, 304, 400, 403, 404, 405, 408, 412, 413, 417, 421, 431, 501, 503,
]);

/** Sends the bytes of one connection in pieces, then shuts its half or goes away. @returns what came back */
async function sendAll(port: number, bytes: Buffer, random: Random): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const received: Buffer[] = [];
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  socket.on('data', (piece) => received.push(piece as Buffer));
  // The server may end a connection on which more is being sent.
  socket.on('error', () => undefined);
  for (const piece of cutAtRandom(bytes, random, 4)) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (random() < 0.1) socket.destroy();
  else socket.end();
  await closed;
  return Buffer.concat(received);
}

test(`${REQUESTS} malformed connections (seed ${SEED}) are answered or closed, and leave nothing behind`, async () => {
  await using harness = await Harness.start({ maxValueBytes: 2000, bodyTimeoutMs: 5000 });
  harness.ranges.entries = [['fuzz1', 'one']];
  const random = seededRandom(SEED + 1);
  const requests = malformedHttpRequests(SEED, REQUESTS);
  const statuses = new Map<number, number>();
  const worker = async (): Promise<void> => {
    for (const bytes of requests) {
      const received = await sendAll(harness.server.port, bytes, random);
      const shown = bytes.toString('latin1').slice(0, 200);
      if (received.length > 0) assert.match(received.toString('latin1'), /^HTTP\/1\.1 \d{3} /, shown);
      for (const [, status] of received.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
        assert.ok(ALLOWED.has(Number(status)), `${status} for ${shown}`);
        statuses.set(Number(status), (statuses.get(Number(status)) ?? 0) + 1);
      }
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS_AT_A_TIME }, worker));

  // The generator reaches what it is meant to reach.
  for (const status of [200, 201, 202, 400, 403, 404, 405, 412, 413, 417, 421, 431, 501]) {
    assert.ok((statuses.get(status) ?? 0) > 0, `no answer was ${status}`);
  }
  await until(() => harness.isIdle);
  assert.equal(await harness.server.connections(), 0);
  using client = await harness.connect();
  client.send(request('PUT', '/v0/entity?id=k', 'Content-Length: 5'), 'value');
  assert.equal((await client.answer()).status, 201);
  assert.equal((await client.send(request('GET', '/v0/entity?id=k')).answer()).body.toString(), 'value');
});

test('the same seed gives the same requests', () => {
  const bytes = (seed: number): Buffer => Buffer.concat([...malformedHttpRequests(seed, 200)]);
  assert.ok(bytes(7).equals(bytes(7)));
  assert.ok(!bytes(7).equals(bytes(8)));
});
