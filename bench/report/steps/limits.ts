/** What the machine can do at most: a server that does nothing, and a disk that syncs. */
import { fork } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadFile } from '../../../src/cli/load/json-report.ts';
import { loadArguments, milliseconds } from '../load-session.ts';
import { METHODS, type Method, type Scale } from '../scale.ts';
import type { Step, StepContext } from '../step.ts';

const BARE_SERVER = fileURLToPath(new URL('../../cluster/bare-server.ts', import.meta.url));
/** As large as a group of small writes. */
const SYNCED_BYTES = 4_096;

export interface LimitsResult {
  /** Requests a second of a closed loop at a bare node:http server. */
  readonly bare: Readonly<Record<Method, number>>;
  /** Appended and synced one after the other. */
  readonly syncsPerSecond: number;
  readonly syncP50Ms: number;
}

export function limitsStep(scale: Scale): Step {
  return {
    name: 'limits',
    title: 'a bare HTTP server under the same load; what the disk syncs',
    budgetSeconds: 3 * (scale.runSeconds + scale.warmUpSeconds) + 3,
    needs: [],
    run: async (context): Promise<LimitsResult> => ({
      bare: await bareRates(context),
      ...syncs(context.data.parent, context.scale.runSeconds),
    }),
  };
}

async function bareRates({ program, scale }: StepContext): Promise<Record<Method, number>> {
  const server = fork(BARE_SERVER);
  try {
    const { port } = await new Promise<{ port: number }>((resolve, reject) => {
      server.once('message', (message) => resolve(message as { port: number }));
      server.once('error', reject);
      server.once('exit', () => reject(new Error('the bare server ended')));
    });
    program.call(`127.0.0.1:${port}`, 'BARE_SERVER');
    const rates: Record<Method, number> = { put: 0, get: 0 };
    for (const method of METHODS) {
      const file = (await program.runForJson([
        ...loadArguments({ url: `http://127.0.0.1:${port}` }, method, scale.keys, scale.seed),
        '--duration',
        milliseconds(scale.runSeconds),
        '--warmup',
        milliseconds(scale.warmUpSeconds),
      ])) as LoadFile;
      rates[method] = file.requestsPerSecond;
    }
    return rates;
  } finally {
    if (server.connected) server.disconnect();
  }
}

function syncs(directory: string, seconds: number): { syncsPerSecond: number; syncP50Ms: number } {
  const file = join(directory, `quorate-report-sync-${process.pid}`);
  const descriptor = openSync(file, 'w');
  const bytes = Buffer.alloc(SYNCED_BYTES, 1);
  const takenMs: number[] = [];
  try {
    const end = performance.now() + seconds * 1_000;
    for (let now = performance.now(); now < end; ) {
      writeSync(descriptor, bytes);
      fdatasyncSync(descriptor);
      const after = performance.now();
      takenMs.push(after - now);
      now = after;
    }
  } finally {
    closeSync(descriptor);
    rmSync(file);
  }
  const totalMs = takenMs.reduce((sum, ms) => sum + ms, 0);
  takenMs.sort((a, b) => a - b);
  return { syncsPerSecond: (takenMs.length * 1_000) / totalMs, syncP50Ms: takenMs[takenMs.length >> 1] };
}
