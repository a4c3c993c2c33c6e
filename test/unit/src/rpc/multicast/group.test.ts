import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { groupOf, interfaceOf } from '../../../../../src/rpc/multicast/group.ts';

const PORT = 19_334;

describe('groups', () => {
  it('are the same for all who ask, and others for other clusters, nodes and ports', () => {
    // Other builds compute the same.
    assert.deepEqual(groupOf('shop', 'berlin-1', PORT), { address: '239.255.131.56', port: 27_899 });
    const groups = [
      groupOf('shop', 'berlin-1', PORT),
      groupOf('shop', 'berlin-2', PORT),
      groupOf('other', 'berlin-1', PORT),
      groupOf('shop', 'berlin-1', PORT + 1),
    ];
    assert.equal(new Set(groups.map(({ address, port }) => `${address}:${port}`)).size, groups.length);
  });

  it('are in the range for a site, at ports that no system gives to clients', () => {
    for (let i = 0; i < 200; i++) {
      const { address, port } = groupOf('shop', `node-${i}`, PORT);
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
    assert.equal(interfaceOf('0.0.0.0'), undefined);
    assert.equal(interfaceOf('::'), undefined);
    assert.equal(interfaceOf('fd00::7'), undefined);
  });
});
