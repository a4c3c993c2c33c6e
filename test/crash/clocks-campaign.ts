/**
 * A cluster of processes whose wall clocks jump, run wrong and are set, forward and back, by milliseconds to days, while
 * nodes are killed, frozen and started again and clients write and read. No acknowledged write may be older than one
 * acknowledged before it began; when the clocks are right again every node takes writes, and says that nothing is wrong.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Random, seededRandom, systemClock } from '../../src/clock.ts';
import { drawEpisode, type Episode, type EpisodeKind, type EpisodeStep } from '../support/clock-episodes.ts';
import { clockEnvironment, setClock } from '../support/clock-file.ts';
import { TestCluster } from '../support/cluster.ts';
import type { Answer } from '../support/http.ts';
import { until } from '../support/until.ts';
import { WriteEnd, WriteHistory } from '../support/write-history.ts';

const NODES = 3;
const CLIENTS = 8;
const KEYS = 6;
/** Two seconds are promised; the rest is for a machine that is busy. */
const BACK_MS = 30_000;
const RETRY_MS = 20;
/** The answer of a node that has no timestamp: it has sent nothing. */
const UNSENT = /takes no writes|no timestamp to give/;

export interface ClocksFigures {
  episodes: number;
  acknowledged: number;
  refused: number;
  unknown: number;
  reads: number;
  /** The longest time until a node took writes again after its clock was right. */
  longestBackMs: number;
}

export interface ClocksOptions {
  readonly seed: number;
  /** Asked before each episode for its kind, which may be left open; null ends the campaign. */
  readonly nextKind: (episodes: number) => EpisodeKind | undefined | null;
  readonly onEpisode: (line: string) => void;
}

