import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { FreshConnections } from '../../../../bench/overload/fresh-connections.ts';
import type { Load } from '../../../../bench/overload/load.ts';
import { LoadGenerator } from '../../../../bench/overload/load-generator.ts';

async function serve(listener: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

function load(port: number, changes: Partial<Load> = {}): Load {
  const shape = { method: 'PUT', connections: 4, ratePerSecond: 0, valueBytes: 100_000, keys: 10 } as const;
  const manners = { heedsRetryAfter: false };
  const times = { deadlineMs: 200, warmUpSeconds: 0.05, seconds: 0.5 };
  return { port, scanEntries: 2, ...shape, ...manners, ...times, ...changes };
}

test('each kind of answer is counted as what it is', async () => {
  let requests = 0;
  const { server, port } = await serve((request, response) => {
    const kind = requests++ % 6;
    if (kind === 0) request.socket.destroy();
    else if (kind === 1) response.writeHead(503, { Connection: 'close', 'Content-Length': 3 }).end('now');
    else {
      const answer = (status: number): void => {
        response.writeHead(status, { 'Content-Length': 0 }).end();
      };
      request.resume().on('end', () => {
        if (kind === 2) setTimeout(answer, 250, 201);
        else answer(kind === 3 ? 504 : kind === 4 ? 413 : 201);
      });
    }
  });
  const run = () => new LoadGenerator(load(port, { seconds: 1.5 })).run();
  let result = await run();
  // A busy machine may have none of a kind in so short a time; a kind that is not counted is missing each time.
  for (let tries = 1; tries < 10 && Object.values(result.answers).includes(0); tries++) result = await run();
  server.close();
  const { answers, goodBytes, p99Ms } = result;
  for (const [kind, number] of Object.entries(answers)) assert.ok(number > 0, `${kind}: ${number}`);
  assert.equal(goodBytes, answers.good * 100_000);
  assert.ok(p99Ms >= 250, `${p99Ms}`);
});

test('a rate is an upper bound: what finds no connection free is not sent later', async () => {
  let asked = 0;
  const { server, port } = await serve((_request, response) => {
    asked++;
    setTimeout(() => response.end('x'), 100);
  });
  const slow = load(port, { method: 'GET', connections: 2, ratePerSecond: 1000, warmUpSeconds: 0 });
  const { answers, goodBytes } = await new LoadGenerator(slow).run();
  server.close();
  // Two at a time, 100 ms each, for half a second.
  assert.ok(asked <= 12, `${asked}`);
  assert.ok(answers.good >= 2 && answers.good <= asked, `${answers.good}`);
  assert.equal(goodBytes, answers.good);
});

test('a refused client comes back at once, or when it is asked to', async () => {
  const { server, port } = await serve((_request, response) => {
    response.writeHead(503, { 'Retry-After': '1', 'Content-Length': 0 }).end();
  });
  const refused = async (heedsRetryAfter: boolean): Promise<number> => {
    const changes = { method: 'GET', connections: 4, heedsRetryAfter, warmUpSeconds: 0 } as const;
    return (await new LoadGenerator(load(port, changes)).run()).answers.status503;
  };
  assert.ok((await refused(false)) > 8);
  assert.equal(await refused(true), 4, 'one each within half a second');
  server.close();
});

test('an answer without a length ends with its connection', async () => {
  const { server, port } = await serve((request, response) => {
    assert.equal(request.httpVersion, '1.0');
    response.write('abc');
    response.end('defg');
  });
  const { answers, goodBytes } = await new LoadGenerator(load(port, { method: 'SCAN' })).run();
  server.close();
  assert.ok(answers.good > 4);
  assert.equal(answers.broken, 0);
  assert.equal(goodBytes, answers.good * 7);
});

test('fresh connections that are never answered count with what they have waited', async () => {
  let asked = 0;
  const { server, port } = await serve((_request, response) => {
    if (asked++ % 2 === 0) response.end('{}');
  });
  const result = await new FreshConnections({ port, perSecond: 40, warmUpSeconds: 0, seconds: 0.5 }).run();
  server.closeAllConnections();
  server.close();
  assert.ok(result.answered >= 5, `${result.answered}`);
  assert.ok(result.maxMs > 300, `${result.maxMs}`);
});
