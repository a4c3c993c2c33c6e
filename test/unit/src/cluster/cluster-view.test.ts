import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterView } from '../../../../src/cluster/cluster-view.ts';
import { Placement } from '../../../../src/cluster/placement.ts';
import { slotOf } from '../../../../src/cluster/slots.ts';
import type { Topology } from '../../../../src/cluster/topology.ts';

const address = { host: '127.0.0.1', port: 7_000 };

function node(id: string, zone: string) {
  return { id, zone, weight: 1, http: address, rpc: address };
}

function topology(...nodes: Topology['nodes']): Topology {
  return { cluster: 'c', placement: 'spread', nodes };
}

test('a view names its nodes by index, and finds the index of an id', () => {
  const view = new ClusterView(topology(node('a', 'east'), node('b', 'west'), node('c', 'east')), 7);
  assert.equal(view.epoch, 7);
  assert.deepEqual(
    view.nodes.map(({ id, zone }) => [id, zone, view.indexOf(id)]),
    [
      ['a', 'east', 0],
      ['b', 'west', 1],
      ['c', 'east', 2],
    ],
  );
  assert.equal(view.indexOf('d'), -1);
  assert.equal(view.indexOf('constructor'), -1);
});

test('who holds a key is a matter of the nodes, and not of where a view has them', () => {
  const nodes = [node('a', 'east'), node('b', 'west'), node('c', 'east')];
  const view = new ClusterView(topology(...nodes), 1);
  const turned = new ClusterView(topology(nodes[2], nodes[0], nodes[1]), 2);
  const preferred = ({ nodes, placement }: ClusterView, key: string): string[] => {
    const offset = placement.listOffset(slotOf(Buffer.from(key)));
    return Array.from(placement.lists.subarray(offset, offset + placement.maxFrom), (at) => nodes[at].id);
  };
  for (let i = 0; i < 100; i++) assert.deepEqual(preferred(turned, `key${i}`), preferred(view, `key${i}`));
  const asTopology = new Placement(nodes, 'spread');
  const offset = asTopology.listOffset(slotOf(Buffer.from('key1')));
  assert.deepEqual(
    Array.from(asTopology.lists.subarray(offset, offset + 3), (at) => nodes[at].id),
    preferred(view, 'key1'),
  );
});

test('a view stays as it is, whatever becomes of the topology that it was made of', () => {
  const changing = [node('a', 'east'), node('b', 'west')];
  const view = new ClusterView(topology(...changing), 1);
  changing[0].zone = 'north';
  changing.pop();
  assert.deepEqual(
    view.nodes.map(({ id, zone }) => `${id} in ${zone}`),
    ['a in east', 'b in west'],
  );
  assert.throws(() => Object.assign(view, { epoch: 2 }), TypeError);
  assert.throws(() => Object.assign(view.nodes[0], { zone: 'north' }), TypeError);
  assert.throws(() => (view.nodes as unknown[]).push(node('c', 'east')), TypeError);
});
