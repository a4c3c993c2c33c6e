import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./load.lua', import.meta.url));

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Answers other than 2xx and 3xx. */
  readonly errors: number;
}

/** One closed-loop run: one thread, 64 connections. */
export async function wrk(port: number, method: 'GET' | 'PUT', seconds: number): Promise<LoadResult> {
  const url = `http://127.0.0.1:${port}/v0/entity`;
  const child = spawn('wrk', ['-t1', '-c64', `-d${seconds}s`, '-s', SCRIPT, url], {
    env: { ...process.env, METHOD: method },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await new Promise<void>((resolve, reject) => {
    child.once('error', () => reject(new Error("wrk cannot be run: install it, Debian's package is wrk")));
    child.once('exit', () => resolve());
  });
  const figures = /RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/.exec(output);
  if (figures === null) throw new Error(`wrk said: ${output}`);
  const [requests, micros, p50, p99, p999, errors] = figures.slice(1).map(Number);
  return {
    requests,
    requestsPerSecond: (requests / micros) * 1e6,
    p50Ms: p50 / 1000,
    p99Ms: p99 / 1000,
    p999Ms: p999 / 1000,
    errors,
  };
}
