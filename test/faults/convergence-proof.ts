/**
 * Whether the nodes of a cluster hold the same again, and soon, after something has befallen one of them under load:
 * measured on real processes. Every answer is judged all the while: no acknowledged write is lost, reads never go back,
 * and no deleted value comes back. All times are this process's.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { CheckedLoad } from '../support/checked-load.ts';
import { clockEnvironment } from '../support/clock-file.ts';
import { TestCluster } from '../support/cluster.ts';
import { diskEnvironment } from '../support/disk-fault-file.ts';
import { type ConvergenceFault, clockFileOf, diskFileOf } from './convergence-fault.ts';

const NODES = 3;
const QUORUM = { ack: 2, from: 3 };
const KEYS = 1_000;
/** Keys that are written once: what a folder lacks that is emptied. */
const STILL_KEYS = 4_000;
const STILL_WRITES_AT_A_TIME = 64;
const STILL_VALUE = 'x'.repeat(200);
/** With the load over several nodes it goes on so long after the fault has ended: hints and repairs meet new writes. */
const AFTER_MS = 1_000;
const POLL_MS = 200;

export interface ConvergencePlan {
  readonly seed: number;
  readonly getsPerSecond: number;
  readonly putsPerSecond: number;
  readonly deletesPerSecond: number;
  readonly faultyMs: number;
  /** So soon after the end of the fault all nodes hold the same. */
  readonly equalWithinMs: number;
  readonly args: readonly string[];
}

export interface ConvergenceFigures {
  readonly fault: string;
  /** From the end of the fault until all nodes hold the same; null: not within the time. */
  readonly equalMs: number | null;
  /** From the same moment until every node counts for all reads. */
  readonly servingMs: number | null;
  /** Requests that were answered, and those that failed, since the fault began. */
  readonly answered: number;
  readonly failed: number;
  /** Answers that cannot be true. */
  readonly wrong: readonly string[];
  /** What the nodes hold at last, when it is not the same. */
  readonly held: readonly string[];
}

interface NodeStatus {
  readonly node: { readonly state: string; readonly conditions: readonly { readonly code: string }[] };
}

export class ConvergenceProof implements AsyncDisposable {
  readonly #cluster: TestCluster;
  readonly #load: CheckedLoad;
  readonly #plan: ConvergencePlan;

  private constructor(cluster: TestCluster, load: CheckedLoad, plan: ConvergencePlan) {
    this.#cluster = cluster;
    this.#load = load;
    this.#plan = plan;
  }

