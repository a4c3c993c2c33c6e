import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../../src/clock.ts';
import { Conditions } from '../../../../src/conditions.ts';
import type { FolderHistory, FolderMemory } from '../../../../src/folder-history.ts';
import { FolderWholeness } from '../../../../src/replica/folder-wholeness.ts';
import { createIdentity, inspectFolder } from '../../../../src/replica/identity.ts';
import type { Identity } from '../../../../src/replica/identity-file.ts';
import { IdentityStore } from '../../../../src/replica/identity-store.ts';
import type { FolderNews, Greeting } from '../../../../src/replica/wholeness.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { FailingDisk, POWER_LOSS } from '../../../support/failing-disk.ts';

const OWNER = { clusterId: 'demo', nodeId: 'a' };
const FOLDER = '/data/a';

class Node {
  readonly disk = new FailingDisk();
  readonly logged: string[] = [];
  store!: IdentityStore;
  wholeness!: FolderWholeness;
  conditions!: Conditions;
  starts = 0;
  readonly clock = new FakeClock();

  async start(clusterSize: number): Promise<void> {
    const fields = {
      ...OWNER,
      nowMs: 0,
      random: seededRandom(1),
      whole: 'unproven',
      clockCeiling: 0,
    } as const;
    const identity =
      inspectFolder(this.disk, FOLDER, OWNER) ?? (await createIdentity(this.disk, FOLDER, fields));
    this.store = new IdentityStore(this.disk, FOLDER, identity, this.clock);
    await this.store.begin(++this.starts);
    const say = (level: string) => (message: string) => void this.logged.push(`${level}: ${message}`);
    const log = { info: say('info'), warn: say('warn'), error: say('error') };
    this.conditions = new Conditions({ clock: this.clock, log });
    this.wholeness = new FolderWholeness(this.store, clusterSize, log, this.conditions, this.clock);
  }

  async durable(): Promise<Identity> {
    await this.store.settled();
    return inspectFolder(this.disk.crash(POWER_LOSS), FOLDER, OWNER)!;
  }
}

const HISTORY = { progress: 1, starts: [{ id: 1, from: 1 }] };

function memory(incarnation: string, changes: Partial<FolderMemory> = {}): FolderMemory {
  return { incarnation, startId: 1, progress: 1, declaredMs: 0, ...changes };
}

/** Of peer b. */
function news(history: FolderHistory): FolderNews {
  return { nodeId: 'b', incarnation: 'b-1', history, declaredMs: 0 };
}

function greeting(nodeId: string, remembered: FolderMemory | null, incarnation = `${nodeId}-1`): Greeting {
  return { nodeId, incarnation, history: HISTORY, declaredMs: 0, remembered };
}

test('a cluster of one is whole from the start, and durably so', async () => {
  const node = new Node();
  await node.start(1);
  assert.equal(node.wholeness.isWhole, true);
  assert.equal((await node.durable()).whole, 'whole');
  assert.equal(node.wholeness.isKnown, true);
});

test('whole after both peers of three; the peers and the verdict outlive a restart', async () => {
  const node = new Node();
  await node.start(3);
  assert.deepEqual([node.wholeness.isWhole, node.wholeness.whole], [false, 'unproven']);
  assert.equal(node.wholeness.isKnown, false);
  node.wholeness.hear(greeting('b', null));
  assert.equal(node.wholeness.isKnown, false);
  node.wholeness.hear(greeting('c', null));
  assert.equal(node.wholeness.isWhole, true);
  assert.equal(node.wholeness.isKnown, true);
  const durable = await node.durable();
  assert.equal(durable.whole, 'whole');
  assert.deepEqual(durable.remembered, { b: memory('b-1'), c: memory('c-1') });

  await node.start(3);
  assert.equal(node.wholeness.isWhole, true);
  assert.deepEqual(node.wholeness.greetingFor('b'), {
    nodeId: 'a',
    incarnation: durable.incarnation,
    history: node.store.durable.history,
    declaredMs: 0,
    remembered: memory('b-1'),
  });
  assert.equal(node.wholeness.greetingFor('d').remembered, null);
  assert.equal(node.wholeness.greetingFor(null).remembered, null);
});

test('a peer that remembers another folder makes the node incomplete: logged at once and at every start', async () => {
  const node = new Node();
  await node.start(3);
  node.wholeness.hear(greeting('b', memory('another')));
  assert.deepEqual([node.wholeness.isWhole, node.wholeness.whole], [false, 'incomplete']);
  node.wholeness.hear(greeting('c', memory('another')));
  assert.equal(node.wholeness.isKnown, true);
  assert.equal((await node.durable()).whole, 'incomplete');
  assert.equal(
    node.logged.filter((line) => /^error: .*not whole: its data folder was emptied.*declare/.test(line))
      .length,
    1,
  );
  await node.start(3);
  assert.equal(node.logged.filter((line) => line.startsWith('error: ')).length, 2);
});

