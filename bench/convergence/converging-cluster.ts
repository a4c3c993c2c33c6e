/** Three real nodes with data in them, and what the rows of the benchmark ask of them. */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { TestCluster } from '../../test/support/cluster.ts';
import { runBound } from '../support/bound-child.ts';

const CLI = fileURLToPath(new URL('../../cli.ts', import.meta.url));
export const NODES = 3;
/** What everything in turn is done to, and who is asked meanwhile. */
export const VICTIM = NODES - 1;
const POLL_MS = 50;
const START_PATIENCE_MS = 60_000;
const AGREED_MS = 1_000;
const WRITES_AT_A_TIME = 64;
const STRETCHES = 8;

interface RoundFigures {
  readonly state: string;
  readonly stretches: number;
  readonly stretchesLeft: number;
  readonly sentBytes: number;
}

interface ConvergingStatus {
  readonly clock: { readonly ownTimeAheadMs: number };
  readonly antiEntropy: RoundFigures;
  readonly bootstrap: { readonly state: string; readonly copiedBytes: number };
  readonly engine: { readonly diskBytes: number };
}

/** A node that is being refilled; times are from when it was started. */
interface Refill {
  /** How long until everything is copied, in ms. */
  readonly copied: Promise<number>;
  /** The same until every slot is proved. */
  whole(): Promise<number>;
  /** What all nodes have used by now. */
  cpuSeconds(): number;
}

export class ConvergingCluster implements AsyncDisposable {
  readonly cluster: TestCluster;

  private constructor(cluster: TestCluster) {
    this.cluster = cluster;
  }

  /** @param fill as `fill --size` takes it; empty: no data */
  static async start(fill: string, ...args: readonly string[]): Promise<ConvergingCluster> {
    const prepare = async (topology: string, data: string): Promise<void> => {
      await runBound(process.execPath, [CLI, 'fill', '--topology', topology, '--data', data, '--size', fill]);
    };
    const cluster = await TestCluster.start({
      nodes: NODES,
      args: ['--log-level', 'error', ...args],
      ...(fill === '' ? {} : { prepare }),
    });
    const converging = new ConvergingCluster(cluster);
    // A cluster that was filled knows of no time later than that of its data until its nodes have agreed on one.
    await until(START_PATIENCE_MS, 'the nodes have agreed on the time', async () =>
      (await converging.#statuses()).every(({ clock }) => Math.abs(clock.ownTimeAheadMs) < AGREED_MS),
    );
    return converging;
  }

  async status(node: number): Promise<ConvergingStatus> {
    const { client, ports } = this.cluster;
    return (await client.status(ports[node])) as unknown as ConvergingStatus;
  }

  /** Bytes of all rounds since the start, whoever sent them. */
  async roundBytes(): Promise<number> {
    const statuses = await this.#statuses();
    return statuses.reduce((sum, { antiEntropy }) => sum + antiEntropy.sentBytes, 0);
  }

  /** Writes keys `prefix1` … `prefixN` at the first node. */
  async write(prefix: string, keys: number, value: string): Promise<void> {
    await this.#each(keys, (key) => this.cluster.client.put(this.cluster.ports[0], prefix + key, value), 201);
  }

  async delete(prefix: string, keys: number): Promise<void> {
    await this.#each(keys, (key) => this.cluster.client.delete(this.cluster.ports[0], prefix + key), 202);
  }

  /** @returns ms until every node holds the same keys of that prefix */
  async untilEqual(prefix: string, timeoutMs: number): Promise<number> {
    const startedMs = performance.now();
    const path = `/v0/entities?start=${prefix}&end=${prefix}~`;
    await until(timeoutMs, `all nodes hold the same keys ${prefix}…`, async () => {
      const { client, ports } = this.cluster;
      const held = await Promise.all(
        ports.map(async (port) => {
          const { body } = await client.send(port, 'GET', path);
          return createHash('sha256').update(body).digest('hex');
        }),
      );
      return new Set(held).size === 1;
    });
    return performance.now() - startedMs;
  }

  /** Waits for the next round of all nodes over all slots. @returns how long it ran, in ms */
  async nextRound(timeoutMs: number): Promise<number> {
    await until(timeoutMs, 'no round runs', async () =>
      (await this.#statuses()).every(({ antiEntropy }) => antiEntropy.state !== 'running'),
    );
    const before = (await this.#statuses()).map(({ antiEntropy }) => antiEntropy.stretches);
    let beganMs = 0;
    await until(timeoutMs, 'a round has ended', async () => {
      const now = await this.#statuses();
      if (beganMs === 0 && now.some(({ antiEntropy }) => antiEntropy.state === 'running'))
        beganMs = performance.now();
      return now.every(
        ({ antiEntropy }, node) =>
          antiEntropy.stretches >= before[node] + STRETCHES && antiEntropy.state !== 'running',
      );
    });
    return beganMs === 0 ? 0 : performance.now() - beganMs;
  }

  /** Kills the victim, empties its folder, and starts it. */
  async refill(timeoutMs: number): Promise<Refill> {
    const { nodes } = this.cluster;
    await nodes[VICTIM].kill();
    nodes[VICTIM].empty();
    await nodes[VICTIM].start();
    const startedMs = performance.now();
    const before = this.#cpuSeconds();
    const reaches = async (what: string, isThere: (state: string) => boolean): Promise<number> => {
      await until(timeoutMs, what, async () => isThere((await this.status(VICTIM)).bootstrap.state));
      return performance.now() - startedMs;
    };
    const isCopied = (state: string): boolean => state !== 'starting' && state !== 'copying';
    return {
      copied: reaches('the folder is copied', isCopied),
      whole: () => reaches('the folder is whole', (state) => state === 'idle'),
      cpuSeconds: () => this.#cpuSeconds() - before,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }

  /** Of all threads of all nodes, since each was started. */
  #cpuSeconds(): number {
    return this.cluster.nodes.reduce((sum, { pid }) => sum + cpuSecondsOf(pid), 0);
  }

  #statuses(): Promise<ConvergingStatus[]> {
    return Promise.all(this.cluster.ports.map((_, node) => this.status(node)));
  }

  async #each(
    keys: number,
    send: (key: number) => Promise<{ status: number }>,
    status: number,
  ): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < keys) {
        const answer = await send(++next);
        if (answer.status !== status) throw new Error(`a write was answered with ${answer.status}`);
      }
    };
    await Promise.all(Array.from({ length: WRITES_AT_A_TIME }, worker));
  }
}

/** As the kernel counts it, in ticks of 10 ms. */
function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in front may have blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export async function until(timeoutMs: number, what: string, holds: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  // A connection that is kept alive ends with the node that it leads to.
  while (!(await holds().catch(() => false))) {
    if (performance.now() >= untilMs) throw new Error(`not within ${timeoutMs / 1_000} s: ${what}`);
    await delay(POLL_MS);
  }
}

/** @returns how long `dd` takes to write as many zeros and sync them, in ms */
export async function ddMs(file: string, mib: number): Promise<number> {
  const startedMs = performance.now();
  await runBound('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M', `count=${mib}`, 'conv=fdatasync']);
  const ms = performance.now() - startedMs;
  if (statSync(file).size !== mib * 1024 * 1024) throw new Error('dd wrote less than it was asked to');
  return ms;
}
