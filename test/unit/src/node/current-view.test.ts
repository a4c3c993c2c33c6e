import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '../../../../src/clock.ts';
import { CurrentView, type WayToReplicas } from '../../../../src/node/current-view.ts';
import type { ReplicaReply } from '../../../../src/reply.ts';
import { RpcMesh } from '../../../../src/rpc/mesh.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { MemoryNetwork } from '../../../../src/simulation/memory-network.ts';
import { viewOf } from '../../../support/cluster-view.ts';
import { credentialsOf } from '../../../support/rpc-handshake.ts';
import { helloOf, KeptLog, TestPolicy } from '../../../support/rpc-nodes.ts';

function setUp(nodeIds: readonly string[], wayTo?: WayToReplicas) {
  const clock = new FakeClock();
  const mesh = new RpcMesh({
    policy: new TestPolicy(helloOf('a'), nodeIds),
    credentials: credentialsOf(),
    transport: new MemoryNetwork(clock, systemRandom).transport('a'),
    clock,
    random: systemRandom,
    log: new KeptLog(),
    requestTimeoutMs: 1_000,
  });
  const readHere: number[] = [];
  const local = {
    read: (_key: Uint8Array, _sink: unknown, position: number) => void readHere.push(position),
    readVersion: () => undefined,
    write: () => undefined,
  };
  return { readHere, mesh, cluster: new CurrentView(viewOf(nodeIds), 'a', local, mesh, wayTo) };
}

test('it tells which nodes there are, and the mesh knows the others as its peers', () => {
  const { cluster, mesh } = setUp(['b', 'a', 'c']);
  assert.deepEqual(cluster.peerIds, ['b', 'c']);
  assert.deepEqual([cluster.has('a'), cluster.has('c'), cluster.has('d')], [true, true, false]);
  cluster.replace(viewOf(['d', 'c', 'a'], 2));
  assert.deepEqual(cluster.peerIds, ['d', 'c']);
  assert.deepEqual([cluster.has('b'), cluster.has('d')], [false, true]);
  assert.deepEqual(cluster.slotOwners.nodeIds, ['d', 'c', 'a']);
  assert.deepEqual(
    mesh.peers().map(({ id }) => id),
    ['d', 'c'],
  );
});

test('a view that is not newer changes nothing, whatever is in it', () => {
  const { cluster } = setUp(['a', 'b']);
  const third = viewOf(['a', 'b', 'c'], 3);
  cluster.replace(third);
  const { current, slotOwners } = cluster;
  for (const epoch of [1, 2, 3]) cluster.replace(viewOf(['a'], epoch));
  // Not compared by assert.equal, which would print the preference lists.
  assert.ok(cluster.view === third);
  assert.ok(cluster.current === current);
  assert.ok(cluster.slotOwners === slotOwners, 'a round goes on with the owners of its view');
});

test('the replica on this node is where each view has it, and nowhere in a view without it', () => {
  const { cluster, readHere } = setUp(['a', 'b']);
  const key = Buffer.from('key');
  const elsewhere: string[] = [];
  const sink = {
    onReply: (position: number, { reason }: ReplicaReply) => void elsewhere.push(`${position}: ${reason}`),
  };
  const before = cluster.current;
  cluster.replace(viewOf(['b', 'a'], 2));
  const turned = cluster.current;
  cluster.replace(viewOf(['b', 'c'], 3));
  before.read(0, key, 100, sink, 10);
  turned.read(1, key, 100, sink, 11);
  assert.deepEqual(readHere, [10, 11]);
  for (const node of [0, 1]) cluster.current.read(node, key, 100, sink, node);
  assert.deepEqual(readHere, [10, 11]);
  assert.deepEqual(elsewhere, ['0: not yet connected to the peer', '1: not yet connected to the peer']);
});

test('each view has its own way to the peers, where another way than RPC is given', () => {
  const asked: string[] = [];
  const { cluster, readHere } = setUp(['a', 'b'], ({ peers }) => ({
    read: (node) => void asked.push(`${peers[node]?.nodeId} of ${peers.length}`),
    readVersion: () => undefined,
    write: () => null,
  }));
  const key = Buffer.from('key');
  const sink = { onReply: () => assert.fail('nobody answers') };
  const before = cluster.current;
  cluster.replace(viewOf(['c', 'b', 'a'], 2));
  before.read(1, key, 100, sink, 0);
  for (const node of [0, 1, 2]) cluster.current.read(node, key, 100, sink, node);
  assert.deepEqual(asked, ['b of 2', 'c of 3', 'b of 3']);
  assert.deepEqual(readHere, [2]);
});
