/**
 * Random histories of a few keys of one slot: writes, late ones among them, rounds that end at any message, purges,
 * processes that end, freeze and start again, folders put back to an older copy. At each purge and at the end the state
 * of all nodes is judged, by what the promises say and nothing else.
 */
import type { MapRecords } from '../../bench/cluster/map-engine.ts';
import { isTombstone, recordTimestamp, slotOf, timestampMs } from '../../native-free-lsm/index.ts';
import { type Random, seededRandom } from '../../src/clock.ts';
import { ReplyKind } from '../../src/reply.ts';
import { RoundCluster, type Version } from './round-cluster.ts';

const NODES = 3;
const STEPS = 40;

interface Accepted {
  readonly key: string;
  readonly version: Version;
  readonly node: number;
  /** The node's folder was put back since. */
  mayBeLost: boolean;
}

/** Two keys of one slot. */
const KEYS = keysOfOneSlot();
const SLOT = slotOf(Buffer.from(KEYS[0]));

/** @returns what was broken; null: nothing */
export async function runRoundModel(seed: number): Promise<string | null> {
  return new RoundModel(seed).run();
}

class RoundModel {
  readonly #random: Random;
  readonly #cluster: RoundCluster;
  readonly #accepted: Accepted[] = [];
  /** Nodes whose folder was put back: what they alone had may be lost. */
  readonly #restored = new Set<number>();
  readonly #copies = new Map<number, MapRecords>();
  #writer = 0;
  #broken: string | null = null;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#cluster = new RoundCluster({
      nodes: NODES,
      writeDelayMs: () => 1 + this.#below(30),
    });
  }

  async run(): Promise<string | null> {
    await this.#cluster.startAll();
    for (let step = 0; step < STEPS && this.#broken === null; step++) await this.#step();
    if (this.#broken === null) await this.#heal();
    return this.#broken;
  }

  async #step(): Promise<void> {
    const cluster = this.#cluster;
    const node = this.#below(NODES);
    const choice = this.#random();
    if (choice < 0.35) await this.#write(this.#pick([0, 0, 0, -10_000, -30_000]));
    else if (choice < 0.55) await this.#round(this.#random() < 0.5 ? this.#below(60) : null);
    else if (choice < 0.7) this.#purge(node);
    else if (choice < 0.76) this.#kill(node);
    else if (choice < 0.86) await this.#startAll();
    else if (choice < 0.89) this.#freeze(node);
    else if (choice < 0.93) this.#thawAll();
    else if (choice < 0.95) this.#copies.set(node, cluster.copyOf(node));
    else if (choice < 0.97) await this.#restore(node);
    else await cluster.pass(this.#pick([10, 3_000, 20_000]));
  }

  /** To some of the nodes; the others miss it. One that is late has the time of one that was made before. */
  async #write(lateByMs: number): Promise<void> {
    const cluster = this.#cluster;
    const key = this.#pick(KEYS);
    const version = {
      atMs: cluster.sinceStartMs() + lateByMs,
      writer: ++this.#writer,
      from: this.#pick([3, 3, 3, 2, 1]),
      tombstone: this.#random() < 0.4,
    };
    const owners = cluster.listOf(key).slice(0, version.from);
    await Promise.all(
      owners.map(async (node) => {
        const { process } = cluster.nodes[node];
        if (process === null || process.isFrozen || this.#random() < 0.3) return;
        const round = this.#random() < 0.3 ? this.#round(null) : null;
        const reply = await cluster.write(node, key, version);
        if (reply.kind === ReplyKind.ok && cluster.nodes[node].process === process)
          this.#accepted.push({ key, version, node, mayBeLost: false });
        await round;
      }),
    );
  }

  /** @param endsAt after how many messages a node's process ends; null: none does */
  async #round(endsAt: number | null): Promise<void> {
    const cluster = this.#cluster;
    const asked = cluster.runningNodes();
    if (asked.length === 0) return;
    let left = endsAt ?? Number.POSITIVE_INFINITY;
    cluster.intercept = (from, to) => {
      if (--left !== 0) return undefined;
      this.#kill(this.#random() < 0.5 ? from : to);
      return 'lost';
    };
    await cluster.roundOverAll(this.#pick(asked), SLOT, SLOT);
    cluster.intercept = () => undefined;
  }

  /** What is dropped must hide nothing anywhere: not on a node that is away, and not on one that does not run. */
  #purge(node: number): void {
    const cluster = this.#cluster;
    if (cluster.nodes[node].process === null) return;
    const before = new Map(cluster.nodes[node].records);
    cluster.purge(node);
    for (const key of KEYS) {
      const name = Buffer.from(key).toString('latin1');
      const dropped = before.get(name);
      if (dropped === undefined || cluster.nodes[node].records.has(name)) continue;
      for (const other of cluster.nodes.keys()) {
        if (other === node || this.#restored.has(other)) continue;
        const held = cluster.nodes[other].records.get(name);
        if (held !== undefined && recordTimestamp(held, 0) < recordTimestamp(dropped, 0))
          this.#broken ??= `n${node} dropped ${key}, which n${other} has older: ${describe(held)} < ${describe(dropped)}`;
      }
    }
  }

  #kill(node: number): void {
    if (this.#cluster.nodes[node].process !== null) this.#cluster.kill(node);
  }

  #freeze(node: number): void {
    if (this.#cluster.nodes[node].process !== null) this.#cluster.freeze(node);
  }

  #thawAll(): void {
    for (const [index, { process }] of this.#cluster.nodes.entries())
      if (process?.isFrozen === true) this.#cluster.thaw(index);
  }

  async #startAll(): Promise<void> {
    const cluster = this.#cluster;
    for (const [index, node] of cluster.nodes.entries()) {
      if (node.process !== null) continue;
      await cluster.start(index);
    }
  }

  /** The node is put back to its copy. It may not notice at first. */
  async #restore(node: number): Promise<void> {
    const cluster = this.#cluster;
    const copy = this.#copies.get(node);
    // Two folders that have lost something may have lost the same.
    if (copy === undefined || (this.#restored.size > 0 && !this.#restored.has(node))) return;
    this.#kill(node);
    for (const each of this.#accepted) if (each.node === node) each.mayBeLost = true;
    cluster.nodes[node].records = new Map(copy);
    cluster.nodes[node].isWhole = this.#random() < 0.5;
    this.#restored.add(node);
    await cluster.start(node);
  }

  /** All nodes run, and rounds go on until nothing changes any more. */
  async #heal(): Promise<void> {
    const cluster = this.#cluster;
    this.#thawAll();
    await this.#startAll();
    await cluster.pass(10_000);
    for (let round = 0; round < 4; round++) {
      await cluster.roundOverAll(0, SLOT, SLOT);
      for (const node of cluster.nodes.keys()) this.#purge(node);
    }
    const differences = cluster.differences();
    if (differences.length > 0) this.#broken ??= `owners differ: ${differences.join(', ')}`;
    for (const key of KEYS) this.#judge(key);
  }

  /** What was accepted last is there, or nothing if that was a deletion; and nothing older. */
  #judge(key: string): void {
    const accepted = this.#accepted.filter((each) => each.key === key);
    const newest = latest(accepted.filter(({ mayBeLost }) => !mayBeLost));
    if (newest === null) return;
    // A deletion that a folder lost may have come to the others before.
    const isGone = accepted.some(({ version }) => version.tombstone === true && !isLater(newest, version));
    const cluster = this.#cluster;
    for (const node of cluster.listOf(key).slice(0, newest.from)) {
      const held = cluster.nodes[node].records.get(Buffer.from(key).toString('latin1'));
      const heldAtMs = held === undefined ? null : timestampMs(recordTimestamp(held, 0)) - cluster.startMs;
      if (held === undefined ? isGone : heldAtMs! >= newest.atMs) continue;
      this.#broken ??= `n${node} holds ${held === undefined ? 'nothing' : describe(held)} of ${key}, and ${newest.atMs} was accepted`;
    }
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#below(items.length)];
  }
}

function latest(accepted: readonly Accepted[]): Version | null {
  return accepted.reduce<Version | null>(
    (last, { version }) => (last === null || isLater(version, last) ? version : last),
    null,
  );
}

function isLater(a: Version, b: Version): boolean {
  return a.atMs !== b.atMs ? a.atMs > b.atMs : (a.writer ?? 0) > (b.writer ?? 0);
}

function describe(record: Uint8Array): string {
  return `${isTombstone(record, 0) ? 'a deletion' : 'a value'} of ${timestampMs(recordTimestamp(record, 0))}`;
}

function keysOfOneSlot(): string[] {
  const bySlot = new Map<number, string[]>();
  for (let number = 0; ; number++) {
    const key = `key${number}`;
    const slot = slotOf(Buffer.from(key));
    const keys = [...(bySlot.get(slot) ?? []), key];
    bySlot.set(slot, keys);
    if (keys.length === 2) return keys;
  }
}
