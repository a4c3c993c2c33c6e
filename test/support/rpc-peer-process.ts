/**
 * A process that serves RPC on a free port, for tests that stop or kill it. It tells the port to its parent and ends
 * with it.
 */
import { systemClock } from '../../src/clock.ts';
import { silentLog } from '../../src/log.ts';
import { RpcServer } from '../../src/rpc/server.ts';
import { TcpTransport } from '../../src/rpc/tcp-transport.ts';
import { credentialsOf } from './rpc-handshake.ts';
import { helloOf, MapReplica, TestPolicy } from './rpc-nodes.ts';

const nodeId = process.argv[2];
const server = new RpcServer({
  handler: new MapReplica(),
  policy: new TestPolicy(helloOf(nodeId), ['a', 'b', 'c']),
  credentials: credentialsOf(),
  transport: new TcpTransport(),
  clock: systemClock,
  log: silentLog,
});
await server.listen('127.0.0.1', Number(process.argv[3] ?? 0));
process.send?.(server.port);
process.once('disconnect', () => server.abort());
