/**
 * A process in which a connection is reset in the turn in which it sends its end, by itself or by a proxy, as its
 * argument says. Then nothing is left to do, and it should end.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Address } from '../../src/address.ts';
import { resetSocket } from '../../src/reset-socket.ts';
import { FakeClock } from '../../src/simulation/fake-clock.ts';
import { DelayProxy } from './delay-proxy.ts';
import { until } from './until.ts';

const DELAY_MS = 10;
const TIMEOUT_MS = 15_000;

function dial({ host, port }: Address): Socket {
  return connect({ host, port, allowHalfOpen: true }).on('error', () => undefined);
}

async function resetItself(server: Address): Promise<void> {
  const socket = dial(server);
  await once(socket, 'connect');
  socket.end();
  resetSocket(socket);
}

async function resetByProxy(server: Address): Promise<void> {
  const clock = new FakeClock();
  await using proxy = await DelayProxy.listen(server, clock);
  proxy.delayMs = DELAY_MS;
  const socket = dial(proxy.address);
  socket.write('anything');
  await until(
    () => {
      clock.advance(DELAY_MS);
      return heardBytes > 0;
    },
    TIMEOUT_MS,
    () => 'nothing comes through the proxy',
  );
  socket.end();
  await until(
    () => clock.pendingTimers > 0,
    TIMEOUT_MS,
    () => 'the end does not come to the proxy',
  );
  // The proxy passes the end on in the turn in which it is cut.
  clock.advance(DELAY_MS);
  proxy.cut();
  socket.destroy();
}

let heardBytes = 0;
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => undefined);
  socket.on('end', () => socket.end());
  socket.on('data', (chunk: Buffer) => {
    heardBytes += chunk.length;
  });
  server.close();
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { address: host, port } = server.address() as AddressInfo;
await (process.argv[2] === 'proxy' ? resetByProxy : resetItself)({ host, port });
console.log('done');
