import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { MAX_SCANS } from '../../../src/admission/scan-slots.ts';
import { takenBytes } from '../../../src/http/socket-bytes.ts';
import { unacknowledgedBytes } from '../../../src/http/unacknowledged.ts';
import { resetSocket } from '../../../src/reset-socket.ts';
import { Harness, request, until } from './harness.ts';
import type { RawClient } from './raw-client.ts';

const ALL = request('GET', '/v0/entities?start=');
/** All of 127.0.0.0/8 is this machine on Linux. */
const OTHER_CLIENT = '127.0.0.2';
const LARGE = Array.from({ length: 64 }, (_, i): [string, string] => [`k${i + 10}`, 'x'.repeat(1_000_000)]);

/** A client that reads `bytes` every `periodMs`, and no more, and what it has read. */
function readSlowly(
  { socket }: RawClient,
  bytes: number,
  periodMs: number,
): { readonly bytes: number } & Disposable {
  const progress = { bytes: 0 };
  socket.removeAllListeners('data');
  socket.pause();
  const startMs = performance.now();
  const timer = setInterval(() => {
    // The rate is kept where a busy machine calls late.
    const dueBytes = Math.floor(((performance.now() - startMs) * bytes) / periodMs) - progress.bytes;
    const piece = socket.read(Math.min(dueBytes, socket.readableLength)) as Buffer | null;
    progress.bytes += piece?.length ?? 0;
  }, periodMs);
  socket.on('readable', () => {});
  return Object.assign(progress, { [Symbol.dispose]: () => clearInterval(timer) });
}

test('a client that reads steadily is served, although the kernel takes nothing for longer than a client may', async () => {
  await using harness = await Harness.start({ rangeTimeoutMs: 1000, minReadBytesPerSecond: 64 * 1024 });
  harness.ranges.entries = LARGE;
  harness.ranges.entriesPerPage = 1;
  using client = await harness.connect();
  client.send(ALL);
  // 400 kB/s: what the kernel holds, megabytes, lasts for many seconds.
  using read = readSlowly(client, 20_000, 50);
  const startMs = performance.now();
  await until(() => harness.admission.figures.rangesInFlight === 1);
  const calls = (): number => harness.ranges.calls.length;
  let [lastCalls, sinceMs, longestMs] = [calls(), startMs, 0];
  await until(() => {
    const nowMs = performance.now();
    if (calls() !== lastCalls) [lastCalls, sinceMs] = [calls(), nowMs];
    longestMs = Math.max(longestMs, nowMs - sinceMs);
    assert.equal(harness.admission.figures.rangesInFlight, 1);
    return read.bytes > 2_000_000;
  });
  if (process.platform === 'linux') assert.ok(longestMs > 1000, `${longestMs} ms without a page`);
});

/** @returns how long after its last page a client was cut that takes nothing of what it has asked for */
async function cutAfterMs(timeoutMs: number): Promise<number> {
  await using harness = await Harness.start({ rangeTimeoutMs: timeoutMs });
  harness.ranges.entries = LARGE;
  harness.ranges.entriesPerPage = 1;
  let sinceMs = 0;
  harness.ranges.beforePage = () => {
    sinceMs = performance.now();
  };
  using client = await harness.connect();
  client.socket.pause();
  client.send(ALL);
  await until(() => harness.admission.figures.rangesInFlight === 1);
  await until(() => harness.isIdle);
  assert.equal(harness.admission.figures.scans.tooSlow, 1);
  return performance.now() - sinceMs;
}

test('a client that takes nothing is cut as soon as its time is over', async () => {
  const timeoutMs = 800;
  // Up to two ticks of a fortieth late, and what a busy machine adds; half as much again was the fault, at each try.
  const mostMs = 1.4 * timeoutMs;
  let leastMs = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 5 && leastMs >= mostMs; tries++) {
    const cutMs = await cutAfterMs(timeoutMs);
    assert.ok(cutMs >= timeoutMs - 50, `cut after ${cutMs} ms`);
    leastMs = Math.min(leastMs, cutMs);
  }
  assert.ok(leastMs < mostMs, `cut after ${leastMs} ms and more`);
});

