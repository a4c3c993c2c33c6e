/**
 * Ports for servers of tests. They are below those that the system gives to outgoing connections, and each test process
 * begins at another place, so that nobody takes one between the check and the use.
 */
import { createServer, type Server } from 'node:net';

const FIRST = 10_000;
const COUNT = 22_000;
/** It has no common factor with COUNT, so processes with neighbouring ids begin far apart. */
const STRIDE = 911;

let next = (process.pid * STRIDE) % COUNT;

/** `count` ports in a row that are free. */
export async function freePortRow(count: number): Promise<number[]> {
  for (;;) {
    const first = FIRST + next;
    next = (next + count) % (COUNT - count);
    const ports = Array.from({ length: count }, (_, i) => first + i);
    if (await allFree(ports)) return ports;
  }
}

async function allFree(ports: readonly number[]): Promise<boolean> {
  const servers: Server[] = [];
  try {
    for (const port of ports) {
      const server = createServer();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.once('error', reject);
      server.listen({ port, host: '127.0.0.1', exclusive: true }, resolve);
      await promise;
      servers.push(server);
    }
    return true;
  } catch {
    return false;
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}
