/**
 * `npm run bench:cluster`: PUT and GET through a three-node cluster against a bare node:http server, in turns.
 * The method is in bench/README.md.
 */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HttpClient } from '../../test/support/http.ts';
import { freePortRow } from '../../test/support/ports.ts';
import { count, script, sizeText } from '../../test/support/script-flags.ts';
import { until } from '../../test/support/until.ts';
import { cpuSeconds, residentMib } from '../support/processes.ts';
import { type LoadResult, wrk } from '../support/wrk.ts';

const CLI = fileURLToPath(new URL('../../cli.ts', import.meta.url));
const NODES = 3;

const flags = script(
  'bench:cluster',
  'PUT and GET through a cluster of three nodes against a bare node:http server, in turns. Needs wrk.',
)
  .option('--size <size>', 'bytes of keys and values of a node before anything is measured', sizeText, '1GiB')
  .option('--seconds <n>', 'of each run of a load', count, 10)
  .option('--rounds <n>', 'pairs of runs', count, 3)
  .option('--data <dir>', 'keeps the data there for the next run')
  .parse()
  .opts<{ size: string; seconds: number; rounds: number; data?: string }>();
const { seconds, rounds } = flags;
const directory = flags.data ?? mkdtempSync(join(tmpdir(), 'quorate-bench-'));

interface Measured extends LoadResult {
  readonly cpuMicrosPerRequest: number;
}

async function measure(pids: readonly number[], port: number, method: 'GET' | 'PUT'): Promise<Measured> {
  const before = pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const result = await wrk(port, { method, seconds });
  const cpu = pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0) - before;
  return { ...result, cpuMicrosPerRequest: (cpu / result.requests) * 1e6 };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

async function startBareServer(): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(fileURLToPath(new URL('./bare-server.ts', import.meta.url)));
  const { port } = await new Promise<{ port: number }>((resolve) =>
    child.once('message', (message) => resolve(message as { port: number })),
  );
  return { child, port };
}

async function startCluster(port: number): Promise<{ child: ChildProcess; pids: number[] }> {
  const args = [CLI, 'serve', '--nodes', String(NODES), '--port', String(port), '--data', directory];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await until(
    () => output.includes('Ctrl-C stops.'),
    30_000,
    () => `serve said: ${output}`,
  );
  return { child, pids: [...output.matchAll(/ pid (\d+)/g)].map((match) => Number(match[1])) };
}

async function main(): Promise<void> {
  console.log(`filling ${NODES} nodes with ${flags.size} each`);
  const fill = ['fill', '--nodes', String(NODES), '--data', directory, '--size', flags.size];
  const filled = spawnSync(process.execPath, [CLI, ...fill], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (filled.status !== 0) throw new Error('fill failed');
  const bare = await startBareServer();
  const [port] = await freePortRow(NODES);
  const cluster = await startCluster(port);
  using client = new HttpClient();
  try {
    for (const method of ['PUT', 'GET'] as const) {
      await wrk(port, { method, seconds: Math.min(seconds, 3) });
      const ours: Measured[] = [];
      const theirs: Measured[] = [];
      for (let round = 0; round < rounds; round++) {
        theirs.push(await measure([bare.child.pid as number], bare.port, method));
        ours.push(await measure(cluster.pids, port, method));
      }
      report(method, ours, theirs);
    }
    for (let i = 0; i < NODES; i++) {
      const status = (await client.status(port + i)) as unknown as {
        eventLoopDelay: { p99Ms: number; p999Ms: number; maxMs: number };
        engine: { tablesByLevel: number[]; tableReadsByThread: Record<string, number> };
      };
      const { p99Ms, p999Ms, maxMs } = status.eventLoopDelay;
      console.log(
        `node ${i + 1}: loop delay p99 ${p99Ms.toFixed(1)} p99.9 ${p999Ms.toFixed(1)} max ${maxMs.toFixed(1)} ms, ` +
          `resident ${residentMib(cluster.pids[i]).toFixed(0)} MiB, tables ${status.engine.tablesByLevel.join('/')}, ` +
          `table reads ${JSON.stringify(status.engine.tableReadsByThread)}`,
      );
    }
  } finally {
    bare.child.disconnect();
    cluster.child.kill('SIGTERM');
    await new Promise((resolve) => cluster.child.once('exit', resolve));
    if (flags.data === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

function report(method: string, ours: readonly Measured[], theirs: readonly Measured[]): void {
  const rate = (results: readonly Measured[]): number => median(results.map((r) => r.requestsPerSecond));
  const ratio = median(ours.map((result, i) => result.requestsPerSecond / theirs[i].requestsPerSecond));
  const cpu = (results: readonly Measured[]): string =>
    median(results.map((r) => r.cpuMicrosPerRequest)).toFixed(1);
  console.log(
    `${method}: ${rate(ours).toFixed(0)}/s against ${rate(theirs).toFixed(0)}/s bare: ${ratio.toFixed(3)} x; ` +
      `CPU ${cpu(ours)} us against ${cpu(theirs)} us a request; ` +
      `p50 ${median(ours.map((r) => r.p50Ms)).toFixed(1)} p99 ${median(ours.map((r) => r.p99Ms)).toFixed(1)} ` +
      `p99.9 ${median(ours.map((r) => r.p999Ms)).toFixed(1)} ms; errors ${ours.reduce((sum, r) => sum + r.errors, 0)}`,
  );
}

await main();
