/**
 * A load over many connections. Each sends its next request as soon as it has its answer, or, at a constant rate, when
 * it is free and the next request is due. A refused one waits first, if the load says so. A request that is due while
 * no connection is free is never sent: there are as many clients as connections, and the rate is the most that they
 * offer.
 */
import { randomBytes } from 'node:crypto';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { LoadConnection, type LoadConnectionOwner } from '../../src/cli/load/load-connection.ts';
import type { Request } from '../../src/cli/load/request-writer.ts';
import { systemClock } from '../../src/clock.ts';
import {
  type Answers,
  getRequest,
  keyName,
  type Load,
  type LoadResult,
  noAnswers,
  putRequest,
  scanRequest,
} from './load.ts';

const TICK_MS = 1;
const MAX_LATENCY_MICROS = 600_000_000;
const HISTOGRAM = { lowest: 1, highest: MAX_LATENCY_MICROS, figures: 3 };

export class LoadGenerator implements LoadConnectionOwner {
  readonly #load: Load;
  readonly #value: Buffer;
  readonly #connections: LoadConnection[] = [];
  readonly #free: LoadConnection[] = [];
  readonly #latency: RecordableHistogram = createHistogram(HISTOGRAM);
  readonly #refusalLatency: RecordableHistogram = createHistogram(HISTOGRAM);
  #answers: Answers = noAnswers();
  #goodBytes = 0;
  #startMs = 0;
  #due = 0;
  #isOver = false;

  constructor(load: Load) {
    this.#load = load;
    this.#value = randomBytes(load.valueBytes);
  }

  async run(): Promise<LoadResult> {
    const { connections, ratePerSecond, seconds, warmUpSeconds } = this.#load;
    this.#startMs = performance.now();
    const target = { host: '127.0.0.1', port: this.#load.port };
    for (let i = 0; i < connections; i++) {
      const connection = new LoadConnection(0, target, systemClock, this);
      this.#connections.push(connection);
      if (ratePerSecond > 0) this.#free.push(connection);
      else this.#ask(connection);
    }
    const pace = ratePerSecond > 0 ? setInterval(() => this.#sendDue(), TICK_MS) : undefined;
    await new Promise((resolve) => setTimeout(resolve, warmUpSeconds * 1000));
    this.#answers = noAnswers();
    this.#goodBytes = 0;
    this.#latency.reset();
    this.#refusalLatency.reset();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    clearInterval(pace);
    this.#isOver = true;
    for (const connection of this.#connections) connection.close();
    return {
      answers: this.#answers,
      goodBytes: this.#goodBytes,
      p50Ms: percentileMs(this.#latency, 50),
      p99Ms: percentileMs(this.#latency, 99),
      refusedP99Ms: percentileMs(this.#refusalLatency, 99),
    };
  }

  onAnswer(connection: LoadConnection, status: number): void {
    if (this.#isOver) return;
    this.#count(status, performance.now() - connection.dueMs, connection.bodyBytes);
    if (status === 503 && this.#load.heedsRetryAfter)
      setTimeout(() => this.#goOn(connection), connection.retryAfterMs);
    else this.#goOn(connection);
  }

  onFailure(connection: LoadConnection): void {
    this.#answers.broken++;
    this.#goOn(connection);
  }

  #goOn(connection: LoadConnection): void {
    if (this.#isOver) return;
    if (this.#load.ratePerSecond > 0) this.#free.push(connection);
    else this.#ask(connection);
  }

  #sendDue(): void {
    const { ratePerSecond } = this.#load;
    const due = Math.floor(((performance.now() - this.#startMs) * ratePerSecond) / 1000);
    for (; this.#due < due; this.#due++) {
      const connection = this.#free.shift();
      if (connection !== undefined) this.#ask(connection);
    }
  }

  #ask(connection: LoadConnection): void {
    connection.dueMs = performance.now();
    connection.send(this.#request());
  }

  #request(): Request {
    const { keys, method, scanEntries, valueBytes } = this.#load;
    const index = Math.floor(Math.random() * (method === 'SCAN' ? Math.max(keys - scanEntries, 1) : keys));
    const key = keyName(valueBytes, index);
    switch (method) {
      case 'PUT':
        return putRequest(key, this.#value);
      case 'GET':
        return getRequest(key);
      case 'SCAN':
        return scanRequest(key, keyName(valueBytes, index + scanEntries));
    }
  }

  #count(status: number, latencyMs: number, bodyBytes: number): void {
    const answers = this.#answers;
    if (status === 503) {
      answers.status503++;
      record(this.#refusalLatency, latencyMs);
    } else if (status === 504) answers.status504++;
    else if (status < 200 || status >= 300) answers.otherStatus++;
    else {
      record(this.#latency, latencyMs);
      if (latencyMs > this.#load.deadlineMs) answers.late++;
      else {
        answers.good++;
        this.#goodBytes += this.#load.method === 'PUT' ? this.#load.valueBytes : bodyBytes;
      }
    }
  }
}

function record(histogram: RecordableHistogram, latencyMs: number): void {
  histogram.record(Math.min(Math.max(Math.round(latencyMs * 1000), 1), MAX_LATENCY_MICROS));
}

function percentileMs(histogram: RecordableHistogram, percent: number): number {
  return histogram.count === 0 ? 0 : histogram.percentile(percent) / 1000;
}
