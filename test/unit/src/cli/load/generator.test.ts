/** The generator over real sockets, against servers that do what they are told. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Generator } from '../../../../../src/cli/load/generator.ts';
import { sharesOf } from '../../../../../src/cli/load/operation-mix.ts';
import { divide, type LoadPlan } from '../../../../../src/cli/load/plan.ts';
import { LoadRecorder, type LoadResult } from '../../../../../src/cli/load/result.ts';
import { systemClock } from '../../../../../src/clock.ts';
import { loadPlan } from '../../../../support/load-plan.ts';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

async function listening(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function planFor(port: number, changes: Partial<LoadPlan> = {}): LoadPlan {
  const targets = [{ host: '127.0.0.1', port }];
  return loadPlan({ targets, connections: 8, durationMs: 300, keys: 100, seed: 4711, ...changes });
}

async function run(plan: LoadPlan, signal = new AbortController().signal): Promise<LoadResult> {
  const recorder = new LoadRecorder(plan);
  const [part] = divide(plan);
  await new Generator(part, systemClock, (second) => recorder.add(second)).run(signal);
  return recorder.result(0, signal.aborted);
}

async function against(
  listener: Listener,
  changes: Partial<LoadPlan> = {},
  onStart: () => void = () => undefined,
  signal?: AbortSignal,
): Promise<LoadResult> {
  const server = createServer(listener);
  const port = await listening(server);
  try {
    const plan = planFor(port, changes);
    onStart();
    return await run(plan, signal);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** By how much the spectrum of a load whose server stalls for half a second is at most beside that of a plain model. */
async function offTheModelMs(): Promise<number> {
  const rate = 100;
  const durationMs = 2_000;
  const arrivedMs: number[] = [];
  const answeredMs: number[] = [];
  const held: ServerResponse[] = [];
  const answer = (response: ServerResponse): void => {
    answeredMs.push(performance.now());
    response.end('x');
  };
  let isStalled = false;
  const listener: Listener = (_request, response) => {
    arrivedMs.push(performance.now());
    if (isStalled) held.push(response);
    else answer(response);
  };
  const plan = { ratePerSecond: rate, connections: 16, durationMs };
  const result = await against(listener, plan, () => {
    setTimeout(() => {
      isStalled = true;
    }, 500);
    setTimeout(() => {
      isStalled = false;
      for (const waiting of held) answer(waiting);
    }, 1_000);
  });
  const { errors, latency, requests } = result.tally;
  assert.deepEqual([requests, errors], [(rate * durationMs) / 1_000, 0]);
  // None arrives before its time, and some do at once.
  const startMs = Math.min(...arrivedMs.map((atMs, i) => atMs - (i * 1_000) / rate));
  // The i-th answer is that of the i-th request, which was due at its time.
  const model = answeredMs.map((atMs, i) => Math.max(atMs - startMs - (i * 1_000) / rate, 0));
  model.sort((a, b) => a - b);
  assert.ok(
    model.filter((ms) => ms > 100).length >= 0.35 * rate,
    'those that were due in the stall have waited',
  );
  const offMs = [50, 80, 85, 90, 95, 99, 100].map((percentile) => {
    const expectedMs = model[Math.ceil((percentile / 100) * model.length) - 1];
    return Math.abs(latency.getValueAtPercentile(percentile) / 1_000 - expectedMs);
  });
  return Math.max(...offMs);
}

test('a stall of the server is in the spectrum in full: all that was due meanwhile has waited', async () => {
  // On a busy machine an answer may come late to a generator; one that leaves a stall out does so each time.
  let leastMs = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 5 && leastMs >= 40; tries++) leastMs = Math.min(leastMs, await offTheModelMs());
  assert.ok(leastMs < 40, `${leastMs} ms off the model and more`);
});

test('the same seed sends the same requests in the same order, another one others', async () => {
  const sequence = async (seed: number): Promise<string[]> => {
    const seen: string[] = [];
    const shares = sharesOf({ get: 1, put: 1, delete: 1 });
    const enough = new AbortController();
    await against(
      (request, response) => {
        seen.push(`${request.method} ${request.url}`);
        if (seen.length === 20) enough.abort();
        request.resume();
        response.end();
      },
      { connections: 1, durationMs: 60_000, seed, shares },
      undefined,
      enough.signal,
    );
    return seen.slice(0, 20);
  };
  const first = await sequence(1);
  assert.equal(first.length, 20);
  assert.deepEqual(await sequence(1), first);
  assert.notDeepEqual(await sequence(2), first);
});

