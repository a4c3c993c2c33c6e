/**
 * What clients of a cluster notice when one of its nodes is unwell, measured on real processes: a load at the other
 * nodes goes on all the while, and what it meets is compared with what it met just before and just after. Every answer
 * is judged. All times are this process's.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { runThreads } from '../../src/cli/load/threads.ts';
import { BusyThreads } from '../support/busy-threads.ts';
import { CheckedLoad, type Latencies } from '../support/checked-load.ts';
import { TestCluster } from '../support/cluster.ts';
import { loadPlan } from '../support/load-plan.ts';
import type { PeerFault } from './peer-fault.ts';

const NODES = 3;
const QUORUM = { ack: 2, from: 3 };
const VICTIM = NODES - 1;
const KEYS = 500;
/** So long a fault may be felt before it must not be any more. */
const GRACE_MS = 1_000;
/** After the fault reads soon ask no more replicas than they need: in a second, if the machine has nothing else to do. */
const RECOVERY_MS = 15_000;
const WORSE_THAN_HEALTHY = 2;
/**
 * Below it a p99 is no worse than a healthy one: processes share the machine with others, and one that has to wait for
 * its turn of a core once in a hundred requests is that late; a write waits for the disk as well. Whoever waits for the
 * node that is unwell waits longer: it is 200 ms late or silent for 300 ms and more, and a hedge comes after up to
 * 100 ms.
 */
const NOISE_MS = { get: 25, put: 100 };
const METHODS = ['get', 'put'] as const;
/** Of the GETs of a cluster that is well. */
const MOST_HEDGED_SHARE = 0.05;
/** A node saves so many up for the moment in which a node dies, and also sends them when everything becomes slow at once. */
const SAVED_HEDGES = 50;
/** Over few GETs a hedge weighs more: a node may save some up, and sends them when the machine stops for a moment. */
const MOST_ASKED_IN_HEALTH = QUORUM.ack + 2 * MOST_HEDGED_SHARE;
/** A breach that comes with it may be the machine's. */
const LONG_STALL_MS = 100;
const POLL_MS = 100;
const LEAST_GETS_A_POLL = 10;

export interface ProofPlan {
  readonly replication: 'parallel' | 'hedged';
  readonly seed: number;
  readonly getsPerSecond: number;
  readonly putsPerSecond: number;
  readonly healthyMs: number;
  /** Beyond the grace. */
  readonly faultyMs: number;
  /**
   * How often to try a fault, with the health before and after it, until no promise is broken: a fault that clients
   * feel is felt each time, and what else the machine has to do is not.
   */
  readonly mostTries: number;
}

interface ByMethod {
  readonly get: Latencies;
  readonly put: Latencies;
}

interface Measured extends ByMethod {
  /** Replicas asked for each GET. */
  readonly asked: number;
  /** How long this process stood still at the longest: a node on the same machine may have waited as long for a core. */
  readonly stalledMs: number;
}

export interface FaultFigures {
  readonly fault: string;
  readonly before: Measured;
  /** The first second, in which a fault may be felt. */
  readonly grace: ByMethod;
  readonly faulty: Measured;
  readonly after: Measured;
  /** From the end of the fault until reads ask no more replicas than they need; null: not within the time. */
  readonly recoveredMs: number | null;
  /** Answers that should not have come, and those that did not, from the beginning of the fault on. */
  readonly wrong: readonly string[];
  /** How many of them came. */
  readonly falseAnswers: number;
  /** How long this process itself, and maybe the nodes, stood still at the longest: the machine had more to do than it can. */
  readonly stalledMs: number;
}

/** From the status, of reads all of whose replicas have answered or had their time. */
interface ReadCounts {
  readonly reads: number;
  readonly replicasRead: number;
  /** Replicas that were asked because others were late. */
  readonly hedges: number;
}

export interface LoadFigures {
  readonly reads: number;
  /** Replicas for each GET. It is more than `ack` and the hedges where nodes were silent for so long that all are asked. */
  readonly asked: number;
  readonly hedges: number;
}

interface Status {
  readonly requests: ReadCounts;
  /** Null unless reads are hedged. */
  readonly hedging: { readonly sent: number } | null;
}

export class FaultProof implements AsyncDisposable {
  readonly #cluster: TestCluster;
  readonly #load: CheckedLoad;
  readonly #plan: ProofPlan;
  /** As measured last. */
  #healthy: Measured | null = null;

  private constructor(cluster: TestCluster, load: CheckedLoad, plan: ProofPlan) {
    this.#cluster = cluster;
    this.#load = load;
    this.#plan = plan;
  }

