import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeReplicaSet } from '../../../../src/coordinator/replica-set.ts';

const KEY = Buffer.from('k');
const RECORD = Buffer.from('a record of its own');
const sink = { onReply: () => undefined };

function recorded(self: number) {
  const calls: string[] = [];
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  const local = {
    read: (key: Uint8Array, to: unknown, position: number) => {
      calls.push(`local read ${text(key)} at ${position}`);
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
    beginWrite: (key: Uint8Array, record: Uint8Array, timeoutMs: number) => {
      calls.push(`begin ${text(key)} ${text(record)} in ${timeoutMs}`);
    },
    sendWrite: (node: number, to: unknown, position: number) => {
      calls.push(`send to ${node} at ${position}`);
      assert.equal(to, sink);
    },
  };
  return { calls, replicas: new NodeReplicaSet(self, local, remote) };
}

const write = { key: KEY, record: RECORD, timeoutMs: 700 };

test('a write is encoded once, sent to the peers first, and then to the replica here', () => {
  const { calls, replicas } = recorded(2);
  replicas.write(Uint16Array.of(9, 4, 2, 0, 7), 1, 3, write, sink);
  assert.deepEqual(calls, [
    'begin k a record of its own in 700',
    'send to 4 at 0',
    'send to 0 at 2',
    'local write k a record of its own in 700 at 1',
  ]);
});

test('a write for this node alone touches no network, one for others no disk', () => {
  const here = recorded(2);
  here.replicas.write(Uint16Array.of(2), 0, 1, write, sink);
  assert.deepEqual(here.calls, ['local write k a record of its own in 700 at 0']);
  const elsewhere = recorded(5);
  elsewhere.replicas.write(Uint16Array.of(2, 1), 0, 2, write, sink);
  assert.deepEqual(elsewhere.calls, [
    'begin k a record of its own in 700',
    'send to 2 at 0',
    'send to 1 at 1',
  ]);
});

test('a read goes to the node it names', () => {
  const { calls, replicas } = recorded(2);
  replicas.read(2, KEY, 700, sink, 0);
  replicas.read(1, KEY, 700, sink, 1);
  assert.deepEqual(calls, ['local read k at 0', 'read k of 1 in 700 at 1']);
});
