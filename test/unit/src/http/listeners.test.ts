import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { Server } from 'node:net';
import { test } from 'node:test';
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