  static async start(plan: ProofPlan): Promise<FaultProof> {
    const { getsPerSecond, putsPerSecond, replication, seed } = plan;
    const args = ['--replication', replication, '--log-level', 'error'];
    const cluster = await TestCluster.start({ nodes: NODES, args, isProxied: true });
    const ports = cluster.ports.filter((_, node) => node !== VICTIM);
    const load = new CheckedLoad(cluster.client, {
      ports,
      getsPerSecond,
      putsPerSecond,
      keys: KEYS,
      quorum: QUORUM,
      seed,
    });
    try {
      await load.start();
      // What is compiled first is slow at first.
      await delay(plan.healthyMs);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return new FaultProof(cluster, load, plan);
  }

  /** @returns the figures of each attempt; those of the last one are the verdict */
  prove(fault: PeerFault): Promise<FaultFigures[]> {
    const { mostTries, replication } = this.#plan;
    return tryUntilItHolds(() => this.#attempt(fault), replication, mostTries);
  }

  /**
   * GETs over 64 connections, as many as are answered.
   * @param busyThreads that have nothing to do with it and take what they get of the machine
   */
  async underLoad(durationMs: number, busyThreads: number): Promise<LoadFigures> {
    const targets = this.#clientPorts.map((port) => ({ host: '127.0.0.1', port }));
    const plan = loadPlan({ targets, durationMs, keys: KEYS, ...QUORUM });
    using _busy = new BusyThreads(busyThreads);
    const before = await this.#counts();
    await runThreads(plan, () => undefined, new AbortController().signal);
    const after = await this.#counts();
    const reads = after.reads - before.reads;
    return { reads, asked: perRead(before, after), hedges: after.hedges - before.hedges };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#load[Symbol.asyncDispose]();
    await this.#cluster[Symbol.asyncDispose]();
  }

  async #attempt(fault: PeerFault): Promise<FaultFigures> {
    const before = this.#healthy ?? (await this.#measureHealth());
    const beganMs = performance.now();
    const end = await fault.begin(this.#cluster, VICTIM);
    const graceMs = performance.now();
    let faulty: Measured;
    try {
      await delay(GRACE_MS);
      faulty = await this.#measure(this.#plan.faultyMs);
    } finally {
      await end();
    }
    const recoveredMs = await this.#recovery();
    await this.#cluster.connected();
    const after = await this.#measureHealth();
    this.#healthy = after;
    const grace = this.#latencies(graceMs, graceMs + GRACE_MS);
    const endedMs = performance.now();
    return {
      fault: fault.name,
      before,
      grace,
      faulty,
      after,
      recoveredMs,
      wrong: this.#load.faults(beganMs, endedMs),
      falseAnswers: this.#load.falseAnswers(beganMs, endedMs),
      stalledMs: this.#load.longestStallMs(beganMs, endedMs),
    };
  }

  /** Until no more replicas are asked than in health: a moment in which the machine is busy has hedges as well. */
  async #measureHealth(): Promise<Measured> {
    const { healthyMs, mostTries, replication } = this.#plan;
    for (let tries = 1; ; tries++) {
      const measured = await this.#measure(healthyMs);
      const isHealthy = replication !== 'hedged' || measured.asked <= MOST_ASKED_IN_HEALTH;
      if (isHealthy || tries >= mostTries) return measured;
    }
  }

  async #measure(durationMs: number): Promise<Measured> {
    const startMs = performance.now();
    const before = await this.#counts();
    await delay(durationMs);
    const asked = perRead(before, await this.#counts());
    // What hangs counts with the time that it hangs.
    await this.#load.settled();
    const endMs = startMs + durationMs;
    const stalledMs = this.#load.longestStallMs(startMs, performance.now());
    return { ...this.#latencies(startMs, endMs), asked, stalledMs };
  }

  #latencies(fromMs: number, toMs: number): ByMethod {
    return {
      get: this.#load.latencies('GET', fromMs, toMs),
      put: this.#load.latencies('PUT', fromMs, toMs),
    };
  }

  get #clientPorts(): readonly number[] {
    return this.#cluster.ports.filter((_, node) => node !== VICTIM);
  }

  async #recovery(): Promise<number | null> {
    const startMs = performance.now();
    const most = this.#plan.replication === 'hedged' ? MOST_ASKED_IN_HEALTH : QUORUM.from;
    let before = await this.#counts();
    while (performance.now() - startMs < RECOVERY_MS) {
      await delay(POLL_MS);
      const now = await this.#counts();
      if (now.reads - before.reads < LEAST_GETS_A_POLL) continue;
      if (perRead(before, now) <= most) return performance.now() - startMs;
      before = now;
    }
    return null;
  }

  /** Of the nodes that clients ask. */
  async #counts(): Promise<ReadCounts> {
    const statuses = await Promise.all(this.#clientPorts.map((port) => this.#cluster.client.status(port)));
    const nodes = statuses as unknown as Status[];
    return {
      reads: nodes.reduce((sum, { requests }) => sum + requests.reads, 0),
      replicasRead: nodes.reduce((sum, { requests }) => sum + requests.replicasRead, 0),
      hedges: nodes.reduce((sum, { hedging }) => sum + (hedging?.sent ?? 0), 0),
    };
  }
}

