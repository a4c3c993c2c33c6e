/** Connections that are opened beside a load, each for one `GET /v0/status`: they show how long a new client waits. */
import { LoadConnection, type LoadConnectionOwner } from '../../src/cli/load/load-connection.ts';
import { systemClock } from '../../src/clock.ts';
import type { FreshLoad, FreshResult } from './load.ts';

const STATUS_REQUEST = {
  head: 'GET /v0/status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
  body: null,
};

export class FreshConnections implements LoadConnectionOwner {
  readonly #load: FreshLoad;
  readonly #waiting = new Set<LoadConnection>();
  #timesMs: number[] = [];
  #failed = 0;

  constructor(load: FreshLoad) {
    this.#load = load;
  }

  async run(): Promise<FreshResult> {
    const { perSecond, seconds, warmUpSeconds } = this.#load;
    const pace = setInterval(() => this.#open(), 1000 / perSecond);
    await new Promise((resolve) => setTimeout(resolve, warmUpSeconds * 1000));
    this.#timesMs = [];
    this.#failed = 0;
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    clearInterval(pace);
    const answered = this.#timesMs.length;
    const nowMs = performance.now();
    for (const connection of this.#waiting) {
      connection.close();
      this.#timesMs.push(nowMs - connection.dueMs);
    }
    const sorted = this.#timesMs.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
    const failed = this.#failed;
    return { answered: answered - failed, failed, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  }

  onAnswer(connection: LoadConnection, status: number): void {
    this.#waiting.delete(connection);
    this.#timesMs.push(performance.now() - connection.dueMs);
    if (status !== 200) this.#failed++;
    connection.close();
  }

  onFailure(connection: LoadConnection): void {
    this.onAnswer(connection, 0);
  }

  #open(): void {
    const target = { host: '127.0.0.1', port: this.#load.port };
    const connection = new LoadConnection(0, target, systemClock, this);
    this.#waiting.add(connection);
    connection.dueMs = performance.now();
    connection.send(STATUS_REQUEST);
  }
}