test('each kind of answer, and of none, counts as what it is', async () => {
  let asked = 0;
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => {
      switch (asked++ % 5) {
        case 0:
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
          break;
        case 1:
          socket.write('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
          break;
        case 2:
          socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
          break;
        case 3:
          socket.write('hello\r\n');
          break;
        default:
          socket.destroy();
      }
    });
  });
  const port = await listening(server);
  const { tally } = await run(planFor(port, { connections: 2 }));
  server.close();
  const { failures, statuses, unanswered } = tally.counts;
  for (const status of [200, 404, 503]) assert.ok(statuses[status] > 0, `${status}`);
  assert.ok(failures.malformed > 0 && failures.broken > 0, JSON.stringify(failures));
  assert.deepEqual([failures.refused, unanswered], [0, 0]);
  assert.equal(tally.good, statuses[200] + statuses[404]);
  assert.equal(tally.errors, statuses[503] + failures.malformed + failures.broken);
});

test('a load that is ended early counts what had no answer with the time it has waited', async () => {
  const stop = new AbortController();
  const server = createServer(() => undefined);
  const port = await listening(server);
  setTimeout(() => stop.abort(), 150);
  const { isCut, tally } = await run(planFor(port, { durationMs: 60_000, connections: 3 }), stop.signal);
  server.closeAllConnections();
  server.close();
  assert.equal(isCut, true);
  assert.equal(tally.counts.unanswered, 3);
  assert.ok(tally.latency.minNonZeroValue >= 100_000, `${tally.latency.minNonZeroValue}`);
});

test('where nothing listens every request is refused, and not tried again at once', async () => {
  const { counts, requests } = (await run(planFor(1))).tally;
  assert.deepEqual([counts.failures.refused, counts.failures.broken], [requests, 0]);
  assert.ok(requests >= 8 && requests <= 8 * 5, `${requests}`);
});

test('a read-modify-write is one request to its end: a read, then a write of the same key', async () => {
  const seen: string[] = [];
  const result = await against(
    (request, response) => {
      seen.push(`${request.method} ${request.url}`);
      request.resume();
      response.end();
    },
    { connections: 1, shares: sharesOf({ readModifyWrite: 1 }) },
  );
  assert.equal(result.tally.requests, Math.floor(seen.length / 2));
  for (let i = 0; i + 1 < seen.length; i += 2) assert.equal(seen[i + 1], seen[i].replace('GET', 'PUT'));
});

test('no thread asks for a key before its insert was acknowledged, whatever the others insert', async () => {
  const written = new Set<string>();
  const early: string[] = [];
  let [inserts, reads] = [0, 0];
  const enough = new AbortController();
  const server = createServer((request, response) => {
    request.resume();
    const key = request.url ?? '';
    if (reads > 100 && inserts > 100) enough.abort();
    if (request.method === 'GET') {
      reads++;
      const number = Number(/id=key(\d+)/.exec(key)?.[1]);
      if (number > 10 && !written.has(key)) early.push(key);
      response.end();
      return;
    }
    // Some take long, and some fail.
    const kind = ++inserts % 4;
    setTimeout(
      () => {
        if (kind !== 3) written.add(key);
        response.writeHead(kind === 3 ? 503 : 201).end();
      },
      kind === 0 ? 30 : 1,
    );
  });
  const port = await listening(server);
  const shares = sharesOf({ get: 1, insert: 1 });
  const plan = planFor(port, {
    durationMs: 60_000,
    keys: 10,
    threads: 2,
    shares,
    keyChoice: 'latest',
    connections: 8,
  });
  const read = new LoadRecorder(plan);
  await Promise.all(
    divide(plan).map((part) =>
      new Generator(part, systemClock, (second) => read.add(second)).run(enough.signal),
    ),
  );
  server.closeAllConnections();
  server.close();
  assert.ok(read.tally.requests > 100 && written.size > 20, `${read.tally.requests} ${written.size}`);
  assert.deepEqual(early, []);
});
