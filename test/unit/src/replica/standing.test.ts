import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../../src/clock.ts';
import { createIdentity, inspectFolder } from '../../../../src/replica/identity.ts';
import type { Identity } from '../../../../src/replica/identity-file.ts';
import { IdentityStore } from '../../../../src/replica/identity-store.ts';
import type { Greeting } from '../../../../src/replica/membership.ts';
import { Standing } from '../../../../src/replica/standing.ts';
import { MemoryFolderFiles } from '../../../support/memory-folder-files.ts';

const OWNER = { clusterId: 'demo', nodeId: 'a' };
const FOLDER = '/data/a';

class Node {
  readonly files = new MemoryFolderFiles();
  readonly logged: string[] = [];
  store!: IdentityStore;
  standing!: Standing;

  async start(clusterSize: number): Promise<void> {
    const fields = {
      ...OWNER,
      nowMs: 0,
      random: seededRandom(1),
      whole: 'unproven',
      clockCeiling: 0,
    } as const;
    const identity =
      (await inspectFolder(FOLDER, OWNER, this.files)) ?? (await createIdentity(FOLDER, fields, this.files));
    this.store = new IdentityStore(FOLDER, identity, this.files);
    this.standing = new Standing(this.store, clusterSize, {
      info: (message) => void this.logged.push(`info: ${message}`),
      warn: (message) => void this.logged.push(`warn: ${message}`),
      error: (message) => void this.logged.push(`error: ${message}`),
    });
  }

  async durable(): Promise<Identity> {
    await this.store.settled();
    return (await inspectFolder(FOLDER, OWNER, this.files.afterPowerCut(false, false)))!;
  }
}

function greeting(nodeId: string, remembered: string | null, incarnation = `${nodeId}-1`): Greeting {
  return { nodeId, incarnation, declared: false, remembered };
}

test('a cluster of one is whole from the start, and durably so', async () => {
  const node = new Node();
  await node.start(1);
  assert.equal(node.standing.isWhole, true);
  assert.equal((await node.durable()).whole, 'whole');
  assert.equal(node.standing.isSettled, true);
});

test('whole after both peers of three; the peers and the verdict outlive a restart', async () => {
  const node = new Node();
  await node.start(3);
  assert.deepEqual([node.standing.isWhole, node.standing.whole], [false, 'unproven']);
  assert.equal(node.standing.isSettled, false);
  node.standing.hear(greeting('b', null));
  assert.equal(node.standing.isSettled, false);
  node.standing.hear(greeting('c', null));
  assert.equal(node.standing.isWhole, true);
  assert.equal(node.standing.isSettled, true);
  const durable = await node.durable();
  assert.equal(durable.whole, 'whole');
  assert.deepEqual(durable.remembered, { b: 'b-1', c: 'c-1' });

  await node.start(3);
  assert.equal(node.standing.isWhole, true);
  assert.deepEqual(node.standing.greetingFor('b'), {
    nodeId: 'a',
    incarnation: durable.incarnation,
    declared: false,
    remembered: 'b-1',
  });
  assert.equal(node.standing.greetingFor('d').remembered, null);
  assert.equal(node.standing.greetingFor(null).remembered, null);
});

test('a peer that remembers another folder makes the node incomplete: logged at once and at every start', async () => {
  const node = new Node();
  await node.start(3);
  node.standing.hear(greeting('b', 'another'));
  assert.deepEqual([node.standing.isWhole, node.standing.whole], [false, 'incomplete']);
  node.standing.hear(greeting('c', 'another'));
  assert.equal(node.standing.isSettled, true);
  assert.equal((await node.durable()).whole, 'incomplete');
  assert.equal(node.logged.filter((line) => /^error: .*not whole.*declare/.test(line)).length, 1);
  await node.start(3);
  assert.equal(node.logged.filter((line) => line.startsWith('error: ')).length, 2);
});

test('a peer with another folder is named, and the one remembered stays', async () => {
  const node = new Node();
  await node.start(3);
  node.standing.hear(greeting('b', null));
  node.standing.hear(greeting('b', null, 'b-2'));
  assert.match(node.logged.at(-1)!, /^warn: Node b has come back with another data folder/);
  assert.deepEqual((await node.durable()).remembered, { b: 'b-1' });
  node.standing.hear({ ...greeting('b', null, 'b-2'), declared: true });
  assert.deepEqual((await node.durable()).remembered, { b: 'b-2' });
});

test('nothing new is not written', async () => {
  const node = new Node();
  await node.start(3);
  node.standing.hear(greeting('b', null));
  node.standing.hear(greeting('c', null));
  await node.store.settled();
  const writes = node.files.calls.length;
  for (let i = 0; i < 10; i++) {
    node.standing.hear(greeting('b', node.store.current.incarnation));
    node.standing.hear(greeting('c', node.store.current.incarnation));
  }
  await node.store.settled();
  assert.equal(node.files.calls.length, writes);
});

test("a folder that cannot be written is told to the store's owner and throws at nobody", async () => {
  const node = new Node();
  await node.start(3);
  node.files.failAt = node.files.calls.length;
  node.standing.hear(greeting('b', null));
  await assert.rejects(node.store.settled());
  assert.match((await node.store.failed).message, /EIO/);
});
