/** What listens at a --url and says that it is a node that lets itself be profiled. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readProfileQuery } from '../../src/http/profile-query.ts';
import type { NodeProfile, ProfiledThread } from '../../src/node-profile.ts';
import { cpuProfile } from './profile-by-hand.ts';

const USED = { userMs: 1, systemMs: 1 };

export function nodeThread(name: string): ProfiledThread {
  const samples = cpuProfile([['work', 5]]);
  return { name, cpu: USED, allocatedBytes: 1000, cpuProfile: samples, heapProfile: null, waits: [] };
}

const PROFILE: NodeProfile = {
  version: 1,
  node: 'node-1',
  endedBy: 'request',
  elapsedMs: 100,
  cpu: USED,
  voluntarySwitches: 1,
  involuntarySwitches: 1,
  osThreads: null,
  residentBytes: 1 << 20,
  threads: [nodeThread('main')],
};

export class FakeProfiledNode implements AsyncDisposable {
  /** What was asked of it wrongly. */
  readonly faults: string[] = [];
  readonly url: string;
  readonly #server: Server;
  #waiting: ServerResponse | null = null;

  private constructor(server: Server, changed: Readonly<Record<string, unknown>>) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', ({ method, url = '' }, response) => {
      const { pathname, search } = new URL(url, this.url);
      if (pathname !== '/v0/profile') response.writeHead(404).end();
      else if (method === 'POST') this.#begin(search, response);
      else {
        this.#waiting?.end(JSON.stringify({ ...PROFILE, ...changed }));
        response.writeHead(202).end();
      }
    });
  }

  /** @param changed in its profile; undefined leaves a field out */
  static async start(changed: Readonly<Record<string, unknown>>): Promise<FakeProfiledNode> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new FakeProfiledNode(server, changed);
  }

  #begin(search: string, response: ServerResponse): void {
    try {
      readProfileQuery(search);
    } catch (error) {
      this.faults.push(`${search}: ${error}`);
      response.writeHead(400).end('a wrong query');
      return;
    }
    this.#waiting = response;
    response.writeHead(200).flushHeaders();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
