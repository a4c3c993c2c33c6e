/** The rows of `npm run bench:convergence`: each starts a cluster of its own, and says one figure or two. */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchRow } from '../support/bench-file.ts';
import { runLoad } from '../support/load.ts';
import { ConvergingCluster, ddMs, until, VICTIM } from './converging-cluster.ts';

export interface Scale {
  readonly fill: string;
  readonly fillMib: number;
  /** Written while a node is away. */
  readonly missedWrites: number;
  readonly deletedKeys: number;
  readonly loadSeconds: number;
}

export const FULL_SCALE: Scale = {
  fill: '1GiB',
  fillMib: 1_024,
  missedWrites: 100_000,
  deletedKeys: 1_000_000,
  loadSeconds: 10,
};

export const QUICK_SCALE: Scale = {
  fill: '16MiB',
  fillMib: 16,
  missedWrites: 2_000,
  deletedKeys: 5_000,
  loadSeconds: 1,
};

const ROUNDS_OFF = ['--anti-entropy-interval', '0s'];
const HINTS_OFF = ['--hints', 'off'];
const LONG_MS = 600_000;
const LOAD_KEYS = 100_000;
const STALE_KEYS = 500;
const MISSED = 'missed';

type Row = (scale: Scale) => Promise<BenchRow>;

/** What a node missed while it was away. */
async function away(scale: Scale, args: readonly string[]): Promise<number> {
  await using converging = await ConvergingCluster.start(scale.fill, ...args);
  const { nodes } = converging.cluster;
  await nodes[VICTIM].kill();
  await converging.write(MISSED, scale.missedWrites, 'value');
  await nodes[VICTIM].start();
  // Awaited here: the cluster ends with this function.
  return await converging.untilEqual(MISSED, LONG_MS);
}

async function throughput(scale: Scale, args: readonly string[], method: 'get' | 'put'): Promise<number> {
  await using converging = await ConvergingCluster.start(scale.fill, ...args);
  const { nodes, ports } = converging.cluster;
  const load = { port: ports[0], perSecond: 0, keys: LOAD_KEYS, valueBytes: 0 } as const;
  await nodes[VICTIM].kill();
  await converging.write(MISSED, scale.missedWrites, 'value');
  await nodes[VICTIM].start();
  const { requestsPerSecond } = await runLoad({ ...load, method, seconds: scale.loadSeconds });
  return requestsPerSecond;
}

export const ROWS: Readonly<Record<string, Row>> = {
  'away-hints': async (scale) => ({ equalMs: await away(scale, ROUNDS_OFF) }),

  'away-rounds': async (scale) => ({ equalMs: await away(scale, HINTS_OFF) }),

  equal: async (scale) => {
    await using converging = await ConvergingCluster.start(scale.fill, '--anti-entropy-interval', '5s');
    // The first one makes the digests.
    await converging.nextRound(LONG_MS);
    const before = await converging.roundBytes();
    const roundMs = await converging.nextRound(LONG_MS);
    return { roundMs, sentBytes: (await converging.roundBytes()) - before };
  },

  'one-key': async (scale) => {
    await using converging = await ConvergingCluster.start(
      scale.fill,
      '--anti-entropy-interval',
      '5s',
      ...HINTS_OFF,
    );
    const { nodes } = converging.cluster;
    await converging.nextRound(LONG_MS);
    await nodes[VICTIM].kill();
    await converging.write(MISSED, 1, 'value');
    await nodes[VICTIM].start();
    // Counters begin at 0 with a start: those of the other nodes go on.
    const before = await converging.roundBytes();
    const equalMs = await converging.untilEqual(MISSED, LONG_MS);
    return { equalMs, sentBytes: (await converging.roundBytes()) - before };
  },

  'running-put': (scale) => running(scale, 'put'),

  'running-get': (scale) => running(scale, 'get'),

  emptied: async (scale) => {
    await using converging = await ConvergingCluster.start(scale.fill);
    const zerosMs = await zeros(converging, scale);
    const refill = await converging.refill(LONG_MS);
    const copiedMs = await refill.copied;
    const cpuSeconds = refill.cpuSeconds();
    const wholeMs = await refill.whole();
    return {
      ddMs: zerosMs,
      copiedMs,
      wholeMs,
      copiedOverDd: copiedMs / zerosMs,
      wholeOverDd: wholeMs / zerosMs,
      cpuSeconds,
    };
  },

  'emptied-get': (scale) => emptiedBeside(scale, 'get'),

  'emptied-put': (scale) => emptiedBeside(scale, 'put'),

  deleted: async (scale) => {
    await using converging = await ConvergingCluster.start('', '--anti-entropy-interval', '5s');
    await converging.write('key', scale.deletedKeys, 'x'.repeat(100));
    const diskBytes = async (): Promise<number> => folderBytes(converging.cluster.directory);
    await delay(5_000);
    const before = await diskBytes();
    await converging.delete('key', scale.deletedKeys);
    // Deletions of the last seconds are settled by the round after.
    for (let round = 0; round < 3; round++) await converging.nextRound(LONG_MS);
    await delay(10_000);
    return {
      beforeBytes: before,
      afterBytes: await diskBytes(),
      share: (await diskBytes()) / Math.max(before, 1),
    };
  },

  frozen: async (scale) => {
    await using converging = await ConvergingCluster.start(scale.fill);
    const { client, nodes, ports } = converging.cluster;
    await converging.write(MISSED, STALE_KEYS, 'before');
    nodes[VICTIM].signal('SIGSTOP');
    await converging.write(MISSED, STALE_KEYS, 'after');
    nodes[VICTIM].signal('SIGCONT');
    const startedMs = performance.now();
    let stale = 0;
    await until(LONG_MS, 'no read is stale', async () => {
      const keys = Array.from({ length: STALE_KEYS }, (_, i) => `${MISSED}${i + 1}`);
      const answers = await Promise.all(
        keys.map((key) => client.get(ports[VICTIM], key, { ack: 1, from: 3 })),
      );
      const found = answers.filter(({ body }) => body.toString() !== 'after').length;
      stale += found;
      return found === 0;
    });
    return { goneMs: performance.now() - startedMs, staleReads: stale };
  },
};

