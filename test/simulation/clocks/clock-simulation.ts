/**
 * Clients that write and read a few keys through all nodes of a simulated cluster while its clocks misbehave.
 * Afterwards no acknowledged write may be older than one acknowledged before it began, and all nodes take writes again.
 */
import { type Random, seededRandom } from '../../../src/clock.ts';
import { Outcome } from '../../../src/outcome.ts';
import { quorumOptions } from '../../../src/request-options.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { ClockCluster, type PlantedFault } from '../../support/clock-cluster.ts';
import { drawEpisode, type Episode, type EpisodeStep } from '../../support/clock-episodes.ts';
import { settle } from '../../support/clock-nodes.ts';
import { WriteEnd, WriteHistory } from '../../support/write-history.ts';

const CLIENTS = 5;
const KEYS = 6;
const STEP_MS = 2;
const MAX_PAUSE_MS = 40;
/** A node whose clock is right again takes writes within this. */
const BACK_MS = 2_000;

export interface SimulationFigures {
  acknowledged: number;
  refused: number;
  unknown: number;
  reads: number;
}

export class ClockSimulation {
  readonly figures: SimulationFigures = { acknowledged: 0, refused: 0, unknown: 0, reads: 0 };
  readonly #random: Random;
  readonly #base = new FakeClock();
  readonly #nodes: number;
  readonly #cluster: ClockCluster;
  readonly #frozen = new Set<number>();
  #rightOffsetMs = 0;
  #episodes = 0;
  #values = 0;

  constructor(seed: number, fault: PlantedFault) {
    this.#random = seededRandom(seed);
    this.#nodes = 1 + Math.floor(this.#random() * 5);
    this.#cluster = new ClockCluster(this.#nodes, this.#base, this.#random, fault);
  }

  /** @throws Error that names the episode, and what cannot be true after it */
  async episode(): Promise<void> {
    const episode = drawEpisode(this.#random, this.#nodes, this.#rightOffsetMs);
    this.#rightOffsetMs = episode.rightOffsetMs;
    const histories = this.#histories();
    try {
      await this.#play(episode, histories);
      await this.#untilAllWrite(histories);
      await this.#readEverywhere(histories);
    } catch (error) {
      const clocks = this.#cluster.nodes.map(({ clocks }) => JSON.stringify(clocks.hybrid.time.figures()));
      throw new Error(`${this.#nodes} nodes: ${episode.name}; ${clocks.join(' ')}`, { cause: error });
    }
    for (const history of histories) {
      const fault = history.fault();
      if (fault !== undefined) throw new Error(`${this.#nodes} nodes: ${episode.name}: ${fault}`);
    }
  }

  #histories(): WriteHistory[] {
    this.#episodes++;
    return Array.from({ length: KEYS }, (_, i) => new WriteHistory(`${this.#episodes} ${i}`));
  }

  async #play({ steps, lastsMs }: Episode, histories: readonly WriteHistory[]): Promise<void> {
    const startMs = this.#base.monotonicMs();
    const endMs = startMs + lastsMs;
    for (let client = 0; client < CLIENTS; client++) this.#beClient(histories, endMs);
    let next = 0;
    while (this.#base.monotonicMs() < endMs) {
      while (next < steps.length && startMs + steps[next].atMs <= this.#base.monotonicMs())
        this.#do(steps[next++]);
      await this.#pass(STEP_MS);
    }
    while (next < steps.length) this.#do(steps[next++]);
  }

