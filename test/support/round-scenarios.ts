/**
 * Histories of one key on three nodes, each with a fault at a place where it could hurt: what has to hold is asserted. With
 * a mistake in the protocol that belongs to it, each of them fails.
 */
import assert from 'node:assert/strict';
import { recordTimestamp, slotOf } from '../../native-free-lsm/index.ts';
import { FailureCode } from '../../src/failure.ts';
import { RoundMessage } from '../../src/replica/anti-entropy/messages.ts';
import { isSettledVersion, ReplyKind } from '../../src/reply.ts';
import { RoundCluster } from './round-cluster.ts';

const MINUTE = 60_000;
const KEY = 'key';
const SLOT = slotOf(Buffer.from(KEY));
const OLD = { atMs: -MINUTE };
const DELETED = { atMs: -MINUTE / 2, tombstone: true };
const ALL = [0, 1, 2];

/** Three nodes that hold an old value of the key. */
async function clusterOf(writeDelayMs?: () => number): Promise<RoundCluster> {
  const cluster = new RoundCluster({ nodes: 3, ...(writeDelayMs === undefined ? {} : { writeDelayMs }) });
  for (const index of ALL) cluster.place(index, KEY, OLD);
  await cluster.startAll();
  return cluster;
}

function round(cluster: RoundCluster, by = 0): Promise<readonly string[]> {
  return cluster.roundOverAll(by, SLOT, SLOT);
}

/** The theorem: what anybody has settled nobody has older. */
function assertSettledIsTrue(cluster: RoundCluster): void {
  const held = ALL.map((index) => cluster.nodes[index].records.get(KEY));
  const times = held.map((record) => (record === undefined ? 0 : recordTimestamp(record, 0)));
  for (const index of ALL) {
    if (cluster.nodes[index].process === null) continue;
    if (times[index] === 0 || times[index] > cluster.watermark(index, KEY)) continue;
    for (const other of ALL)
      assert.ok(
        times[other] >= times[index],
        `n${index} has settled what n${other} lacks: ${cluster.held(other, KEY)}`,
      );
  }
}

async function olderCopy(isNoticed: boolean): Promise<void> {
  for (const restored of ALL) {
    const cluster = await clusterOf();
    const copy = cluster.copyOf(restored);
    cluster.place((restored + 1) % 3, KEY, DELETED);
    await round(cluster);
    for (const index of ALL) cluster.purge(index);
    cluster.kill(restored);
    cluster.nodes[restored].records = copy;
    cluster.nodes[restored].isWhole = !isNoticed;
    await cluster.start(restored);
    assert.equal(cluster.held(restored, KEY), `${OLD.atMs}.1`);
    for (let times = 0; times < 3; times++) await round(cluster, restored);
    for (const index of ALL) {
      cluster.purge(index);
      assert.equal(cluster.held(index, KEY), null, `n${index}, when n${restored} was put back`);
    }
  }
}