/** A refill beside a closed loop that goes on for as long as it copies. */
async function emptiedBeside(scale: Scale, method: 'get' | 'put'): Promise<BenchRow> {
  await using converging = await ConvergingCluster.start(scale.fill);
  const zerosMs = await zeros(converging, scale);
  const load = { port: converging.cluster.ports[0], perSecond: 0, keys: LOAD_KEYS, valueBytes: 0, method };
  const alone = await runLoad({ ...load, seconds: scale.loadSeconds });
  const refill = await converging.refill(LONG_MS);
  const over = new AbortController();
  let isCopying = true;
  const seconds: number[] = [];
  const onSecond = (_second: number, answered: number): void => {
    if (isCopying) seconds.push(answered);
  };
  const beside = runLoad({ ...load, seconds: LONG_MS / 1_000, onSecond, signal: over.signal });
  const copiedMs = await refill.copied;
  const cpuSeconds = refill.cpuSeconds();
  isCopying = false;
  over.abort();
  await beside;
  const wholeMs = await refill.whole();
  // In the first second the load begins.
  const counted = seconds.slice(1);
  const perSecond = counted.reduce((sum, answered) => sum + answered, 0) / Math.max(counted.length, 1);
  return {
    ddMs: zerosMs,
    copiedMs,
    wholeMs,
    copiedOverDd: copiedMs / zerosMs,
    wholeOverDd: wholeMs / zerosMs,
    cpuSeconds,
    alonePerSecond: alone.requestsPerSecond,
    besidePerSecond: perSecond,
    foreground: perSecond / alone.requestsPerSecond,
  };
}

/** How long `dd` takes to write as much as a node holds, in ms. */
async function zeros({ cluster }: ConvergingCluster, { fillMib }: Scale): Promise<number> {
  const file = join(cluster.directory, 'zeros');
  const ms = await ddMs(file, fillMib);
  rmSync(file);
  return ms;
}

async function running(scale: Scale, method: 'get' | 'put'): Promise<BenchRow> {
  const off = await throughput(scale, [...ROUNDS_OFF, ...HINTS_OFF], method);
  const on = await throughput(scale, ['--anti-entropy-interval', '1s'], method);
  return { offPerSecond: off, onPerSecond: on, onOverOff: on / off };
}

/** What all files below a folder take. One that goes meanwhile takes nothing. */
function folderBytes(directory: string): number {
  let bytes = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }))
    bytes += statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}
