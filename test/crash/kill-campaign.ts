/**
 * Kills every node of a three-node cluster at once, again and again, under concurrent PUT, DELETE and overwrites;
 * after each restart every acknowledged write, or a later one of the same key, must be read.
 */
import assert from 'node:assert/strict';
import { seededRandom } from '../../src/clock.ts';
import { TestCluster } from '../support/cluster.ts';
import { until } from '../support/until.ts';

const KEYS = 200;
const CLIENTS = 16;
const WRITES_BEFORE_KILL = 300;

/** What may be read of a key: the last acknowledged write, or any that was sent after it. */
class KeyHistory {
  /** Sequence numbers of writes, by the value read; a deletion is read as null. */
  readonly sent: (string | null)[] = [null];
  acknowledged = 0;

  send(value: string | null): number {
    return this.sent.push(value) - 1;
  }

  confirm(sequence: number): void {
    this.acknowledged = Math.max(this.acknowledged, sequence);
  }

  allows(value: string | null): boolean {
    return this.sent.slice(this.acknowledged).includes(value);
  }
}

export async function killCampaign(rounds: number, seed: number, log: (line: string) => void): Promise<void> {
  log(`seed ${seed}, ${rounds} rounds`);
  const random = seededRandom(seed);
  await using cluster = await TestCluster.start({ nodes: 3, args: ['--memtable-size', '4MiB'] });
  const histories = Array.from({ length: KEYS }, () => new KeyHistory());
  for (let round = 1; round <= rounds; round++) {
    const acknowledged = await writeAndKill(cluster, histories, round, random);
    await cluster.startAll();
    await checkAll(cluster, histories, round);
    log(`round ${round}: ${acknowledged} writes acknowledged before the kill, none lost`);
  }
}

/** Each client owns its keys, so that what is sent to a key is in one order. */
async function writeAndKill(
  cluster: TestCluster,
  histories: KeyHistory[],
  round: number,
  random: () => number,
): Promise<number> {
  let acknowledged = 0;
  let killed = false;
  const clients = Array.from({ length: CLIENTS }, async (_, owner) => {
    for (let n = 0; !killed; n++) {
      const key = owner + CLIENTS * Math.floor(random() * Math.floor((KEYS - owner - 1) / CLIENTS + 1));
      const port = cluster.ports[Math.floor(random() * 3)];
      const value =
        random() < 0.2 ? null : `${round}-${owner}-${n}-${'x'.repeat(Math.floor(random() * 3000))}`;
      const sequence = histories[key].send(value);
      try {
        const answer =
          value === null
            ? await cluster.client.delete(port, `key-${key}`)
            : await cluster.client.put(port, `key-${key}`, value);
        if (answer.status === 201 || answer.status === 202) {
          histories[key].confirm(sequence);
          acknowledged++;
        }
      } catch {
        // The connection was cut by the kill: sent, perhaps stored, not acknowledged.
      }
    }
  });
  const target = WRITES_BEFORE_KILL + Math.floor(random() * WRITES_BEFORE_KILL);
  await until(
    () => acknowledged >= target,
    30_000,
    () => `only ${acknowledged} writes acknowledged`,
  );
  const kills = cluster.nodes.map((node) => node.kill());
  killed = true;
  await Promise.all([...kills, ...clients]);
  return acknowledged;
}

async function checkAll(cluster: TestCluster, histories: KeyHistory[], round: number): Promise<void> {
  for (const [key, history] of histories.entries()) {
    const { status, body } = await cluster.client.get(cluster.ports[key % 3], `key-${key}`);
    assert.ok(status === 200 || status === 404, `round ${round}, key-${key}: status ${status} ${body}`);
    const value = status === 404 ? null : body.toString();
    assert.ok(
      history.allows(value),
      `round ${round}, key-${key}: read ${String(value).slice(0, 40)}, acknowledged was ${String(history.sent[history.acknowledged]).slice(0, 40)}`,
    );
  }
}