export const ROUND_SCENARIOS: Readonly<Record<string, () => Promise<void>>> = {
  'a late hint does not bring a deleted value back': async () => {
    const cluster = await clusterOf();
    cluster.place(0, KEY, DELETED);
    await round(cluster);
    for (const index of ALL) cluster.purge(index);
    for (const index of ALL) {
      const reply = await cluster.write(index, KEY, { atMs: -MINUTE + 5, writer: 9 });
      assert.equal(reply.kind, ReplyKind.stale);
      assert.ok(reply.record !== null && isSettledVersion(reply.record));
      assert.equal(recordTimestamp(reply.record, 0), cluster.watermark(index, KEY));
      assert.equal(cluster.held(index, KEY), null);
    }
  },
  'a write that was taken before the close and is not visible yet is counted': async () => {
    let delayMs = 1;
    const cluster = await clusterOf(() => delayMs);
    for (const late of ALL) {
      delayMs = 40;
      const written = cluster.write(late, KEY, { atMs: DELETED.atMs + late, tombstone: true });
      delayMs = 1;
      await Promise.all([round(cluster), written]);
      assertSettledIsTrue(cluster);
    }
  },
  'a late write while its slot is compared is stored, and the slot is not settled': async () => {
    for (const kind of [RoundMessage.compare, RoundMessage.bar]) {
      for (const node of ALL) {
        const cluster = await clusterOf();
        let late: Promise<{ kind: ReplyKind }> | null = null;
        cluster.intercept = (_from, _to, request) => {
          if (request.kind === kind) late ??= cluster.write(node, KEY, DELETED);
          return undefined;
        };
        await round(cluster);
        assert.ok(late !== null);
        assertSettledIsTrue(cluster);
        const { kind: reply } = await (late as Promise<{ kind: ReplyKind }>);
        if (reply === ReplyKind.ok) assert.equal(cluster.watermark(node, KEY), 0, `n${node}`);
        cluster.intercept = () => undefined;
        await round(cluster);
        assert.deepEqual(cluster.differences(), []);
      }
    }
  },
  'where a slot is barred and not settled, a late write fails for now, also after a restart': async () => {
    const cluster = await clusterOf();
    const [leader, other] = cluster.listOf(KEY);
    cluster.intercept = (_from, to, request) =>
      request.kind === RoundMessage.settle && to === other ? 'lost' : undefined;
    await round(cluster, leader);
    assert.equal(cluster.watermark(other, KEY), 0);
    cluster.kill(other);
    await cluster.start(other);
    const reply = await cluster.write(other, KEY, DELETED);
    assert.deepEqual([reply.kind, reply.code], [ReplyKind.failed, FailureCode.settling]);
    assert.equal((await cluster.write(other, KEY, { atMs: cluster.sinceStartMs() })).kind, ReplyKind.ok);
  },
  'an owner that was started again since the close settles nothing of the round': async () => {
    for (const kind of [RoundMessage.bar, RoundMessage.settle]) {
      const cluster = await clusterOf();
      const [leader, other] = cluster.listOf(KEY);
      let restarted: Promise<void> | null = null;
      cluster.intercept = (_from, to, request) => {
        if (request.kind !== kind || to !== other || restarted !== null) return undefined;
        cluster.kill(other);
        restarted = cluster.start(other);
        return undefined;
      };
      await round(cluster, leader);
      await restarted;
      assert.equal(cluster.watermark(other, KEY), 0);
      assertSettledIsTrue(cluster);
    }
  },
  'with a smaller `from` the newest version goes to whoever holds an older one, and to nobody else':
    async () => {
      const cluster = new RoundCluster({ nodes: 3 });
      const [first, second, third] = cluster.listOf(KEY);
      for (const index of [first, second]) cluster.place(index, KEY, { ...OLD, from: 2 });
      cluster.place(first, KEY, { atMs: -MINUTE + 1, from: 1 });
      await cluster.startAll();
      await round(cluster);
      assert.deepEqual(
        [first, second, third].map((index) => cluster.held(index, KEY)),
        ['-59999.1', '-59999.1', null],
      );
      // The second holds a stray now. When it grows stale, it is found again.
      cluster.place(first, KEY, { atMs: -MINUTE + 2, from: 1, tombstone: true });
      await round(cluster);
      assert.equal(cluster.held(second, KEY), 'deleted -59998.1');
      for (const index of ALL) {
        cluster.purge(index);
        assert.equal(cluster.held(index, KEY), null);
      }
    },
  'while an owner is away the others become equal, and nothing is settled': async () => {
    const cluster = await clusterOf();
    cluster.place(0, KEY, DELETED);
    for (const away of ALL) {
      cluster.kill(away);
      await round(cluster, (away + 1) % 3);
      for (const index of ALL) if (index !== away) assert.equal(cluster.watermark(index, KEY), 0);
      await cluster.start(away);
    }
    assert.deepEqual(cluster.differences(), []);
    assert.deepEqual(await round(cluster), []);
    for (const index of ALL) assert.ok(cluster.watermark(index, KEY) > 0);
  },
  'a leader whose process ends at any message leaves nothing wrong, and the next round settles': async () => {
    for (let message = 1; ; message++) {
      const cluster = await clusterOf();
      cluster.place(cluster.listOf(KEY)[1], KEY, DELETED);
      const [leader] = cluster.listOf(KEY);
      let left = message;
      cluster.intercept = (from) => {
        if (from !== leader || --left > 0) return undefined;
        if (left === 0) cluster.kill(leader);
        return 'lost';
      };
      await round(cluster, leader);
      if (cluster.nodes[leader].process !== null) {
        assert.ok(message > 10, `all steps were tried: ${message}`);
        return;
      }
      for (const index of ALL) if (index !== leader) cluster.purge(index);
      assertSettledIsTrue(cluster);
      cluster.intercept = () => undefined;
      await cluster.start(leader);
      assert.deepEqual(await round(cluster), [], `after message ${message}`);
      for (const index of ALL) {
        cluster.purge(index);
        assert.equal(cluster.held(index, KEY), null, `n${index} after message ${message}`);
      }
    }
  },
  'a folder that has lost something calls nothing dead that others have': async () => {
    const cluster = await clusterOf();
    await round(cluster);
    cluster.kill(1);
    cluster.nodes[1].records.delete(KEY);
    cluster.nodes[1].isWhole = false;
    await cluster.start(1);
    await round(cluster);
    // Somebody has vouched for it: it is another folder for what was settled before.
    cluster.kill(1);
    cluster.nodes[1].records.delete(KEY);
    cluster.nodes[1].isWhole = true;
    cluster.nodes[1].incarnation = 'vouched for';
    await cluster.start(1);
    await round(cluster);
    for (const index of ALL) assert.equal(cluster.held(index, KEY), `${OLD.atMs}.1`);
  },
  'a folder that was put back to an older copy brings no deleted value back': () => olderCopy(true),
  'the same when nobody has noticed that it is old': () => olderCopy(false),
  'a frozen owner holds the watermark back, and does no harm when it goes on': async () => {
    const cluster = await clusterOf();
    cluster.freeze(2);
    assert.equal((await cluster.write(0, KEY, { atMs: 0, tombstone: true })).kind, ReplyKind.ok);
    await cluster.pass(10_000);
    await round(cluster);
    for (const index of [0, 1]) assert.equal(cluster.watermark(index, KEY), 0);
    cluster.thaw(2);
    await cluster.pass(1_000);
    assertSettledIsTrue(cluster);
    assert.deepEqual(await round(cluster), []);
    for (const index of ALL) {
      cluster.purge(index);
      assert.equal(cluster.held(index, KEY), null);
    }
  },
  'a folder of another topology has settled nothing': async () => {
    const cluster = await clusterOf();
    await round(cluster);
    cluster.kill(1);
    cluster.nodes[1].incarnation = 'of another topology';
    await cluster.start(1);
    assert.equal(cluster.watermark(1, KEY), 0);
    assert.equal((await cluster.write(1, KEY, DELETED)).kind, ReplyKind.failed, 'barriers stay');
  },
};
