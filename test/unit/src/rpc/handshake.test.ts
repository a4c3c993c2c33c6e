import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Hello, judgeAddress, judgeHello, judgeProtocol } from '../../../../src/rpc/handshake.ts';
import { helloOf } from '../../../support/rpc-nodes.ts';

const local = helloOf('n1');
const isMember = (nodeId: string) => nodeId === 'n1' || nodeId === 'n2';

function judge(changes: Partial<Hello>): string {
  const sentence = judgeHello(local, helloOf('n2', changes), isMember);
  assert.notEqual(sentence, null);
  return sentence ?? '';
}

describe('handshake', () => {
  it('takes a node of the same cluster, topology and version', () => {
    const remembered = { incarnation: 'x', startId: 1, progress: 1, declaredMs: 0 };
    const remote = helloOf('n2', { incarnation: 'other', features: 0, maxValueBytes: 1, remembered });
    assert.equal(judgeProtocol(local, remote), null);
    assert.equal(judgeHello(local, remote, isMember), null);
    assert.equal(judgeAddress(local, remote, 'n2', 'host:1'), null);
  });

  it('names both nodes and what differs', () => {
    assert.match(judge({ clusterId: 'cluster-2' }), /n1 and n2 .*cluster id.*cluster-1.*cluster-2/);
    assert.match(judge({ topologyDigest: 'digest-2' }), /n1 and n2 .*topology.*digest-1.*digest-2/);
    const version = judgeProtocol(local, helloOf('n2', { protocolVersion: 1 }));
    assert.match(version ?? '', /n1 and n2 .*protocol version.*n1 has 4, n2 has 1/);
  });

  it('refuses a node that asks replicas by another protocol', () => {
    const sentence =
      'Nodes n1 and n2 differ in peer protocol: n1 has rpc, n2 has http; every node of a cluster must be given the same --peer-protocol';
    assert.equal(judge({ peerHttpPort: 40_123 }), sentence);
    const overHttp = helloOf('n1', { peerHttpPort: 40_124 });
    assert.equal(judgeHello(overHttp, helloOf('n2', { peerHttpPort: 40_123 }), isMember), null);
    assert.match(judgeHello(overHttp, helloOf('n2'), isMember) ?? '', /n1 has http, n2 has rpc/);
  });

  it('refuses strangers and a node of its own name', () => {
    assert.match(judge({ nodeId: 'n7' }), /n1 knows no node n7/);
    assert.match(judge({ nodeId: 'n1' }), /its own id/);
  });

  it('lets the dialler notice that another node answers', () => {
    assert.match(
      judgeAddress(local, helloOf('n2'), 'n3', 'host:1') ?? '',
      /n1 looked for node n3 at host:1 and met node n2/,
    );
    assert.equal(judgeAddress(local, helloOf('n1'), 'n3', 'host:1'), null);
    assert.equal(judgeAddress(local, helloOf('n2', { clusterId: 'else' }), 'n3', 'host:1'), null);
  });
});