  static async start(plan: ConvergencePlan): Promise<ConvergenceProof> {
    const cluster = await TestCluster.start({
      nodes: NODES,
      args: ['--log-level', 'error', ...plan.args],
      isProxied: true,
      environment: (nodeId, directory) => {
        const clock = clockEnvironment(clockFileOf(directory, nodeId));
        return { ...clock, ...diskEnvironment(diskFileOf(directory, nodeId), clock.NODE_OPTIONS) };
      },
    });
    try {
      await writeStillKeys(cluster);
      const { getsPerSecond, putsPerSecond, deletesPerSecond, seed } = plan;
      const rates = { getsPerSecond, putsPerSecond, deletesPerSecond };
      const load = new CheckedLoad(cluster.client, {
        ...rates,
        ports: cluster.ports,
        keys: KEYS,
        quorum: QUORUM,
        seed,
        mayFail: true,
      });
      await load.start();
      return new ConvergenceProof(cluster, load, plan);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @param victim the node that it befalls */
  async prove(fault: ConvergenceFault, victim: number): Promise<ConvergenceFigures> {
    const { faultyMs, equalWithinMs } = this.#plan;
    const load = this.#load;
    const { ports } = this.#cluster;
    const beganMs = performance.now();
    if (!fault.isServing) load.ports = ports.filter((_, node) => node !== victim);
    const end = await fault.begin(this.#cluster, victim);
    await delay(faultyMs);
    await end();
    const endedMs = performance.now();
    load.ports = ports;
    await delay(AFTER_MS);
    await load.pause();
    const untilMs = endedMs + equalWithinMs;
    const [equalMs, servingMs] = await Promise.all([
      this.#within(untilMs, endedMs, async () => new Set(await this.#heldByNodes()).size === 1),
      this.#within(untilMs, endedMs, () => this.#allServe()),
    ]);
    await load.readAll();
    const nowMs = performance.now();
    const answered = load.answered(beganMs, nowMs);
    const figures = {
      fault: fault.name,
      equalMs,
      servingMs,
      answered,
      failed: load.sent(beganMs, nowMs) - answered,
      wrong: load.faults(beganMs, nowMs),
      held: equalMs === null ? await this.#heldByNodes() : [],
    };
    load.resume();
    return figures;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#load[Symbol.asyncDispose]();
    await this.#cluster[Symbol.asyncDispose]();
  }

  /** @returns ms from `fromMs` until it holds; null: it does not by `untilMs` */
  async #within(untilMs: number, fromMs: number, holds: () => Promise<boolean>): Promise<number | null> {
    for (;;) {
      if (await holds()) return performance.now() - fromMs;
      if (performance.now() >= untilMs) return null;
      await delay(POLL_MS);
    }
  }

  /** For each node a sentence about all entries that it holds, as clients see them. */
  #heldByNodes(): Promise<string[]> {
    const { client, ports } = this.#cluster;
    return Promise.all(
      ports.map(async (port) => {
        try {
          const { body, status } = await client.send(port, 'GET', '/v0/entities?start=');
          return `${status}, ${body.length} bytes, ${createHash('sha256').update(body).digest('hex').slice(0, 12)}`;
        } catch (error) {
          return `${port}: ${error instanceof Error ? error.message : error}`;
        }
      }),
    );
  }

  async #allServe(): Promise<boolean> {
    const { client, ports } = this.#cluster;
    try {
      const statuses = await Promise.all(ports.map((port) => client.status(port)));
      return statuses.every((status) => (status as unknown as NodeStatus).node.state === 'serving');
    } catch {
      return false;
    }
  }
}

async function writeStillKeys({ client, ports }: TestCluster): Promise<void> {
  for (let first = 0; first < STILL_KEYS; first += STILL_WRITES_AT_A_TIME) {
    const keys = Array.from({ length: STILL_WRITES_AT_A_TIME }, (_, i) => first + i);
    const answers = await Promise.all(
      keys.map((key) => client.put(ports[key % NODES], `still${key}`, STILL_VALUE, QUORUM)),
    );
    const failed = answers.find(({ status }) => status !== 201);
    if (failed !== undefined) throw new Error(`a key could not be written: ${failed.status} ${failed.body}`);
  }
}

/** What was promised and did not hold, a sentence each. */
export function breachesOf(
  figures: ConvergenceFigures,
  plan: Pick<ConvergencePlan, 'equalWithinMs'>,
): string[] {
  const { answered, equalMs, fault, held, servingMs, wrong } = figures;
  const breaches = [...wrong];
  if (equalMs === null)
    breaches.push(`the nodes hold different entries ${plan.equalWithinMs} ms after it: ${held.join('; ')}`);
  if (servingMs === null)
    breaches.push(`a node does not count for all reads ${plan.equalWithinMs} ms after it`);
  if (answered === 0) breaches.push('no request was answered');
  return breaches.map((breach) => `${fault}: ${breach.trim()}`);
}

export const FIGURE_TITLES = line(['', 'equal, s', 'whole, s', 'answered', 'failed', 'wrong']);

export function describeFigures(figures: ConvergenceFigures): string {
  const { answered, equalMs, failed, fault, servingMs, wrong } = figures;
  return line([
    fault,
    seconds(equalMs),
    seconds(servingMs),
    String(answered),
    String(failed),
    String(wrong.length),
  ]);
}

function seconds(ms: number | null): string {
  return ms === null ? 'no' : (ms / 1_000).toFixed(1);
}

function line(cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(12)).join('');
}
