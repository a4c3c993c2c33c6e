import assert from 'node:assert/strict';
import { createServer, Server } from 'node:net';
import { describe, it, mock } from 'node:test';
import { checkAddresses, chooseFreePorts, chooseRpcPorts } from '../../../../../src/cli/serve/ports.ts';

describe('ports', () => {
  it('are chosen free and all different', async () => {
    const ports = await chooseFreePorts('127.0.0.1', 8);
    assert.equal(new Set(ports).size, 8);
    const addresses = ports.map((port) => ({ host: '127.0.0.1', port }));
    await checkAddresses(addresses, 'with --port');
    // Checking has not kept them.
    await checkAddresses(addresses, 'with --port');
  });

  it('for RPC are chosen while those for HTTP are listened on, so that the system gives no port to both', async () => {
    const http = (await chooseFreePorts('127.0.0.1', 2)).map((port) => ({ host: '127.0.0.1', port }));
    const open: Server[] = [];
    const listened: number[] = [];
    const { close, listen } = Server.prototype;
    mock.method(Server.prototype, 'listen', function (this: Server, ...args: Parameters<typeof listen>) {
      open.push(this);
      listened.push(open.length);
      return listen.apply(this, args);
    });
    mock.method(Server.prototype, 'close', function (this: Server, ...args: Parameters<typeof close>) {
      open.splice(open.indexOf(this), 1);
      return close.apply(this, args);
    });
    try {
      const ports = await chooseRpcPorts(http, 'with --port');
      assert.equal(new Set([...ports, ...http.map(({ port }) => port)]).size, 4);
      assert.deepEqual(listened, [1, 2, 3, 4], 'none was closed before the last was open');
      assert.equal(open.length, 0);
    } finally {
      mock.restoreAll();
    }
  });

  it('in use are named, with what to do', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      await assert.rejects(checkAddresses([{ host: '127.0.0.1', port }], 'with --port'), {
        code: 'ADDRESS_IN_USE',
        message: `port ${port} of 127.0.0.1 is in use: stop what listens there or choose another with --port`,
      });
    } finally {
      server.close();
    }
  });

  it('of another machine are refused', async () => {
    // TEST-NET-1: an address that no machine has.
    await assert.rejects(chooseFreePorts('192.0.2.1', 1), {
      code: 'INVALID_CONFIG',
      message: '192.0.2.1 is no address of this machine: choose one of its own with --host',
    });
  });
});
