import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { checkAddresses, chooseFreePorts } from '../../../../../src/cli/serve/ports.ts';

describe('ports', () => {
  it('are chosen free and all different', async () => {
    const ports = await chooseFreePorts('127.0.0.1', 8);
    assert.equal(new Set(ports).size, 8);
    const addresses = ports.map((port) => ({ host: '127.0.0.1', port }));
    await checkAddresses(addresses, 'with --port');
    // Checking has not kept them.
    await checkAddresses(addresses, 'with --port');
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
