import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Listeners } from '../../../../src/http/listeners.ts';

test('a connection that cannot be accepted, for want of descriptors, ends nothing', async (t) => {
  const calls = t.mock.method(Server.prototype, 'listen').mock;
  const listeners = new Listeners(createServer());
  await listeners.listen('127.0.0.1', 0);
  const servers = calls.calls.map((call) => call.this as Server);
  assert.ok(servers.length > 0);
  try {
    for (const server of servers)
      server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
  } finally {
    await listeners.close();
  }
});

/** Calls `before` where the `nth` listener begins to listen. @returns those that have begun */
function beforeListener(t: TestContext, nth: number, before: (server: Server, listen: () => void) => void) {
  const servers: Server[] = [];
  const { listen } = Server.prototype;
  t.mock.method(Server.prototype, 'listen', function (this: Server, ...args: Parameters<typeof listen>) {
    servers.push(this);
    const goOn = (): void => void listen.apply(this, args);
    if (servers.length === nth) before(this, goOn);
    else goOn();
    return this;
  });
  return servers;
}

for (const nth of [1, 2, 5, 8]) {
  test(`when listener ${nth} fails none listens, and who got in already is sent away`, async (t) => {
    const server = createServer();
    let isSentAway: Promise<unknown> = Promise.resolve();
    const servers = beforeListener(t, nth, async (failing) => {
      if (nth > 1) {
        const { port } = server.address() as AddressInfo;
        const client = connect(port, '127.0.0.1');
        // Reset or ended: it is away. `once` of node:events would fail at a reset.
        isSentAway = new Promise((resolve) => client.once('close', resolve));
        client.on('error', () => {}).resume();
        const accepted = Promise.race(servers.slice(0, -1).map((each) => once(each, 'connection')));
        await Promise.all([once(client, 'connect'), accepted]);
      }
      failing.emit('error', Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' }));
    });
    await assert.rejects(new Listeners(server).listen('127.0.0.1', 0), { code: 'EADDRINUSE' });
    assert.equal(servers.length, nth);
    assert.deepEqual(
      servers.filter(({ listening }) => listening),
      [],
    );
    await isSentAway;
  });
}

test('a server that is closed while it begins to listen does not listen afterwards', async (t) => {
  const listeners = new Listeners(createServer());
  let closed: Promise<void> = Promise.resolve();
  const servers = beforeListener(t, 3, (_third, listen) => {
    closed = listeners.close();
    listen();
  });
  await assert.rejects(listeners.listen('127.0.0.1', 0), /closed before it listened/);
  await closed;
  assert.deepEqual(
    servers.filter(({ listening }) => listening),
    [],
  );
});
