/** Rounds over replicas, with a fault at each place where one could hurt. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SLOT_COUNT, slotOf } from '../../../native-free-lsm/index.ts';
import { RoundMessage } from '../../../src/replica/anti-entropy/messages.ts';
import { STRETCH_COUNT } from '../../../src/replica/anti-entropy/round-schedule.ts';
import { RoundCluster } from '../../support/round-cluster.ts';
import { ROUND_SCENARIOS } from '../../support/round-scenarios.ts';

const MINUTE = 60_000;
const OLD = { atMs: -MINUTE };
const DELETED = { atMs: -MINUTE / 2, tombstone: true };
const ALL = [0, 1, 2];

describe('rounds', () => {
  for (const [name, run] of Object.entries(ROUND_SCENARIOS)) test(name, run);
});

test('a round brings every owner what it lacks, and settles; what was deleted may go then', async () => {
  const cluster = new RoundCluster({ nodes: 3 });
  for (let number = 0; number < 300; number++) {
    const version = { atMs: -MINUTE - number, writer: number };
    for (const index of ALL) if ((number + index) % 3 > 0) cluster.place(index, `key${number}`, version);
  }
  cluster.place(1, 'key5', DELETED);
  await cluster.startAll();
  assert.deepEqual(await cluster.roundOverAll(), []);
  assert.deepEqual(cluster.differences(), []);
  for (const index of ALL) {
    assert.equal(cluster.held(index, 'key5'), 'deleted -30000.1');
    cluster.purge(index);
    assert.equal(cluster.held(index, 'key5'), null);
    assert.equal(cluster.held(index, 'key6'), `${-MINUTE - 6}.6`);
  }
});

test('equal replicas find themselves equal by a few kilobytes, and one key by a few more', async () => {
  const cluster = new RoundCluster({ nodes: 3 });
  for (let number = 0; number < 2_000; number++)
    for (const index of ALL) cluster.place(index, `key${number}`, OLD);
  await cluster.startAll();
  await cluster.roundOverAll();
  assert.ok(cluster.bytes < 8 * 1024, `${cluster.bytes} bytes`);
  const before = cluster.bytes;
  cluster.place(2, 'key77', { atMs: -MINUTE + 1 });
  await cluster.roundOverAll();
  assert.deepEqual(cluster.differences(), []);
  assert.ok(cluster.bytes - before < 20 * 1024, `${cluster.bytes - before} bytes`);
});

test('a node that comes back is made equal by the schedule, without being asked', async () => {
  const cluster = new RoundCluster({ nodes: 3, intervalMs: 10 * MINUTE });
  await cluster.startAll();
  cluster.kill(2);
  for (let number = 0; number < 30; number++)
    for (const index of [0, 1]) cluster.place(index, `key${number}`, { atMs: -number });
  await cluster.start(2);
  for (const index of ALL) cluster.rounds(index).onPeerUp();
  await cluster.until(() => cluster.differences().length === 0);
});

test('rounds of the schedule settle what has changed, and nothing anew', async () => {
  const cluster = new RoundCluster({ nodes: 3, intervalMs: MINUTE });
  const beganMs = cluster.clock.nowMs();
  for (const index of ALL) cluster.place(index, 'key1', OLD);
  await cluster.startAll();
  const stretches = (): number =>
    ALL.reduce((sum, index) => sum + (cluster.rounds(index).figures().stretches as number), 0);
  const passRounds = async (count: number): Promise<void> => {
    const goal = stretches() + count * ALL.length * 8;
    await cluster.until(() => stretches() >= goal);
  };
  await passRounds(3);
  const slots = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
  const settledOf = (): number[] => slots.map((slot) => cluster.watermarkOf(0, slot));
  const before = settledOf();
  assert.ok(before.every((timestamp) => timestamp > 0));
  await passRounds(2);
  assert.deepEqual(settledOf(), before);
  cluster.place(0, 'key2', { atMs: cluster.clock.nowMs() - beganMs });
  await passRounds(3);
  const after = settledOf();
  const changed = slots.filter((slot) => after[slot] !== before[slot]);
  assert.deepEqual(changed, [slotOf(Buffer.from('key2'))]);
  assert.deepEqual(cluster.differences(), []);
});

test('what cannot be settled is tried again soon, and more and more rarely when that is in vain', async () => {
  const cluster = new RoundCluster({ nodes: 3, intervalMs: 60 * MINUTE });
  await cluster.startAll();
  let obstructed = 0;
  Object.defineProperty(cluster.nodes[0], 'isCopying', { get: () => ++obstructed > 0 });
  cluster.rounds(0).onPeerUp();
  await cluster.pass(20_000);
  assert.equal(obstructed, 16, 'the first time, and 15 s later: eight stretches each');
  await cluster.pass(10 * MINUTE);
  assert.ok(obstructed >= 7 * 8 && obstructed <= 9 * 8, `${obstructed} stretches in ten minutes`);
});

test('slots are all gone through, each by one leader', async () => {
  const cluster = new RoundCluster({ nodes: 4 });
  await cluster.startAll();
  await cluster.roundOverAll();
  for (let slot = 0; slot < SLOT_COUNT; slot += 997)
    for (const index of [0, 1, 2, 3]) assert.ok(cluster.watermarkOf(index, slot) > 0, `slot ${slot}`);
});

/** Keys of one slot. */
function keysOfSlot(slot: number, count: number): string[] {
  const keys: string[] = [];
  const key = Buffer.from('00000000');
  while (keys.length < count) {
    for (let at = key.length - 1; ++key[at] > 0x39; at--) key[at] = 0x30;
    if (slotOf(key) === slot) keys.push(key.toString());
  }
  return keys;
}