/**
 * Makes one attempt after the other until one breaks no promise, or `mostTries` have broken some. A machine may get
 * busier between a health and the fault beside it, so an attempt is repeated as a whole and has its own healths.
 */
export async function tryUntilItHolds(
  attempt: () => Promise<FaultFigures>,
  replication: ProofPlan['replication'],
  mostTries: number,
): Promise<FaultFigures[]> {
  const attempts: FaultFigures[] = [];
  while (attempts.length < mostTries) {
    const figures = await attempt();
    attempts.push(figures);
    if (isFinal(figures) || breachesOf(figures, replication).length === 0) break;
  }
  return attempts;
}

/** A false answer is false on every machine, and nothing fails in time but on one that stood still. */
function isFinal({ falseAnswers, stalledMs, wrong }: FaultFigures): boolean {
  return falseAnswers > 0 || (wrong.length > 0 && stalledMs < LONG_STALL_MS);
}

/** What was promised and did not hold, a sentence each. */
export function breachesOf(figures: FaultFigures, replication: ProofPlan['replication']): string[] {
  const { after, before, fault, faulty, recoveredMs, stalledMs, wrong } = figures;
  const breaches = [...wrong];
  for (const method of METHODS) {
    const most = boundMs(method, faulty.stalledMs, before, after);
    const { count, p99Ms } = faulty[method];
    if (p99Ms > most) breaches.push(`p99 of ${method} is ${ms(p99Ms)}, more than ${ms(most)}`);
    if (count === 0) breaches.push(`no ${method} was sent`);
  }
  if (replication === 'hedged') {
    for (const { asked } of [before, after]) {
      if (asked > MOST_ASKED_IN_HEALTH)
        breaches.push(`${asked.toFixed(3)} replicas were asked for a GET in health`);
    }
    if (recoveredMs === null)
      breaches.push(`${RECOVERY_MS} ms after it GETs still ask more replicas than two`);
  }
  const machine =
    stalledMs < LONG_STALL_MS ? '' : `; the machine stood still for ${ms(stalledMs)} ms meanwhile`;
  return breaches.map((breach) => `${fault}: ${breach.trim()}${machine}`);
}

/** Whether so few reads were hedged as in a cluster that is well. */
export function hardlyHedges({ hedges, reads }: LoadFigures): boolean {
  return hedges <= reads * MOST_HEDGED_SHARE + (NODES - 1) * SAVED_HEDGES;
}

export function describeLoad({ asked, hedges, reads }: LoadFigures): string {
  const share = ((hedges / reads) * 100).toFixed(2);
  return `${reads} GETs under full load, ${asked.toFixed(3)} replicas asked for each, ${share} % hedged`;
}

/** @param stalledMs what the machine alone may have added meanwhile */
function boundMs(method: keyof ByMethod, stalledMs: number, ...healthy: readonly ByMethod[]): number {
  const worst = WORSE_THAN_HEALTHY * Math.max(...healthy.map((each) => each[method].p99Ms));
  return Math.max(worst, NOISE_MS[method]) + stalledMs;
}

export const FIGURE_TITLES = line([
  'ms',
  '',
  'well p50',
  'p99',
  '1st s p99',
  'max',
  'unwell p50',
  'p99',
  'bound',
  'after p99',
  'asked',
  'unwell',
  'after',
  'recovered',
  'wrong',
  'stalled',
]);

/** A line for each method. */
export function describeFigures(figures: FaultFigures): string {
  const { after, before, fault, faulty, grace, recoveredMs, stalledMs, wrong } = figures;
  const rows = METHODS.map((method) => [
    method === 'get' ? fault : '',
    method.toUpperCase(),
    ms(before[method].p50Ms),
    ms(before[method].p99Ms),
    ms(grace[method].p99Ms),
    ms(grace[method].maxMs),
    ms(faulty[method].p50Ms),
    ms(faulty[method].p99Ms),
    ms(boundMs(method, faulty.stalledMs, before, after)),
    ms(after[method].p99Ms),
  ]);
  rows[0].push(...[before, faulty, after].map(({ asked }) => asked.toFixed(2)));
  rows[0].push(recoveredMs === null ? 'no' : ms(recoveredMs), String(wrong.length), ms(stalledMs));
  return rows.map(line).join('\n');
}

function perRead(before: ReadCounts, after: ReadCounts): number {
  return (after.replicasRead - before.replicasRead) / (after.reads - before.reads);
}

function ms(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0);
}

function line(cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(cell === cells[0] ? 12 : 10)).join(' ');
}
