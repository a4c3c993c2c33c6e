import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { localTarget, topologyTarget } from '../../../../../src/cli/fill/target.ts';

let parent = '';
let data = '';
let file = '';

beforeEach(() => {
  parent = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-fill-'));
  data = path.join(parent, 'data');
  file = path.join(parent, 'topology.json');
});

afterEach(() => {
  fs.rmSync(parent, { recursive: true });
});

function writeTopology(): void {
  const nodes = ['rome', 'bern', 'oslo'].map((id, i) => ({
    id,
    http: `10.0.0.${i + 1}:1`,
    rpc: `10.0.0.${i + 1}:2`,
    zone: `zone-${i}`,
    weight: i + 1,
  }));
  fs.writeFileSync(file, JSON.stringify({ cluster: 'shop', placement: 'spread', nodes }));
}

describe('what is filled', () => {
  it('is every node of a cluster on this machine', () => {
    const target = localTarget(2, data);
    assert.deepEqual(target.folders, [
      { nodeId: 'node-1', directory: path.join(data, 'node-1') },
      { nodeId: 'node-2', directory: path.join(data, 'node-2') },
    ]);
    assert.deepEqual([target.filled, target.policy, target.nodes.length], [[0, 1], 'any', 2]);
    assert.deepEqual(fs.readdirSync(parent), []);
    const made = target.open();
    const { clusterId } = JSON.parse(fs.readFileSync(path.join(data, 'cluster.json'), 'utf8'));
    assert.deepEqual([made, target.open()], [clusterId, clusterId]);
  });

  it('is not a cluster of another size', () => {
    localTarget(2, data).open();
    assert.throws(() => localTarget(3, data), { code: 'FOREIGN_DIRECTORY' });
  });

  it('is every node of a topology, in the order of its nodes', () => {
    writeTopology();
    const target = topologyTarget(file, undefined, data);
    assert.deepEqual(
      target.folders.map(({ nodeId }) => nodeId),
      ['bern', 'oslo', 'rome'],
    );
    assert.deepEqual(target.nodes[1], { id: 'oslo', zone: 'zone-2', weight: 3 });
    assert.deepEqual([target.filled, target.policy, target.open()], [[0, 1, 2], 'spread', 'shop']);
    assert.deepEqual(fs.readdirSync(parent), ['topology.json']);
  });

  it('is the one node of a topology that was named', () => {
    writeTopology();
    const target = topologyTarget(file, 'rome', data);
    assert.deepEqual(target.folders, [{ nodeId: 'rome', directory: path.join(data, 'rome') }]);
    assert.deepEqual([target.filled, target.nodes.length], [[2], 3]);
  });

  it('is not a node that the topology does not list', () => {
    writeTopology();
    assert.throws(() => topologyTarget(file, 'paris', data), {
      code: 'INVALID_TOPOLOGY',
      message: /lists no node paris: name one of bern, oslo, rome with --node$/,
    });
  });

  it('is nothing when the topology cannot be read', () => {
    assert.throws(() => topologyTarget(file, undefined, data), { code: 'INVALID_TOPOLOGY' });
    fs.writeFileSync(file, '{"nodes": []}');
    assert.throws(() => topologyTarget(file, undefined, data), { code: 'INVALID_TOPOLOGY' });
  });
});
