/**
 * The life of one node process: it loads its code, waits for its configuration and serves. It ends when its supervisor
 * ends, even when that was killed.
 */

import * as modules from 'node:module';
import { systemClock } from '../../clock.ts';
import { createLog, type Log, openLogWriter } from '../../log.ts';
import type { RunningNode } from '../../node/node.ts';
import { PROGRAM } from '../../program.ts';
import { describeFailure } from '../failure.ts';
import type { HttpNodeOptions } from './http-node.ts';
import type { NodeConfig, NodeMessage, SupervisorMessage } from './node-protocol.ts';
import { readSecretFile } from './secret-file.ts';

/**
 * How long requests in flight may take. It is shorter than the supervisor's patience, which leaves the rest for
 * syncing.
 */
const DRAIN_REQUESTS_MS = 3_000;
const STDERR = 2;

/** What the life of a process needs of its node. */
export type HostedNode = Pick<RunningNode, 'doorAddresses' | 'rpcAddress' | 'quiesce' | 'drain'>;

interface NodeModule {
  startHttpNode(options: HttpNodeOptions): Promise<HostedNode>;
}

/** @param load starts loading the node at once, because loading is most of its start */
export function hostNode(load: () => Promise<NodeModule>): void {
  if (!process.connected) {
    throw new Error(`node processes are started by \`${PROGRAM} serve\``);
  }
  new NodeHost(load());
}

class NodeHost {
  readonly #loading: Promise<NodeModule>;
  #running: HostedNode | null = null;
  #log: Log | null = null;
  #isDraining = false;
  /** Aborted when requests in flight have had their time, counted from the first message that asks for an end. */
  #patience: AbortController | null = null;

  constructor(loading: Promise<NodeModule>) {
    this.#loading = loading;
    // `start` awaits it and reports the failure.
    loading.catch(() => undefined);
    process.on('disconnect', () => process.exit(1));
    this.#hearRuntime();
    process.on('message', (message: SupervisorMessage) => {
      if (message.type === 'start') void this.#start(message.config);
      else if (message.type === 'quiesce') void this.#quiesce();
      else void this.#drain();
    });
    process.on('SIGTERM', () => void this.#drain());
    process.on('SIGINT', () => void this.#drain());
  }

  async #start(config: NodeConfig): Promise<void> {
    try {
      const { startHttpNode } = await this.#loading;
      const log = this.#openLog(config);
      // A node that cannot go on has said so in its log; a new process may succeed.
      const { secretFile, ...options } = config;
      const clusterSecret = secretFile === undefined ? undefined : readSecretFile(secretFile);
      this.#running = await startHttpNode({ ...options, clusterSecret, log, onFault: () => process.exit(1) });
    } catch (error) {
      await tell({ type: 'failed', message: describeFailure(error) });
      process.exit(1);
    }
    const { doorAddresses, rpcAddress } = this.#running;
    const [httpUrl] = doorAddresses;
    await tell({ type: 'ready', httpUrl, rpcAddress, dataDirectory: config.dataDirectory });
    // Store the compiled code now, so that the next start finds it even if this process is killed.
    modules.flushCompileCache?.();
  }

  #requestPatience(): AbortSignal {
    if (this.#patience === null) {
      const patience = new AbortController();
      systemClock.after(DRAIN_REQUESTS_MS, () => patience.abort());
      this.#patience = patience;
    }
    return this.#patience.signal;
  }

  #openLog({ nodeId, settings }: NodeConfig): Log {
    const writer = openLogWriter(STDERR, systemClock, nodeId);
    process.on('exit', () => writer.flushSync());
    this.#log = createLog({ level: settings.logLevel, destination: writer, node: nodeId });
    return this.#log;
  }

  /** Sends what Node itself would write to stderr through the log, because Node would wait for a reader that stalls. */
  #hearRuntime(): void {
    process.on('warning', (warning) => this.#log?.warn(`${warning.name}: ${warning.message}`));
    process.on('uncaughtException', (error) => {
      this.#log?.error(`The node ends, by a fault of the program: ${describeFailure(error)}`);
      process.exit(1);
    });
  }

  async #quiesce(): Promise<void> {
    if (this.#running === null) {
      // Nothing was acknowledged, and recovery can handle a start that was cut short.
      process.exit(0);
    }
    await this.#running.quiesce(this.#requestPatience());
    await tell({ type: 'quiet' });
  }

  async #drain(): Promise<void> {
    if (this.#isDraining) {
      return;
    }
    this.#isDraining = true;
    if (this.#running === null) {
      // Nothing was acknowledged, and recovery can handle a start that was cut short.
      process.exit(0);
    }
    await tell({ type: 'draining' });
    try {
      await this.#running.drain(this.#requestPatience());
    } catch (error) {
      this.#log?.error(`The node did not close cleanly: ${describeFailure(error)}`);
      process.exit(1);
    }
    await tell({ type: 'stopped' });
    process.exit(0);
  }
}

/** Resolves when the message is sent, or cannot be sent any more. */
function tell(message: NodeMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.send?.(message, () => resolve());
  return promise;
}
