/**
 * A process with the real life of a node process (src/cli/serve/node-host.ts) around a fake node. The node's id says
 * what it does wrong: it `refuses` to start, `crashes` while starting, or `hangs` when it is to drain.
 */
import { createServer } from 'node:net';
import { type HostedNode, hostNode } from '../../src/cli/serve/node-host.ts';
import { QuorateError } from '../../src/errors.ts';

hostNode(async () => ({
  async startHttpNode({ nodeId }): Promise<HostedNode> {
    if (nodeId === 'refuses') {
      throw new QuorateError('FOREIGN_DIRECTORY', 'the folder belongs to another node');
    }
    if (nodeId === 'crashes') {
      process.kill(process.pid, 'SIGKILL');
    }
    // It keeps the process alive, as a node's servers do.
    const server = createServer().listen(0, '127.0.0.1');
    return {
      doorAddresses: [`http://${nodeId}`],
      rpcAddress: nodeId,
      async quiesce() {},
      async drain() {
        if (nodeId === 'hangs') {
          await new Promise(() => undefined);
        }
        server.close();
      },
    };
  },
}));
