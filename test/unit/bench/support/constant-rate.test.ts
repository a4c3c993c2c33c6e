import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { getRequest, putRequest, runConstantRate } from '../../../../bench/support/constant-rate.ts';

test('latency counts from when a request was due: a stall is seen by all that were due in it', async () => {
  const STALL_MS = 400;
  let answered = 0;
  const server = createServer((_request, response) => {
    // Blocks the server, as a long turn of its loop would.
    if (++answered === 100) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STALL_MS);
    response.end('value');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const PER_SECOND = 1000;
  const result = await runConstantRate({
    port,
    perSecond: PER_SECOND,
    seconds: 1,
    next: () => getRequest('key1'),
  });
  server.close();
  assert.equal(result.answered, PER_SECOND);
  assert.equal(result.errors, 0);
  assert.ok(result.maxMs >= STALL_MS, `${result.maxMs}`);
  // A fifth of them was due in the first half of the stall. A load that waits for answers would have had one of
  // them late on each of its 64 connections, and sent the rest afterwards as if nothing had been.
  assert.ok(result.p90Ms > STALL_MS / 2, `${result.p90Ms}`);
});

test('answers of any kind and size are told apart, and those other than 2xx counted', async () => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (bytes: Buffer) => {
      body += bytes;
    });
    request.on('end', () => {
      bodies.push(body);
      response.statusCode = bodies.length % 2 === 0 ? 404 : 201;
      const answer = 'x'.repeat(bodies.length * 1000);
      response.setHeader('Content-Length', answer.length);
      response.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  let sent = 0;
  const result = await runConstantRate({
    port,
    perSecond: 40,
    seconds: 1,
    next: () => putRequest('key1', Buffer.from(`value ${sent++}`)),
  });
  server.close();
  assert.equal(result.answered, 40);
  assert.equal(result.errors, 20);
  assert.deepEqual(bodies.toSorted(), Array.from({ length: 40 }, (_, i) => `value ${i}`).toSorted());
});

test('a server that goes away ends the run with an error', async () => {
  const server = createServer((request) => request.socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await assert.rejects(
    runConstantRate({ port, perSecond: 100, seconds: 1, next: () => getRequest('key1') }),
    /closed a connection|ECONNRESET|socket hang up/,
  );
  server.close();
});
