/**
 * A node process with the real life of one (src/cli/serve/node-host.ts) around a node that is none. The node's id says
 * what it does wrong: `refuses` to start, `crashes` while starting, `hangs` when it is to drain.
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
    // As a node's servers do, it keeps the process alive.
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
