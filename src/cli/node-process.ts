/**
 * One node as a process of its own, run by the supervisor and by nobody else: it loads its code, waits for its
 * configuration, serves, and ends with the supervisor, even with one that was killed.
 */
import { flushCompileCache } from 'node:module';
import { systemClock } from '../clock.ts';
import { errorMessage, QuorateError } from '../errors.ts';
import type { RunningNode } from '../node.ts';
import type { NodeConfig, NodeMessage, SupervisorMessage } from './node-protocol.ts';

/** For requests in flight; what is left then of the supervisor's patience is for syncing. */
const DRAIN_REQUESTS_MS = 3_000;

let running: RunningNode | null = null;
let isDraining = false;

process.on('disconnect', () => process.exit(1));
if (!process.connected) {
  console.error('quorate: node processes are started by `node cli.ts serve`');
  process.exit(1);
}
process.on('message', (message: SupervisorMessage) => {
  if (message.type === 'start') {
    void start(message.config);
  } else {
    void drain();
  }
});
process.on('SIGTERM', () => void drain());
process.on('SIGINT', () => void drain());

// Loading the node is most of its start: it has begun by the time the configuration comes.
const nodeModule = import('../node.ts');
nodeModule.catch(() => undefined);

async function start(config: NodeConfig): Promise<void> {
  try {
    const { startNode } = await nodeModule;
    running = await startNode({ ...config, log: undefined as never });
  } catch (error) {
    const isExpected = error instanceof QuorateError;
    await tell({ type: 'failed', message: isExpected ? error.message : String((error as Error).stack) });
    process.exit(1);
  }
  const { httpUrl, rpcAddress } = running;
  await tell({ type: 'ready', httpUrl, rpcAddress, dataDirectory: config.dataDirectory });
  // The next start finds the code compiled, even if this process is killed.
  flushCompileCache();
}

async function drain(): Promise<void> {
  if (isDraining) {
    return;
  }
  isDraining = true;
  if (running === null) {
    // Nothing was acknowledged, and a start that is cut off is one that recovery knows.
    process.exit(0);
  }
  await tell({ type: 'draining' });
  const impatience = new AbortController();
  systemClock.after(DRAIN_REQUESTS_MS, () => impatience.abort());
  try {
    await running.drain(impatience.signal);
  } catch (error) {
    console.error(`quorate: a node did not close cleanly: ${errorMessage(error)}`);
    process.exit(1);
  }
  await tell({ type: 'stopped' });
  process.exit(0);
}

/** Ends when the message is on its way, or cannot be sent any more. */
function tell(message: NodeMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.send?.(message, () => resolve());
  return promise;
}
