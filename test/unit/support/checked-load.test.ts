import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { CheckedLoad } from '../../support/checked-load.ts';
import { HttpClient } from '../../support/http.ts';
import { until } from '../../support/until.ts';

type Handler = (key: string, response: ServerResponse) => boolean;

/** A store in one process that a test makes lie: `handler` may answer a request in its place. */
class LyingStore implements AsyncDisposable {
  readonly values = new Map<string, string>();
  readonly client = new HttpClient();
  readonly load: CheckedLoad;
  onGet: Handler = () => false;
  onPut: Handler = () => false;
  readonly #server: Server;

  private constructor(server: Server, keys: number) {
    this.#server = server;
    server.on('request', (request, response) => void this.#answer(request, response));
    this.load = new CheckedLoad(this.client, {
      ports: [(server.address() as AddressInfo).port],
      getsPerSecond: 400,
      putsPerSecond: 200,
      keys,
      quorum: { ack: 2, from: 3 },
      seed: 3,
    });
  }

  static async start(keys: number, onPut: Handler = () => false): Promise<LyingStore> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const store = new LyingStore(server, keys);
    store.onPut = onPut;
    await store.load.start();
    return store;
  }

  /** Resolves with what the load finds wrong, as soon as there is something. */
  async firstFault(): Promise<string> {
    const faults = (): string[] => this.load.faults(0, Number.POSITIVE_INFINITY);
    await until(
      () => faults().length > 0,
      30_000,
      () => 'nothing was found',
    );
    return faults()[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.load[Symbol.asyncDispose]();
    this.client[Symbol.dispose]();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const key = new URL(request.url ?? '', 'http://x').searchParams.get('id') ?? '';
    if (request.method === 'GET') {
      if (!this.onGet(key, response)) response.end(this.values.get(key));
      return;
    }
    const value = await text(request);
    if (this.onPut(key, response)) return;
    this.values.set(key, value);
    response.writeHead(201).end();
  }
}

describe('a checked load', () => {
  test('finds nothing wrong with a store that is right, and measures both kinds of requests', async () => {
    await using store = await LyingStore.start(20);
    const { load } = store;
    await until(
      () => load.latencies('PUT', 0, Number.POSITIVE_INFINITY).count >= 60,
      30_000,
      () => 'too few requests',
    );
    assert.deepEqual(load.faults(0, Number.POSITIVE_INFINITY), []);
    const { count, maxMs, p50Ms, p99Ms } = load.latencies('GET', 0, Number.POSITIVE_INFINITY);
    assert.ok(count > 0 && 0 < p50Ms && p50Ms <= p99Ms && p99Ms <= maxMs, `${[count, p50Ms, p99Ms, maxMs]}`);
    assert.equal(load.latencies('GET', 0, 1e-9).count, 0);
  });

  test('begins once each key is written: a write that failed is made again', async () => {
    let toRefuse = 15;
    await using store = await LyingStore.start(
      10,
      (_, response) => toRefuse-- > 0 && response.writeHead(504).end('too late') !== undefined,
    );
    assert.equal(store.values.size, 10);
    assert.ok(toRefuse <= -10, 'every key was written');
  });

  test('finds a value that an acknowledged write had replaced', async () => {
    await using store = await LyingStore.start(1);
    const [[, first]] = store.values;
    await until(
      () => store.values.get('key0') !== first,
      30_000,
      () => 'nothing is written',
    );
    store.onGet = (_, response) => response.end(first) !== undefined;
    assert.match(
      await store.firstFault(),
      /^GET .*key0=1 was read after key0=\d+ was acknowledged( or read)?$/,
    );
  });

  test('finds a value that nobody wrote, one of another key, and none', async () => {
    for (const [answer, found] of [
      ['key0=1000000', /key0=1000000 was read and never written$/],
      ['key7=1', /key0 was read as key7=1$/],
      ['', /key0 was read as $/],
    ] as const) {
      await using store = await LyingStore.start(1);
      store.onGet = (_, response) => response.end(answer) !== undefined;
      assert.match(await store.firstFault(), found);
      assert.ok(store.load.falseAnswers(0, Number.POSITIVE_INFINITY) > 0);
    }
  });

  test('finds a refusal, and an answer that never comes', async () => {
    for (const method of ['onGet', 'onPut'] as const) {
      await using store = await LyingStore.start(3);
      store[method] = (_, response) => response.writeHead(504).end('too few') !== undefined;
      assert.match(await store.firstFault(), /504 too few$/);
      assert.equal(store.load.falseAnswers(0, Number.POSITIVE_INFINITY), 0, 'it was no answer');
    }
    await using store = await LyingStore.start(3);
    store.onGet = (_, response) => response.destroy() !== undefined;
    assert.match(await store.firstFault(), /^GET .*no answer: /);
  });

  test('goes on while answers hang, and counts these with the time that they hang', async () => {
    await using store = await LyingStore.start(3);
    const held: ServerResponse[] = [];
    store.onGet = (_, response) => held.push(response) > 0;
    await until(
      () => held.length > 40,
      30_000,
      () => `only ${held.length} were sent while none was answered`,
    );
    const heldMs = performance.now();
    for (const response of held.splice(0)) response.writeHead(504).end();
    store.onGet = () => false;
    await store.load.settled();
    const { maxMs } = store.load.latencies('GET', 0, heldMs);
    assert.ok(maxMs > 50, `40 requests at 400 a second, none answered, and the longest took ${maxMs} ms`);
  });

  test('knows for how long its own process did not run', async () => {
    await using store = await LyingStore.start(3);
    const startMs = performance.now();
    while (performance.now() - startMs < 60);
    await until(
      () => store.load.longestStallMs(startMs, Number.POSITIVE_INFINITY) > 0,
      30_000,
      () => 'it noticed nothing',
    );
    const stallMs = store.load.longestStallMs(startMs, Number.POSITIVE_INFINITY);
    assert.ok(stallMs >= 50, `${stallMs} ms instead of 60`);
    assert.equal(store.load.longestStallMs(0, startMs), 0);
  });
});
