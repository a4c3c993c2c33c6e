import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotOf } from '../../../../src/cluster/slots.ts';
import { NodeReplicaSet } from '../../../../src/coordinator/replica-set.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { failed, type ReplicaReply } from '../../../../src/reply.ts';
import { viewOf } from '../../../support/cluster-view.ts';

const KEY = Buffer.from('k');
const VIEW = viewOf(['n0', 'n1', 'n2', 'n3', 'n4']);
const LIST_OFFSET = VIEW.placement.listOffset(slotOf(KEY));
/** The nodes that hold the key, in the order of their preference. */
const PREFERRED = [...VIEW.placement.lists.subarray(LIST_OFFSET, LIST_OFFSET + 5)];
const RECORD = Buffer.from('a record of its own');
const told: string[] = [];
const sink = {
  onReply(position: number, { reason }: ReplicaReply): void {
    told.push(`${position}: ${reason}`);
  },
};

function recorded(self: number, refusals: (ReplicaReply | null)[] | null = null) {
  const calls: string[] = [];
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  const local = {
    read: (key: Uint8Array, to: unknown, position: number) => {
      calls.push(`local read ${text(key)} at ${position}`);
      assert.equal(to, sink);
    },
    readVersion: (key: Uint8Array, to: unknown, position: number) => {
      calls.push(`local version of ${text(key)} at ${position}`);
      assert.equal(to, sink);
    },
    write: (key: Uint8Array, record: Uint8Array, to: unknown, position: number, timeoutMs: number) => {
      calls.push(`local write ${text(key)} ${text(record)} in ${timeoutMs} at ${position}`);
      assert.equal(to, sink);
    },
  };
  const remote = {
    read: (node: number, key: Uint8Array, timeoutMs: number, to: unknown, position: number) => {
      calls.push(`read ${text(key)} of ${node} in ${timeoutMs} at ${position}`);
      assert.equal(to, sink);
    },
    readVersion: (node: number, key: Uint8Array, timeoutMs: number, to: unknown, position: number) => {
      calls.push(`version of ${text(key)} of ${node} in ${timeoutMs} at ${position}`);
      assert.equal(to, sink);
    },
    write: (
      nodes: Uint16Array,
      offset: number,
      count: number,
      key: Uint8Array,
      record: Uint8Array,
      timeoutMs: number,
      to: unknown,
    ) => {
      const asked = [...nodes.subarray(offset, offset + count)];
      calls.push(`write ${text(key)} ${text(record)} to ${asked} in ${timeoutMs}`);
      assert.equal(to, sink);
      return refusals;
    },
  };
  return { calls, replicas: new NodeReplicaSet(VIEW, `n${self}`, local, remote) };
}

const write = { key: KEY, record: RECORD, timeoutMs: 700 };

test('a write goes to the peers in one call, and then to the replica here', () => {
  const { calls, replicas } = recorded(PREFERRED[1]);
  replicas.write(LIST_OFFSET, 3, write, sink);
  assert.deepEqual(calls, [
    `write k a record of its own to ${PREFERRED.slice(0, 3)} in 700`,
    'local write k a record of its own in 700 at 1',
  ]);
});

test('a write for others touches no disk here', () => {
  const { calls, replicas } = recorded(PREFERRED[2]);
  replicas.write(LIST_OFFSET, 2, write, sink);
  assert.deepEqual(calls, [`write k a record of its own to ${PREFERRED.slice(0, 2)} in 700`]);
});

test('refusals of replicas that could not be asked are told once all have been asked', () => {
  const { calls, replicas } = recorded(PREFERRED[1], [
    failed(FailureCode.peerUnavailable, 'down'),
    null,
    failed(FailureCode.queueFull, 'full'),
  ]);
  told.length = 0;
  const { onReply } = sink;
  sink.onReply = (position, reply) => {
    assert.equal(calls.length, 2);
    onReply(position, reply);
  };
  replicas.write(LIST_OFFSET, 3, write, sink);
  sink.onReply = onReply;
  assert.deepEqual(told, ['0: down', '2: full']);
});

test('a read goes to the node it names', () => {
  const { calls, replicas } = recorded(2);
  replicas.read(2, KEY, 700, sink, 0);
  replicas.read(1, KEY, 700, sink, 1);
  assert.deepEqual(calls, ['local read k at 0', 'read k of 1 in 700 at 1']);
});

test('a read of the version goes to the node it names', () => {
  const { calls, replicas } = recorded(2);
  replicas.readVersion(2, KEY, 700, sink, 0);
  replicas.readVersion(1, KEY, 700, sink, 1);
  assert.deepEqual(calls, ['local version of k at 0', 'version of k of 1 in 700 at 1']);
});
