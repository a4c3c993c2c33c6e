/** The cluster that `profile` starts for itself, on ports that are free, and ends again. */

import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Address } from '../../address.ts';
import { systemClock, systemRandom } from '../../clock.ts';
import type { NodeSettings } from '../../config.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { nodeSpawner } from '../serve/child-process.ts';
import { planLocalCluster, type ServePlan } from '../serve/plan.ts';
import { checkAddresses, chooseFreePorts } from '../serve/ports.ts';
import { type SupervisedNode, Supervisor } from '../serve/supervisor.ts';

const HOST = '127.0.0.1';
const DRAIN_PATIENCE_MS = 10_000;
const PORT_TRIES = 50;
const HIGHEST_PORT = 65_535;

interface OwnClusterOptions {
  readonly nodes: number;
  /** Undefined: a temporary one, which goes with the cluster. */
  readonly dataDirectory: string | undefined;
  /** They are to allow profiling. */
  readonly settings: NodeSettings;
  /** Its abort ends the start. */
  readonly signal: AbortSignal;
  readonly report: (line: string) => void;
}

export class OwnCluster implements AsyncDisposable {
  readonly nodes: readonly SupervisedNode[];
  readonly #opened: AsyncDisposableStack;

  private constructor(nodes: readonly SupervisedNode[], opened: AsyncDisposableStack) {
    this.nodes = nodes;
    this.#opened = opened;
  }

  static async start(options: OwnClusterOptions): Promise<OwnCluster> {
    await using opened = new AsyncDisposableStack();
    const { nodes, report, settings, signal } = options;
    const dataDirectory = options.dataDirectory ?? (await temporaryFolder(opened));
    const port = await freePortRange(nodes);
    const plan: ServePlan = opened.use(
      planLocalCluster({ nodes, host: HOST, port, dataDirectory, restart: false }, settings),
    );
    const supervisor = new Supervisor(plan.nodeIds, {
      spawn: nodeSpawner(),
      restart: false,
      clock: systemClock,
      random: systemRandom,
      report,
    });
    opened.defer(async () => void (await supervisor.drain(DRAIN_PATIENCE_MS)));
    const stop = (): void => supervisor.kill();
    signal.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      const serving = await supervisor.start(await plan.configure(report));
      return new OwnCluster(serving, opened.move());
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }
}

async function temporaryFolder(opened: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'quorate-profile-'));
  // A second Ctrl-C ends the process at once.
  const removeNow = (): void => {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // A node that is just ending has written into it meanwhile.
    }
  };
  process.once('exit', removeNow);
  opened.defer(async () => {
    process.off('exit', removeNow);
    await rm(folder, { recursive: true, force: true });
  });
  return folder;
}

/** @returns the first of `count` ports in a row that are free */
async function freePortRange(count: number): Promise<number> {
  for (let tries = 0; ; tries++) {
    const [first] = await chooseFreePorts(HOST, 1);
    const addresses: Address[] = Array.from({ length: count }, (_, i) => ({ host: HOST, port: first + i }));
    try {
      if (first + count - 1 <= HIGHEST_PORT) {
        await checkAddresses(addresses, 'range');
        return first;
      }
    } catch (error) {
      if (tries >= PORT_TRIES) throw error;
    }
    if (tries >= PORT_TRIES) throw new CommandError(ExitCode.error, `no ${count} free ports in a row`);
  }
}
