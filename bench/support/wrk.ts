/** wrk as a load generator: closed loop, one thread, 64 connections. */
import { fileURLToPath } from 'node:url';
import { runBound } from './bound-child.ts';

const SCRIPT = fileURLToPath(new URL('./load.lua', import.meta.url));
const CONNECTIONS = 64;
/** The number of keys over which most figures are taken. */
const KEYS = 100_000;

export interface Load {
  readonly method: 'GET' | 'PUT';
  readonly seconds: number;
  /** The N of key1 … keyN, drawn at random; 100,000 when left out. */
  readonly keys?: number;
  /** Added to every key: it makes keys that are not there but sort between those that are. */
  readonly suffix?: string;
  /** The size of each value put; 6 to 9 bytes when left out. */
  readonly valueBytes?: number;
  /** Decides the order in which keys are drawn. */
  readonly seed?: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Answers other than 2xx and 3xx. */
  readonly errors: number;
  /** Connections that broke and requests that were not answered. */
  readonly failures: number;
}

/** One closed-loop run. */
export async function wrk(port: number, load: Load): Promise<LoadResult> {
  const { method, seconds, keys = KEYS, suffix = '', seed = 7, valueBytes = 0 } = load;
  const url = `http://127.0.0.1:${port}/v0/entity`;
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '-s', SCRIPT, url];
  const env = {
    ...process.env,
    METHOD: method,
    KEYS: String(keys),
    SUFFIX: suffix,
    VALUE: String(valueBytes),
    SEED: String(seed),
  };
  const { output } = await runBound('wrk', args, { env });
  const figures = /RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/.exec(output);
  if (figures === null) throw new Error(`wrk said: ${output}`);
  const [requests, micros, p50, p99, p999, errors, failures] = figures.slice(1).map(Number);
  return {
    requests,
    requestsPerSecond: (requests / micros) * 1e6,
    p50Ms: p50 / 1000,
    p99Ms: p99 / 1000,
    p999Ms: p999 / 1000,
    errors,
    failures,
  };
}
