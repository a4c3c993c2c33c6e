/** What waits on the main thread is recorded from its first wait to its last, and no longer. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { ENGINE_WAITS, type WaitPlace } from '../../../native-free-lsm/index.ts';
import { WaitingReads } from '../../../native-free-lsm/store/waiting-reads.ts';
import { LineEntry, WaitingLine } from '../../../src/admission/waiting-line.ts';
import { TcpTransport } from '../../../src/rpc/tcp-transport.ts';
import type { StreamHandler } from '../../../src/rpc/transport.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { ALL_WAITS, WAITS } from '../../../src/wait-places.ts';

/** Takes what has been recorded a while after it was over: a wait that has not been ended would be longer. */
async function takeLater(place: WaitPlace, sinceMs: number, count: number): Promise<void> {
  const longestMs = performance.now() - sinceMs;
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { count: counted, totalMs } = place.take();
  assert.equal(counted, count);
  assert.ok(totalMs <= longestMs, `${totalMs} of ${longestMs} ms`);
}

test('every place has a path of its own', () => {
  const paths = ALL_WAITS.map(({ path }) => path.join('/'));
  assert.equal(new Set(paths).size, paths.length);
});

test('a line that lets no more in', async () => {
  const limits = { minRequests: 1, maxRequests: 1, maxBytes: 1 << 20, timeoutMs: 1000 };
  const line = new WaitingLine(limits, new FakeClock(), () => 0);
  const request = () => ({
    lineCost: 0,
    sinceMs: 0,
    behind: null,
    onTurn: () => undefined,
    onTurnMissed: () => undefined,
  });
  const sinceMs = performance.now();
  WAITS.line.record();
  assert.equal(line.enter(request(), 1), LineEntry.now);
  for (let i = 0; i < 2; i++) assert.equal(line.enter(request(), 1), LineEntry.waiting);
  line.leave(1);
  line.leave(1);
  line.leave(1);
  // One wait, of the two that waited.
  await takeLater(WAITS.line, sinceMs, 1);
});

test('reads for which the rings are full', async () => {
  const waiting = new WaitingReads(1 << 20);
  const sink = { onRead: () => undefined };
  const read = { key: new Uint8Array(1), snapshot: null, sink, token: 0, page: null, deaths: 0 };
  const places = ENGINE_WAITS.reads;
  const sinceMs = performance.now();
  places.record();
  for (let i = 0; i < 3; i++) waiting.add(read);
  for (let i = 0; i < 3; i++) waiting.takeFirst();
  assert.equal(waiting.takeFirst(), undefined);
  waiting.add(read);
  waiting.takeAll();
  await takeLater(places, sinceMs, 2);
});

test('a socket of RPC that takes no more, also when it breaks meanwhile', async (t) => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    sockets.push(socket.pause());
  });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const stream = new TcpTransport().dial('127.0.0.1', typeof address === 'object' ? (address?.port ?? 0) : 0);
  const [opened, drained, closed] = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const handler: StreamHandler = {
    onOpen: opened.resolve,
    onData: () => undefined,
    onDrain: drained.resolve,
    onClose: () => closed.resolve(),
  };
  stream.start(handler);
  await opened.promise;
  const place = WAITS.rpcSocket;
  let sinceMs = performance.now();
  place.record();
  const much = new Uint8Array(32 << 20);
  assert.equal(stream.write(much), false);
  for (const socket of sockets) socket.resume();
  await drained.promise;
  await takeLater(place, sinceMs, 1);

  sinceMs = performance.now();
  place.record();
  for (const socket of sockets) socket.pause();
  assert.equal(stream.write(much), false);
  stream.destroy('enough');
  await closed.promise;
  await takeLater(place, sinceMs, 1);
});
