import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { groupOf, interfaceOf } from '../../../../../src/rpc/multicast/group.ts';

const HERE = { host: '127.0.0.1', port: 19_334 };

describe('groups', () => {
  it('are the same for all who ask, and others for other clusters, nodes and addresses', () => {
    // Other builds compute the same.
    assert.deepEqual(groupOf('shop', 'berlin-1', HERE), { address: '239.255.67.5', port: 23_007 });
    const groups = [
      groupOf('shop', 'berlin-1', HERE),
      groupOf('shop', 'berlin-2', HERE),
      groupOf('other', 'berlin-1', HERE),
      groupOf('shop', 'berlin-1', { ...HERE, port: 19_335 }),
      groupOf('shop', 'berlin-1', { ...HERE, host: '127.0.0.2' }),
    ];
    assert.equal(new Set(groups.map(({ address, port }) => `${address}:${port}`)).size, groups.length);
  });

  it('are in the range for a site, at ports that no system gives to clients', () => {
    for (let i = 0; i < 200; i++) {
      const { address, port } = groupOf('shop', `node-${i}`, HERE);
      assert.match(address, /^239\.255\.\d{1,3}\.\d{1,3}$/);
      assert.ok(port >= 20_000 && port < 32_000, `${port}`);
    }
  });

  it('are reached by the interface of the RPC address, where it names one', () => {
    assert.equal(interfaceOf('10.0.0.7'), '10.0.0.7');
    assert.equal(interfaceOf('127.0.0.1'), '127.0.0.1');
    assert.equal(interfaceOf('localhost'), '127.0.0.1');
    assert.equal(interfaceOf('::1'), '127.0.0.1');
    assert.equal(interfaceOf('node-1.example'), undefined);
    assert.equal(interfaceOf('fd00::7'), undefined);
  });
});
