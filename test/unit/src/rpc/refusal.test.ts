import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Hello } from '../../../../src/rpc/handshake.ts';
import { RpcCluster } from '../../../support/rpc-cluster.ts';
import { helloOf, ReplyBook } from '../../../support/rpc-nodes.ts';

/** Two nodes of which the second says something else of itself. */
async function pair(changes: Partial<Hello>): Promise<RpcCluster> {
  return RpcCluster.start(['a', 'b'], { hello: (nodeId) => (nodeId === 'b' ? changes : {}) });
}

const cases: [string, Partial<Hello>, RegExp][] = [
  ['another protocol version', { protocolVersion: 1 }, /Nodes [ab] and [ab] .*protocol version/],
  ['another cluster', { clusterId: 'cluster-2' }, /Nodes [ab] and [ab] .*cluster id/],
  ['another topology', { topologyDigest: 'digest-2' }, /Nodes [ab] and [ab] .*topology/],
  ['a stranger', { nodeId: 'z' }, /knows no node z|looked for node b .* met node z/],
  ['itself', { nodeId: 'a' }, /its own id/],
];

describe('refusal', () => {
  for (const [what, changes, sentence] of cases) {
    it(`of ${what} is said on both sides`, async () => {
      const { nodes, clock } = await pair(changes);
      for (const node of nodes) {
        assert.ok(node.log.matching(sentence).length > 0, node.log.lines.join('\n'));
      }
      assert.ok(nodes[1].log.matching(/warn Refused by node a/).length > 0, nodes[1].log.lines.join('\n'));
      const book = new ReplyBook();
      const [a] = nodes;
      a.routes.read(1, Buffer.from('key'), 1_000, book, 0);
      assert.equal(a.mesh.peers()[0].state, 'refused');
      assert.match(book.of(0).reason, /node b is refused/);
      assert.match(a.mesh.peers()[0].lastError ?? '', sentence);
      clock.advance(50);
      assert.equal(a.policy.met.length, 0);
    });
  }

  it('is tried again, ever more rarely, and said once on both sides', async () => {
    const { nodes, clock } = await pair({ clusterId: 'cluster-2' });
    const [a, b] = nodes;
    const judged = b.policy.judged;
    clock.advance(80_000);
    const attempts = b.policy.judged - judged;
    assert.ok(attempts >= 4 && attempts <= 17, `${attempts} attempts`);
    assert.equal(a.log.matching(/Refused by node b/).length, 1);
    assert.equal(b.log.matching(/Refused node a/).length, 1);
    b.policy.hello = helloOf('b');
    clock.advance(15_100);
    assert.equal(a.mesh.isUp('b'), true);
    assert.equal(b.mesh.isUp('a'), true);
    // What is past is not shown of a peer that is up.
    assert.deepEqual(
      [a, b].map(({ mesh }) => mesh.peers()[0].lastError),
      [null, null],
    );
  });

  it('gives way to being down when the peer is gone', async () => {
    const { nodes, clock } = await pair({ clusterId: 'cluster-2' });
    nodes[1].server.abort();
    clock.advance(20_000);
    assert.equal(nodes[0].mesh.peers()[0].state, 'down');
  });

  it('by the dialler reaches the listener', async () => {
    const cluster = await RpcCluster.start(['a', 'b']);
    const { nodes, network, clock } = cluster;
    nodes[0].policy.judge = () => 'Nodes a and b do not like each other';
    network.cut((from) => from === 'a');
    clock.advance(200);
    assert.equal(nodes[1].log.matching(/Refused by node a at a:dialled: .*do not like/).length, 1);
    assert.equal(nodes[0].mesh.peers()[0].state, 'refused');
  });

  it('is not needed between nodes that fit: both learn what the other says', async () => {
    const memory = { incarnation: 'a-before', startId: 7, progress: 3, declaredMs: 0 };
    const { nodes } = await pair({ incarnation: 'folder-7', remembered: memory, declaredMs: 5 });
    const [a, b] = nodes;
    const heard = a.policy.met.map(({ incarnation, remembered, declaredMs }) => [
      incarnation,
      remembered,
      declaredMs,
    ]);
    assert.deepEqual(heard, [
      ['folder-7', memory, 5],
      ['folder-7', memory, 5],
    ]);
    assert.deepEqual(
      b.policy.met.map((hello) => hello.nodeId),
      ['a', 'a'],
    );
  });
});