  #do({ node, action }: EpisodeStep): void {
    const each = this.#cluster.nodes[node];
    if (action.do === 'set') each.clocks.clock.set(action.offsetMs, action.driftMsPerS);
    else if (action.do === 'kill') each.kill();
    else if (action.do === 'start') each.start();
    else {
      // It neither hears nor says anything, and nothing is asked of it; its clocks go on.
      if (action.do === 'freeze') this.#frozen.add(node);
      else this.#frozen.delete(node);
      each.clocks.isUp = action.do === 'thaw';
    }
  }

  /** One request after the other, until then. */
  #beClient(histories: readonly WriteHistory[], endMs: number): void {
    const again = (): void => {
      if (this.#base.monotonicMs() >= endMs) return;
      this.#base.after(this.#random() * MAX_PAUSE_MS, () => {
        const node = Math.floor(this.#random() * this.#nodes);
        if (!this.#cluster.nodes[node].isUp) again();
        else this.#ask(node, Math.floor(this.#random() * KEYS), this.#random(), histories, again);
      });
    };
    again();
  }

  /** @param draw which request; below 0.45 a read, above 0.9 a deletion */
  #ask(
    node: number,
    key: number,
    draw: number,
    histories: readonly WriteHistory[],
    ended: (outcome?: Outcome, reason?: string) => void,
  ): void {
    const history = histories[key];
    const name = Buffer.from(history.key);
    const from = 1 + (key % this.#nodes);
    const startMs = this.#base.monotonicMs();
    let isOver = false;
    // A request to a node that is killed is never answered.
    this.#base.after(1_500, () => {
      if (isOver) return;
      isOver = true;
      if (draw >= 0.45) this.figures.unknown++;
      ended();
    });
    if (draw < 0.45) {
      this.#cluster.ask(
        node,
        (coordinator, reply) => coordinator.get(name, quorumOptions(0, from), reply),
        (outcome, value) => {
          if (isOver) return;
          isOver = true;
          this.figures.reads++;
          if (outcome === Outcome.ok) history.read(value, startMs);
          else if (outcome === Outcome.notFound) history.read(null, startMs);
          ended(outcome);
        },
      );
      return;
    }
    const value = draw > 0.9 ? null : `v${++this.#values}`;
    const end = history.write(value, startMs);
    this.#cluster.ask(
      node,
      (coordinator, reply) => {
        if (value === null) coordinator.delete(name, quorumOptions(0, from), reply);
        else coordinator.put(name, Buffer.from(value), quorumOptions(0, from), reply);
      },
      (outcome, _, reason) => {
        if (isOver) return;
        isOver = true;
        end(this.#endOf(outcome), this.#base.monotonicMs());
        ended(outcome, reason);
      },
    );
  }

  #endOf(outcome: Outcome): WriteEnd {
    if (outcome === Outcome.ok) {
      this.figures.acknowledged++;
      return WriteEnd.acknowledged;
    }
    // A node that has no timestamp to give has sent nothing.
    if (outcome === Outcome.overloaded) {
      this.figures.refused++;
      return WriteEnd.refused;
    }
    this.figures.unknown++;
    return WriteEnd.unknown;
  }

  /** The clocks are right, and every node runs. */
  async #untilAllWrite(histories: readonly WriteHistory[]): Promise<void> {
    const startMs = this.#base.monotonicMs();
    for (let node = 0; node < this.#nodes; node++) {
      for (let key = 0; key < KEYS; key++) {
        for (let isWritten = false; !isWritten; ) {
          const { outcome, reason } = await this.#answer(node, key, 0.5, histories);
          isWritten = outcome === Outcome.ok;
          if (!isWritten && this.#base.monotonicMs() - startMs > BACK_MS)
            throw new Error(`n${node} takes no write of key ${key} ${BACK_MS} ms afterwards: ${reason}`);
          if (!isWritten) await this.#pass(20);
        }
      }
    }
  }

  async #readEverywhere(histories: readonly WriteHistory[]): Promise<void> {
    for (let node = 0; node < this.#nodes; node++) {
      for (let key = 0; key < KEYS; key++) {
        const { outcome } = await this.#answer(node, key, 0, histories);
        // A client's last deletion may have come behind.
        if (outcome !== Outcome.ok && outcome !== Outcome.notFound)
          throw new Error(`n${node} reads key ${key} with ${outcome}`);
      }
    }
  }

  async #answer(
    node: number,
    key: number,
    draw: number,
    histories: readonly WriteHistory[],
  ): Promise<{ outcome: Outcome | undefined; reason: string }> {
    let answer: { outcome: Outcome | undefined; reason: string } | undefined;
    this.#ask(node, key, draw, histories, (outcome, reason = '') => {
      answer = { outcome, reason };
    });
    while (answer === undefined) await this.#pass(STEP_MS);
    return answer;
  }

  async #pass(ms: number): Promise<void> {
    this.#base.advance(ms);
    await settle();
  }
}
