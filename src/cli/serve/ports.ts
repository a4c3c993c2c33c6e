/** Checks whether ports can be used, before anything is changed. */
import { createServer, type Server } from 'node:net';
import type { Address } from '../../address.ts';
import { errorMessage, QuorateError } from '../../errors.ts';

/**
 * @param where says how the addresses were chosen (`with --port`), and so where the operator can change them
 * @throws QuorateError ADDRESS_IN_USE or INVALID_CONFIG for the first address that cannot be listened on
 */
export async function checkAddresses(addresses: readonly Address[], where: string): Promise<void> {
  await using listeners = new Listeners();
  await listeners.listenAll(addresses, where);
}

/**
 * Lets the system choose free ports, all different. They are free again on return. Linux gives outgoing connections
 * other ports first, so these stay free while a node is down.
 */
export async function chooseFreePorts(host: string, count: number): Promise<number[]> {
  await using listeners = new Listeners();
  return await listeners.listenAnywhere(host, count);
}

/**
 * A port for the RPC of each node. The addresses for HTTP are checked as by `checkAddresses`, and are still listened on
 * while the system chooses: it may give any port that is free, also one that HTTP is to have.
 * @param http one for each node, all of one host
 */
export async function chooseRpcPorts(http: readonly Address[], where: string): Promise<number[]> {
  await using listeners = new Listeners();
  await listeners.listenAll(http, where);
  return await listeners.listenAnywhere(http[0].host, http.length);
}

class Listeners implements AsyncDisposable {
  readonly #servers: Server[] = [];

  async listenAll(addresses: readonly Address[], where: string): Promise<void> {
    for (const address of addresses) {
      await this.#listen(address, where);
    }
  }

  /** @returns the ports that the system chose */
  async listenAnywhere(host: string, count: number): Promise<number[]> {
    const ports: number[] = [];
    for (let chosen = 0; chosen < count; chosen++) {
      ports.push(await this.#listen({ host, port: 0 }, 'with --host'));
    }
    return ports;
  }

  async #listen({ host, port }: Address, where: string): Promise<number> {
    const server = createServer();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, resolve);
    try {
      await promise;
    } catch (error) {
      throw listenError(host, port, where, error);
    }
    this.#servers.push(server);
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

function listenError(host: string, port: number, where: string, error: unknown): QuorateError {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  switch (code) {
    case 'EADDRINUSE':
      return new QuorateError(
        'ADDRESS_IN_USE',
        `port ${port} of ${host} is in use: stop what listens there or choose another ${where}`,
        error,
      );
    case 'EACCES':
      return new QuorateError(
        'INVALID_CONFIG',
        `listening on port ${port} of ${host} is not allowed: choose one above 1023 ${where}`,
        error,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new QuorateError(
        'INVALID_CONFIG',
        `${host} is no address of this machine: choose one of its own ${where}`,
        error,
      );
    default:
      return new QuorateError(
        'INVALID_CONFIG',
        `port ${port} of ${host} cannot be listened on (${errorMessage(error)}): choose another ${where}`,
        error,
      );
  }
}
