/** A cluster that `node cli.ts serve` runs on filled data, while a step asks it. */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePortRow } from '../../test/support/ports.ts';
import { quietEnvironment } from '../../test/support/run-cli.ts';
import { until } from '../../test/support/until.ts';
import { endBound, spawnBound } from '../support/bound-child.ts';
import { cpuSeconds } from '../support/processes.ts';
import { untilSettled } from '../support/settled.ts';
import type { Program } from './program.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const READY = 'Ctrl-C stops.';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const SETTLE_TIMEOUT_MS = 120_000;
export const NODES = 3;

/** Of what a cluster has said that does not start. */
const LAST_CHARACTERS = 500;

interface NodeStatus {
  readonly engine: {
    readonly estimatedKeys: number;
    readonly memtables: number;
    readonly compactionDebtBytes?: number;
  };
}

export class ServedCluster implements AsyncDisposable {
  readonly port: number;
  readonly pids: readonly number[];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number, pids: readonly number[]) {
    this.#child = child;
    this.port = port;
    this.pids = pids;
  }

  /** @param flags of `serve`, beside those that say where the data is */
  static async start(program: Program, directory: string, flags: readonly string[]): Promise<ServedCluster> {
    const [port] = await freePortRow(NODES);
    program.call(`127.0.0.1:${port}`, 'NODE');
    program.call(`--port ${port} `, '');
    const args = [
      'cli.ts',
      'serve',
      '--nodes',
      String(NODES),
      '--port',
      String(port),
      '--data',
      directory,
      ...flags,
    ];
    program.note(args);
    const child = spawnBound(process.execPath, args, {
      cwd: ROOT,
      env: quietEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    try {
      await until(
        () => {
          if (hasEnded(child)) throw new Error(`serve ended: ${output.trim().slice(-LAST_CHARACTERS)}`);
          return output.includes(READY);
        },
        START_TIMEOUT_MS,
        () => `serve said: ${output}`,
      );
    } catch (error) {
      await endBound(child);
      throw error;
    }
    const pids = [...output.matchAll(/ pid (\d+)/g)].map(([, pid]) => Number(pid));
    return new ServedCluster(child, port, pids);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** CPU time of all nodes and their threads; undefined where the system has no /proc. */
  cpuSeconds(): number | undefined {
    if (process.platform !== 'linux') return undefined;
    return this.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  }

  async statuses(): Promise<NodeStatus[]> {
    return await Promise.all(
      Array.from({ length: NODES }, async (_, i) => {
        const answer = await fetch(`http://127.0.0.1:${this.port + i}/v0/status`);
        return (await answer.json()) as NodeStatus;
      }),
    );
  }

  /** Resolves when no node has a flush or a compaction to do that an earlier run has left. */
  settled(): Promise<void> {
    return untilSettled(() => this.statuses(), SETTLE_TIMEOUT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    try {
      await until(
        () => hasEnded(this.#child),
        STOP_TIMEOUT_MS,
        () => 'serve does not end',
      );
    } finally {
      await endBound(this.#child);
    }
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