export async function clocksCampaign(options: ClocksOptions): Promise<ClocksFigures> {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-clocks-'));
  const fileOf = (nodeId: string): string => join(directory, nodeId);
  try {
    const environment = (nodeId: string): NodeJS.ProcessEnv => clockEnvironment(fileOf(nodeId));
    await using cluster = await TestCluster.start({ nodes: NODES, environment });
    const campaign = new ClocksCampaign(cluster, fileOf, options.seed);
    for (;;) {
      const kind = options.nextKind(campaign.figures.episodes);
      if (kind === null) return campaign.figures;
      options.onEpisode(await campaign.episode(kind));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

class ClocksCampaign {
  readonly figures: ClocksFigures = {
    episodes: 0,
    acknowledged: 0,
    refused: 0,
    unknown: 0,
    reads: 0,
    longestBackMs: 0,
  };
  readonly #cluster: TestCluster;
  readonly #fileOf: (nodeId: string) => string;
  readonly #random: Random;
  /**
   * Its own source of numbers: what clients draw depends on how fast they are answered, and the same seed must give the
   * same episodes.
   */
  readonly #episodes: Random;
  readonly #isAway: boolean[] = new Array<boolean>(NODES).fill(false);
  #rightOffsetMs = 0;
  #values = 0;

  constructor(cluster: TestCluster, fileOf: (nodeId: string) => string, seed: number) {
    this.#cluster = cluster;
    this.#fileOf = fileOf;
    this.#episodes = seededRandom(seed);
    this.#random = seededRandom(seed + 1);
  }

  /** @returns what happened, in a line */
  async episode(kind?: EpisodeKind): Promise<string> {
    const episode = drawEpisode(this.#episodes, NODES, this.#rightOffsetMs, kind);
    const number = ++this.figures.episodes;
    this.#rightOffsetMs = episode.rightOffsetMs;
    const histories = Array.from({ length: KEYS }, (_, i) => new WriteHistory(`episode-${number}-${i}`));
    try {
      await this.#play(episode, histories);
      await this.#untilAllWrite(histories);
      await this.#readEverywhere(histories);
    } catch (error) {
      throw new Error(`episode ${number}: ${episode.name}`, { cause: error });
    }
    for (const history of histories)
      assert.equal(history.fault(), undefined, `episode ${number}: ${episode.name}`);
    return `${number}: ${episode.name}`;
  }

  async #play({ steps, lastsMs }: Episode, histories: readonly WriteHistory[]): Promise<void> {
    const startMs = systemClock.monotonicMs();
    const doings = steps.map(async (step, i) => {
      await sleep(startMs + step.atMs - systemClock.monotonicMs());
      // A node is killed before it is started, however long either takes.
      const before = steps
        .slice(0, i)
        .findLastIndex(({ node, action }) => node === step.node && action.do !== 'set');
      if (step.action.do !== 'set' && before >= 0) await doings[before];
      await this.#do(step);
    });
    let isOver = false;
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (!isOver) await this.#askSomething(histories);
    });
    try {
      await Promise.all([...doings, sleep(lastsMs)]);
    } finally {
      isOver = true;
      await Promise.all(clients);
    }
  }

  async #do({ node, action }: EpisodeStep): Promise<void> {
    const process = this.#cluster.nodes[node];
    switch (action.do) {
      case 'set':
        setClock(this.#fileOf(process.id), action.offsetMs, action.driftMsPerS);
        break;
      case 'kill':
        this.#isAway[node] = true;
        await process.kill();
        break;
      case 'start':
        await process.start();
        this.#isAway[node] = false;
        break;
      case 'freeze':
        process.signal('SIGSTOP');
        break;
      case 'thaw':
        process.signal('SIGCONT');
    }
  }

  async #askSomething(histories: readonly WriteHistory[]): Promise<void> {
    const draw = this.#random();
    const node = Math.floor(this.#random() * NODES);
    const key = Math.floor(this.#random() * KEYS);
    if (this.#isAway[node]) {
      await sleep(RETRY_MS);
      return;
    }
    try {
      if (draw < 0.45) await this.#read(node, key, histories);
      else await this.#write(node, key, draw > 0.9, histories);
    } catch {
      // The node was killed: nobody knows whether it has stored the write.
      await sleep(RETRY_MS);
    }
  }

  async #write(
    node: number,
    key: number,
    isDeletion: boolean,
    histories: readonly WriteHistory[],
  ): Promise<Answer> {
    const { client, ports } = this.#cluster;
    const value = isDeletion ? null : `v${++this.#values}`;
    const history = histories[key];
    const quorum = { from: 1 + (key % NODES) };
    const ended = history.write(value, systemClock.monotonicMs());
    this.figures.unknown++;
    const answer =
      value === null
        ? await client.delete(ports[node], history.key, quorum)
        : await client.put(ports[node], history.key, value, quorum);
    const endMs = systemClock.monotonicMs();
    if (answer.status === 201 || answer.status === 202) {
      this.figures.unknown--;
      this.figures.acknowledged++;
      ended(WriteEnd.acknowledged, endMs);
    } else if (answer.status === 503 && UNSENT.test(answer.body.toString())) {
      this.figures.unknown--;
      this.figures.refused++;
      ended(WriteEnd.refused, endMs);
    }
    return answer;
  }

  async #read(node: number, key: number, histories: readonly WriteHistory[]): Promise<number> {
    const { client, ports } = this.#cluster;
    const history = histories[key];
    const startMs = systemClock.monotonicMs();
    const { status, body } = await client.get(ports[node], history.key, { from: 1 + (key % NODES) });
    if (status === 200 || status === 404) {
      this.figures.reads++;
      history.read(status === 200 ? body.toString() : null, startMs);
    }
    return status;
  }

  /** The clocks are right, and every node runs. */
  async #untilAllWrite(histories: readonly WriteHistory[]): Promise<void> {
    const startMs = systemClock.monotonicMs();
    for (let node = 0; node < NODES; node++) {
      for (let key = 0; key < KEYS; key++) {
        let answer = '';
        const isWritten = async (): Promise<boolean> => {
          const { status, body } = await this.#write(node, key, false, histories);
          answer = `${status} ${body}`;
          return status === 201;
        };
        const { id } = this.#cluster.nodes[node];
        await until(isWritten, BACK_MS, () => `${id} takes no write of ${histories[key].key}: ${answer}`);
      }
      const backMs = systemClock.monotonicMs() - startMs;
      this.figures.longestBackMs = Math.max(this.figures.longestBackMs, backMs);
    }
    for (const { id, port } of this.#cluster.nodes) {
      let seen: unknown;
      const isSound = async (): Promise<boolean> => {
        const status = await this.#cluster.client.status(port);
        const { state, conditions } = status.node as { state: string; conditions: unknown };
        seen = { state, conditions, clock: status.clock };
        return state === 'serving';
      };
      await until(isSound, BACK_MS, () => `${id}: ${JSON.stringify(seen)}`);
    }
  }

  async #readEverywhere(histories: readonly WriteHistory[]): Promise<void> {
    for (let node = 0; node < NODES; node++) {
      for (let key = 0; key < KEYS; key++) {
        const status = await this.#read(node, key, histories);
        assert.ok(status === 200 || status === 404, `${this.#cluster.nodes[node].id} reads with ${status}`);
      }
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, Math.max(ms, 0)));
}