test('a client whose slow scans hold every slot gives one to another client, and keeps the others', async () => {
  await using harness = await Harness.start();
  harness.ranges.entries = LARGE;
  harness.ranges.entriesPerPage = 1;
  const slow = await Promise.all(Array.from({ length: MAX_SCANS }, () => harness.connect()));
  for (const { socket } of slow) socket.pause();
  for (const client of slow) client.send(ALL);
  await until(() => harness.admission.figures.rangesInFlight === MAX_SCANS);
  // Its own are no reason to cut one of them.
  using own = await harness.connect();
  assert.equal((await own.send(ALL).answer()).status, 503);
  assert.equal(harness.admission.figures.rangesInFlight, MAX_SCANS);

  using other = await harness.connect(OTHER_CLIENT);
  const answer = await other.send(request('GET', '/v0/entities?start=k10&end=k12')).answer();
  assert.equal(answer.status, 200);
  assert.equal(answer.chunks.length, 2);
  await until(() => harness.admission.figures.rangesInFlight === MAX_SCANS - 1);
  for (const client of slow) client.socket.destroy();
  await until(() => harness.isIdle);
});

test('a scan waits for a moment, is served when a slot is free, and is forgotten when its client goes', async () => {
  await using harness = await Harness.start({ answerTimeoutMs: 60_000 });
  const gate = Promise.withResolvers<void>();
  harness.ranges.beforePage = () => gate.promise;
  const clients = await Promise.all(Array.from({ length: MAX_SCANS }, () => harness.connect()));
  for (const client of clients) client.send(ALL);
  await until(() => harness.admission.figures.rangesInFlight === MAX_SCANS);
  const isWaiting = (count: number) => until(() => harness.admission.figures.scans.waiting === count);
  using gone = await harness.connect();
  using patient = await harness.connect();
  gone.send(ALL);
  patient.send(ALL);
  await isWaiting(2);
  // With a reset: one that only shuts its half still wants its answer.
  resetSocket(gone.socket);
  await isWaiting(1);
  gate.resolve();
  assert.equal((await patient.answer()).status, 200);
  for (const client of clients) assert.equal((await client.answer()).status, 200);
  await until(() => harness.isIdle);
  for (const client of clients) client.socket.destroy();
});

test('scans behind one another on a connection that dies are over, those that wait for a slot too', async () => {
  await using harness = await Harness.start();
  harness.ranges.entries = LARGE;
  harness.ranges.entriesPerPage = 1;
  using client = await harness.connect();
  client.socket.pause();
  client.send(ALL.repeat(MAX_SCANS + 3));
  await until(() => harness.admission.figures.rangesInFlight === MAX_SCANS);
  resetSocket(client.socket);
  await until(() => harness.isIdle);
});

test('what a client has not acknowledged is known on Linux, over IPv4 and IPv6', async () => {
  for (const host of ['127.0.0.1', '::1']) {
    await using server = createServer();
    await once(server.listen(0, host), 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const client = connect({ port: address.port, host });
    const [socket] = await accepted;
    client.pause();
    socket.write(Buffer.alloc(32 * 1024 * 1024));
    await until(() => takenBytes(socket) > 0);
    const unacknowledged = (await unacknowledgedBytes([socket])).get(socket);
    if (process.platform === 'linux') {
      assert.ok(unacknowledged !== undefined);
      assert.ok(unacknowledged > 0 && unacknowledged <= takenBytes(socket), `${unacknowledged}`);
    } else {
      assert.equal(unacknowledged, undefined);
    }
    assert.ok(takenBytes(socket) < 32 * 1024 * 1024);
    socket.destroy();
    client.destroy();
  }
});
