/**
 * A load at a constant rate. Requests are due at fixed times, whether or not those before them were answered, and a
 * request's latency counts from the moment it was due (wrk2's method, after Gil Tene's "How NOT to measure latency").
 * wrk cannot do this, and no package of the distributions can. A request that finds all connections busy waits, and
 * that time counts.
 */
import { connect, type Socket } from 'node:net';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

const CONNECTIONS = 64;
const TICK_MS = 1;
const HEADERS_END = Buffer.from('\r\n\r\n');
const MAX_LATENCY_MICROS = 600_000_000;

export interface ConstantRate {
  readonly port: number;
  readonly perSecond: number;
  readonly seconds: number;
  /** The whole request, as bytes. */
  readonly next: () => Buffer;
  /** Called every second with the progress so far. */
  readonly onSecond?: (second: number, answered: number) => void;
}

export interface ConstantRateResult {
  readonly answered: number;
  /** The number of answers in each second. */
  readonly answeredBySecond: readonly number[];
  /** Answers other than 2xx. */
  readonly errors: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Runs the load to its end, and waits for the requests that are still in flight then. */
export async function runConstantRate(load: ConstantRate): Promise<ConstantRateResult> {
  const generator = new Generator(load);
  return await generator.run();
}

class Generator {
  readonly #load: ConstantRate;
  readonly #latency: RecordableHistogram = createHistogram({
    lowest: 1,
    highest: MAX_LATENCY_MICROS,
    figures: 3,
  });
  readonly #free: RequestConnection[] = [];
  readonly #bySecond: number[] = [];
  readonly #failed = Promise.withResolvers<never>();
  #startMs = 0;
  #issued = 0;
  #answered = 0;
  #errors = 0;

  constructor(load: ConstantRate) {
    this.#load = load;
  }

  async run(): Promise<ConstantRateResult> {
    const { onSecond, perSecond, port, seconds } = this.#load;
    const connections = Array.from(
      { length: CONNECTIONS },
      () => new RequestConnection(port, this.#onAnswer),
    );
    this.#free.push(...connections);
    this.#failed.promise.catch(() => undefined);
    for (const connection of connections) connection.failed.catch(this.#failed.reject);
    try {
      this.#startMs = performance.now();
      const total = Math.round(perSecond * seconds);
      let second = 0;
      while (this.#answered < total) {
        this.#issue(total);
        await Promise.race([delay(TICK_MS), this.#failed.promise]);
        const now = Math.floor((performance.now() - this.#startMs) / 1000);
        if (now > second) onSecond?.(now, this.#bySecond[second] ?? 0);
        second = now;
      }
    } finally {
      for (const connection of connections) connection.close();
    }
    const percentileMs = (percent: number): number => this.#latency.percentile(percent) / 1000;
    return {
      answered: this.#answered,
      answeredBySecond: Array.from({ length: seconds }, (_, second) => this.#bySecond[second] ?? 0),
      errors: this.#errors,
      p50Ms: percentileMs(50),
      p90Ms: percentileMs(90),
      p99Ms: percentileMs(99),
      p999Ms: percentileMs(99.9),
      maxMs: this.#latency.max / 1000,
    };
  }

  /** Sends the requests that are due by now, as long as connections are free. */
  #issue(total: number): void {
    const elapsedMs = performance.now() - this.#startMs;
    const due = Math.min(total, Math.floor((elapsedMs * this.#load.perSecond) / 1000) + 1);
    while (this.#issued < due) {
      const connection = this.#free.pop();
      if (connection === undefined) return;
      const dueMs = this.#startMs + (this.#issued * 1000) / this.#load.perSecond;
      this.#issued++;
      connection.send(this.#load.next(), dueMs);
    }
  }

  readonly #onAnswer = (connection: RequestConnection, dueMs: number, status: number): void => {
    const nowMs = performance.now();
    this.#answered++;
    if (status < 200 || status >= 300) this.#errors++;
    const second = Math.floor((nowMs - this.#startMs) / 1000);
    this.#bySecond[second] = (this.#bySecond[second] ?? 0) + 1;
    this.#latency.record(Math.min(Math.max(Math.round((nowMs - dueMs) * 1000), 1), MAX_LATENCY_MICROS));
    this.#free.push(connection);
    this.#issue(Math.round(this.#load.perSecond * this.#load.seconds));
  };
}

type OnAnswer = (connection: RequestConnection, dueMs: number, status: number) => void;

/** Sends one request at a time over one connection; answers must have a Content-Length. */
class RequestConnection {
  readonly failed: Promise<never>;
  readonly #socket: Socket;
  readonly #onAnswer: OnAnswer;
  #received: Buffer = Buffer.alloc(0);
  #dueMs = -1;

  constructor(port: number, onAnswer: OnAnswer) {
    this.#onAnswer = onAnswer;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.#socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    this.#socket.on('error', reject);
    this.#socket.on('close', () => reject(new Error('the node closed a connection')));
  }

  send(request: Buffer, dueMs: number): void {
    this.#dueMs = dueMs;
    this.#socket.write(request);
  }

  close(): void {
    this.failed.catch(() => undefined);
    this.#socket.destroy();
  }

  #onData(bytes: Buffer): void {
    const received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    const headersEnd = received.indexOf(HEADERS_END);
    if (headersEnd !== -1) {
      const head = received.toString('latin1', 0, headersEnd + 2);
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (received.length >= headersEnd + HEADERS_END.length + length) {
        this.#received = Buffer.alloc(0);
        this.#onAnswer(this, this.#dueMs, Number(head.slice(9, 12)));
        return;
      }
    }
    this.#received = received;
  }
}

/** The bytes of a PUT request for a value. */
export function putRequest(key: string, value: Uint8Array): Buffer {
  const head = `PUT /v0/entity?id=${key} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${value.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), value]);
}

export function getRequest(key: string): Buffer {
  return Buffer.from(`GET /v0/entity?id=${key} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
}
