import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

export interface Quorum {
  readonly ack?: number;
  readonly from?: number;
}

/** A client with a connection pool of its own; every call is one request to one node. */
export class HttpClient implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 });

  send(
    port: number,
    method: string,
    path: string,
    body?: Buffer | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port,
          method,
          path,
          headers: { ...headers },
          agent: this.#agent,
          timeout: 10_000,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const { statusCode = 0, headers } = response;
            resolve({ status: statusCode, headers, body: Buffer.concat(chunks) });
          });
        },
      );
      sent.on('timeout', () => sent.destroy(new Error(`no answer to ${method} ${path} in 10 s`)));
      sent.on('error', reject);
      sent.end(body);
    });
  }

  get(port: number, id: string, quorum?: Quorum): Promise<Answer> {
    return this.send(port, 'GET', entityPath(id, quorum));
  }

  put(port: number, id: string, value: Buffer | string, quorum?: Quorum): Promise<Answer> {
    return this.send(port, 'PUT', entityPath(id, quorum), value);
  }

  delete(port: number, id: string, quorum?: Quorum): Promise<Answer> {
    return this.send(port, 'DELETE', entityPath(id, quorum));
  }

  async status(port: number): Promise<Record<string, never>> {
    return JSON.parse((await this.send(port, 'GET', '/v0/status')).body.toString());
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

function entityPath(id: string, quorum: Quorum = {}): string {
  const query = new URLSearchParams({ id });
  if (quorum.ack !== undefined) query.set('ack', String(quorum.ack));
  if (quorum.from !== undefined) query.set('from', String(quorum.from));
  return `/v0/entity?${query}`;
}