test('in a slot that is compared in parts, what one owner brings reaches one that differs in another part', async () => {
  const cluster = new RoundCluster({ nodes: 3 });
  const slot = 77;
  const keys = keysOfSlot(slot, 300);
  const [, second, third] = cluster.listOf(keys[0]);
  for (const key of keys) for (const index of ALL) cluster.place(index, key, OLD);
  for (const key of keys.slice(0, 8)) cluster.place(second, key, DELETED);
  for (const key of keys.slice(-3)) cluster.place(third, key, { atMs: -MINUTE + 1 });
  await cluster.startAll();
  assert.deepEqual(await cluster.roundOverAll(0, slot, slot), []);
  assert.deepEqual(cluster.differences(), []);
  for (const index of ALL) {
    assert.ok(cluster.watermarkOf(index, slot) > 0);
    cluster.purge(index);
    for (const key of keys.slice(0, 8)) assert.equal(cluster.held(index, key), null, `n${index}`);
  }
});

test('a peer that comes and goes does not put rounds off for ever', async () => {
  const cluster = new RoundCluster({ nodes: 3, intervalMs: 10 * MINUTE });
  cluster.place(1, 'key5', OLD);
  await cluster.startAll();
  for (let times = 0; times < 30; times++) {
    for (const index of ALL) cluster.rounds(index).onPeerUp();
    await cluster.pass(100);
  }
  assert.deepEqual(cluster.differences(), []);
});

test('however low the rate, what is brought over takes its time, and all is settled', async () => {
  // A value for which a node has to wait longer than for any answer.
  const cluster = new RoundCluster({ nodes: 3, repairBytesPerSecond: 100 });
  const value = 'v'.repeat(8_000);
  const last = SLOT_COUNT / STRETCH_COUNT - 1;
  const names = Array.from({ length: 200 }, (_, number) => `key${number}`);
  const keys = names.filter((name) => slotOf(Buffer.from(name)) <= last).slice(0, 6);
  for (const [index, key] of keys.entries()) cluster.place(index % 3, key, { ...OLD, value });
  await cluster.startAll();
  const beganMs = cluster.clock.nowMs();
  assert.deepEqual(await cluster.roundOverAll(0, 0, last), []);
  assert.deepEqual(cluster.differences(), []);
  assert.ok(cluster.clock.nowMs() - beganMs > 3 * 80_000);
});

test('an owner that is there and does not answer once is asked again soon', async () => {
  const cluster = new RoundCluster({ nodes: 3, intervalMs: 60 * MINUTE });
  cluster.place(1, 'key5', OLD);
  await cluster.startAll();
  let lost = 0;
  cluster.intercept = (_from, _to, { kind }) =>
    kind === RoundMessage.bar && lost++ === 0 ? 'lost' : undefined;
  const beganMs = cluster.clock.nowMs();
  for (const index of ALL) cluster.rounds(index).onPeerUp();
  const isSettled = (slot: number): boolean => ALL.every((index) => cluster.watermarkOf(index, slot) > 0);
  const slots = Array.from({ length: 64 }, (_, index) => index * (SLOT_COUNT / 64));
  await cluster.until(() => slots.every(isSettled));
  assert.ok(lost > 1);
  assert.ok(cluster.clock.nowMs() - beganMs < MINUTE, 'long before the next interval');
});

test('what is lost after the others were asked is not given up in that round', async () => {
  const cluster = new RoundCluster({ nodes: 3 });
  for (const index of ALL) cluster.place(index, 'key5', OLD);
  await cluster.startAll();
  const slot = slotOf(Buffer.from('key5'));
  const [leader, second] = cluster.listOf('key5');
  const damage = { losses: 0, givenUp: 0, giveUpPurged: () => void damage.givenUp++ };
  const { engine } = cluster.nodes[second].process!;
  Object.defineProperties(engine, {
    losses: { get: () => damage.losses },
    giveUpPurged: { value: damage.giveUpPurged },
  });
  cluster.intercept = (_from, to, { kind }) => {
    if (kind === RoundMessage.bar && to === second) damage.losses = 1;
    return undefined;
  };
  assert.deepEqual(await cluster.roundOverAll(leader, slot, slot), []);
  assert.equal(damage.givenUp, 0);
  assert.deepEqual(await cluster.roundOverAll(leader, slot, slot), []);
  assert.equal(damage.givenUp, 1, 'they were asked for it in this round');
});