test('what is missing is told to peers once it is on disk, and slots count one by one as they are filled', async () => {
  const node = new Node();
  await node.start(3);
  let lacks = 0;
  node.wholeness.onLack = () => void lacks++;
  node.clock.advance(7);
  node.wholeness.hear(greeting('b', memory('another', { declaredMs: 9 })));
  const { lack } = node.wholeness;
  assert.ok(lack > 9);
  assert.deepEqual([lacks, node.wholeness.isLackDurable], [1, false]);
  // A kill now would take the knowledge back, and b must tell it again.
  assert.equal(node.wholeness.greetingFor('b').declaredMs, 0);
  await node.store.settled();
  assert.deepEqual([node.wholeness.greetingFor('b').declaredMs, node.wholeness.isLackDurable], [lack, true]);
  assert.ok(node.wholeness.folder.history.progress > HISTORY.progress, 'peers that are connected are told');
  node.wholeness.hear(greeting('c', memory('another', { declaredMs: 9 })));
  assert.deepEqual([lacks, node.wholeness.lack], [1, lack], 'c tells nothing new');
  assert.equal(node.wholeness.isSlotWhole(5), false);
  node.wholeness.slotFilled(5);
  assert.deepEqual(
    [5, 6].map((slot) => node.wholeness.isSlotWhole(slot)),
    [true, false],
  );
  assert.equal(node.wholeness.isWhole, false);
  // Something more is missing.
  const { incarnation } = node.store.current;
  node.wholeness.hear(greeting('b', memory(incarnation, { progress: 99, declaredMs: lack })));
  assert.ok(node.wholeness.lack > lack);
  assert.deepEqual([lacks, node.wholeness.isSlotWhole(5)], [2, false]);
  node.wholeness.allFilled();
  assert.deepEqual(
    [node.wholeness.isWhole, node.wholeness.lack, node.wholeness.isSlotWhole(6)],
    [true, 0, true],
  );
  assert.deepEqual(node.conditions.list(), []);
  const durable = await node.durable();
  assert.deepEqual([durable.whole, durable.missing], ['whole', null]);
});

test('a peer with another folder is named, and the one remembered stays', async () => {
  const node = new Node();
  await node.start(3);
  node.wholeness.hear(greeting('b', null));
  node.wholeness.hear(greeting('b', null, 'b-2'));
  assert.match(node.logged.at(-1)!, /^warn: Node b has come back with another data folder/);
  assert.deepEqual((await node.durable()).remembered, { b: memory('b-1') });
  node.wholeness.hear({ ...greeting('b', null, 'b-2'), declaredMs: 9 });
  assert.deepEqual((await node.durable()).remembered, { b: memory('b-2', { declaredMs: 9 }) });
});

test('nothing new is not written', async () => {
  const node = new Node();
  await node.start(3);
  node.wholeness.hear(greeting('b', null));
  node.wholeness.hear(greeting('c', null));
  await node.store.settled();
  const writes = node.disk.changes.length;
  for (let i = 0; i < 10; i++) {
    node.wholeness.hear(greeting('b', memory(node.store.current.incarnation)));
    node.wholeness.hear(greeting('c', memory(node.store.current.incarnation)));
  }
  await node.store.settled();
  assert.equal(node.disk.changes.length, writes);
});

test("a folder that cannot be written is told to the store's owner and throws at nobody", async () => {
  const node = new Node();
  await node.start(3);
  node.disk.failAt = node.disk.changes.length + 4;
  node.wholeness.hear(greeting('b', null));
  await assert.rejects(node.store.settled());
  assert.match((await node.store.failed).message, /EIO/);
});

test('a peer that remembers a later state of the folder makes the node incomplete, in words of its own', async () => {
  const node = new Node();
  await node.start(3);
  const { incarnation } = node.store.current;
  node.wholeness.hear(greeting('b', null));
  node.wholeness.hear(greeting('c', null));
  node.wholeness.hear(greeting('b', memory(incarnation)));
  assert.equal(node.wholeness.isWhole, true);
  node.wholeness.hear(greeting('c', memory(incarnation, { progress: 2 })));
  assert.equal(node.wholeness.whole, 'incomplete');
  const [condition] = node.conditions.list();
  assert.match(condition.message, /not whole: its data folder was put back to an older copy.*declare-whole/);
  assert.deepEqual([condition.code, condition.stopsWrites], ['INCOMPLETE', false]);
  assert.deepEqual((await node.durable()).missing, memory(incarnation, { progress: 2 }));
  await node.start(3);
  assert.match(node.conditions.list()[0].message, /put back to an older copy/);
});

test('a peer that comes back with an older copy is named once a start, and what is remembered of it stays', async () => {
  const node = new Node();
  await node.start(3);
  node.wholeness.hear(greeting('b', null));
  node.wholeness.hearNews(news({ progress: 5, starts: HISTORY.starts }));
  const older = { progress: 3, starts: [...HISTORY.starts, { id: 2, from: 3 }] };
  for (let i = 0; i < 3; i++) node.wholeness.hear({ ...greeting('b', null), history: older });
  node.wholeness.hearNews(news({ ...older, progress: 9 }));
  const warned = () =>
    node.logged.filter((line) => /^warn: Node b has come back with an older copy/.test(line));
  assert.equal(warned().length, 1);
  assert.equal(node.wholeness.greetingFor('b').remembered?.progress, 5);
  const again = { progress: 4, starts: [...older.starts, { id: 3, from: 4 }] };
  node.wholeness.hear({ ...greeting('b', null), history: again });
  assert.equal(warned().length, 2);
});

test('the progress of a peer is durable within a second, and costs no write of its own', async () => {
  const node = new Node();
  await node.start(3);
  node.wholeness.hear(greeting('b', null));
  await node.store.settled();
  const writes = node.disk.changes.length;
  const { progress } = node.store.current.history;
  for (let i = 2; i < 50; i++) node.wholeness.hearNews(news({ progress: i, starts: HISTORY.starts }));
  assert.equal(node.disk.changes.length, writes);
  node.clock.advance(1_000);
  await node.store.settled();
  assert.equal(node.disk.changes.length, writes + 5, 'a file written, renamed, its folder synced');
  assert.deepEqual((await node.durable()).remembered, { b: memory('b-1', { progress: 49 }) });
  // Else two nodes would have something new to tell each other for ever.
  assert.equal(node.store.durable.history.progress, progress, "a peer's progress is none of this node's own");
});
