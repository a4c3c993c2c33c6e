import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../../src/clock.ts';
import { Conditions } from '../../../../src/conditions.ts';
import { silentLog } from '../../../../src/log.ts';
import { createHandshakePolicy } from '../../../../src/node/handshake.ts';
import { FolderWholeness } from '../../../../src/replica/folder-wholeness.ts';
import type { Identity } from '../../../../src/replica/identity-file.ts';
import { IdentityStore } from '../../../../src/replica/identity-store.ts';
import { FailingDisk } from '../../../support/failing-disk.ts';

async function node(nodeId: string, topologyDigest = 'digest', clusterId = 'test', peerHttpPort = 0) {
  const identity: Identity = {
    clusterId,
    nodeId,
    incarnation: `${nodeId}-1`,
    createdMs: 0,
    whole: 'unproven',
    declaredMs: nodeId === 'b' ? 5 : 0,
    missing: null,
    clockCeiling: 0,
    newestTimestamp: 0,
    history: { progress: 4, starts: [{ id: 9, from: 4 }] },
    remembered: {},
  };
  const disk = new FailingDisk();
  disk.makeDirectorySync(`/data/${nodeId}`);
  const wholeness = new FolderWholeness(
    new IdentityStore(disk, `/data/${nodeId}`, identity, systemClock),
    3,
    silentLog,
    new Conditions({ clock: systemClock, log: silentLog }),
    systemClock,
  );
  const met: string[] = [];
  const isMember = (id: string): boolean => ['a', 'b', 'c'].includes(id);
  const cluster = {
    clusterId,
    topologyDigest,
    maxValueBytes: 7,
    peerHttpPort: () => peerHttpPort,
    isMember,
    abilities: () => 0,
  };
  return { wholeness, met, policy: createHandshakePolicy(cluster, wholeness, (peerId) => met.push(peerId)) };
}

test('a hello tells whose folder this is, and under what incarnation the listener is known', async () => {
  const [a, b] = [await node('a'), await node('b')];
  assert.deepEqual(a.policy.localHello('b').remembered, null);
  const fromB = b.policy.localHello('a');
  assert.deepEqual(
    [
      fromB.nodeId,
      fromB.incarnation,
      fromB.clusterId,
      fromB.topologyDigest,
      fromB.maxValueBytes,
      fromB.declaredMs,
    ],
    ['b', 'b-1', 'test', 'digest', 7, 5],
  );
  a.policy.accepted(fromB);
  assert.deepEqual(a.met, ['b']);
  assert.equal(a.wholeness.isWhole, false);
  a.policy.accepted((await node('c')).policy.localHello('a'));
  assert.equal(a.wholeness.isWhole, true);
  const memory = { incarnation: 'b-1', startId: 9, progress: 4, declaredMs: 5 };
  assert.deepEqual(a.policy.localHello('b').remembered, memory);
  a.policy.heardFolder('b', 'b-1', { history: { progress: 6, starts: fromB.history.starts }, declaredMs: 5 });
  assert.deepEqual(a.policy.localHello('b').remembered, { ...memory, progress: 6 });
  assert.deepEqual(a.policy.localFolder().history, fromB.history);
  assert.equal(a.policy.localHello(null).remembered, null);
});

test('members of one cluster and one topology may talk, and nobody else', async () => {
  const { policy } = await node('a');
  assert.equal(policy.judge((await node('b')).policy.localHello('a')), null);
  for (const [stranger, sentence] of [
    [await node('b', 'other'), /^Nodes a and b differ in topology or placement/],
    [await node('b', 'digest', 'other'), /^Nodes a and b differ in cluster id: a has test, b has other/],
    [await node('a'), /met a node with its own id/],
    [await node('d'), /knows no node d/],
    [await node('b', 'digest', 'test', 40_123), /differ in peer protocol: a has rpc, b has http/],
  ] as const) {
    assert.match(policy.judge(stranger.policy.localHello('a')) ?? '', sentence);
  }
});
