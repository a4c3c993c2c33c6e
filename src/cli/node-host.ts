/**
 * The life of one node process: it loads its code, waits for its configuration, serves, and ends with its
 * supervisor, even with one that was killed.
 */
import { flushCompileCache } from 'node:module';
import { systemClock } from '../clock.ts';
import { createLog } from '../log.ts';
import type { RunningNode, startNode } from '../node.ts';
import { describeFailure } from './failure.ts';
import type { NodeConfig, NodeMessage, SupervisorMessage } from './node-protocol.ts';

/** For requests in flight; what is left then of the supervisor's patience is for syncing. */
const DRAIN_REQUESTS_MS = 3_000;
const STDERR = 2;

interface NodeModule {
  readonly startNode: typeof startNode;
}

/** @param load begins at once: loading the node is most of its start */
export function hostNode(load: () => Promise<NodeModule>): void {
  if (!process.connected) {
    throw new Error('node processes are started by `node cli.ts serve`');
  }
  new NodeHost(load());
}

class NodeHost {
  readonly #loading: Promise<NodeModule>;
  #running: RunningNode | null = null;
  #isDraining = false;

  constructor(loading: Promise<NodeModule>) {
    this.#loading = loading;
    // Whoever starts the node hears of it.
    loading.catch(() => undefined);
    process.on('disconnect', () => process.exit(1));
    process.on('message', (message: SupervisorMessage) => {
      void (message.type === 'start' ? this.#start(message.config) : this.#drain());
    });
    process.on('SIGTERM', () => void this.#drain());
    process.on('SIGINT', () => void this.#drain());
  }

  async #start(config: NodeConfig): Promise<void> {
    try {
      const { startNode } = await this.#loading;
      const log = createLog({ level: config.settings.logLevel, destination: STDERR, node: config.nodeId });
      // A node that cannot go on has said so in its log; a new process may be luckier.
      this.#running = await startNode({ ...config, log, onFault: () => process.exit(1) });
    } catch (error) {
      await tell({ type: 'failed', message: describeFailure(error) });
      process.exit(1);
    }
    const { httpUrl, rpcAddress } = this.#running;
    await tell({ type: 'ready', httpUrl, rpcAddress, dataDirectory: config.dataDirectory });
    // The next start finds the code compiled, even if this process is killed.
    flushCompileCache();
  }

  async #drain(): Promise<void> {
    if (this.#isDraining) {
      return;
    }
    this.#isDraining = true;
    if (this.#running === null) {
      // Nothing was acknowledged, and recovery knows a start that was cut off.
      process.exit(0);
    }
    await tell({ type: 'draining' });
    const impatience = new AbortController();
    systemClock.after(DRAIN_REQUESTS_MS, () => impatience.abort());
    try {
      await this.#running.drain(impatience.signal);
    } catch (error) {
      console.error(`quorate: a node did not close cleanly: ${describeFailure(error)}`);
      process.exit(1);
    }
    await tell({ type: 'stopped' });
    process.exit(0);
  }
}

/** Ends when the message is on its way, or cannot be sent any more. */
function tell(message: NodeMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.send?.(message, () => resolve());
  return promise;
}
