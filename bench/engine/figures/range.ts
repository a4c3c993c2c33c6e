/** Compares a scan of a million small entries with a bare server that sends the same bytes in the same chunks. */
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { liveBytes } from '../../../src/cli/fill/keys.ts';
import { BenchCluster } from '../../support/bench-cluster.ts';
import { cpuSeconds } from '../../support/processes.ts';
import { prepareData } from '../data.ts';
import { digits, type Figure, type Finding, median } from '../figure.ts';

const SERVER = fileURLToPath(new URL('../../support/stream-server.ts', import.meta.url));
const KEYS = 1_000_000;
const QUICK_KEYS = 50_000;
const VALUE_BYTES = 100;
const ROUNDS = 25;
const WARM_UPS = 10;
const MIB = 2 ** 20;
const HEADERS_END = '\r\n\r\n';
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

interface Scan {
  readonly bodyBytes: number;
  readonly tookMs: number;
}

/**
 * Reads a chunked answer to its end and counts its bytes, over a bare socket, so that the client costs little.
 * @param onBody called with each piece of the body
 */
async function scan(port: number, onBody?: (bytes: Buffer) => void): Promise<Scan> {
  const startedMs = performance.now();
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write('GET /v0/entities?start=k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  let head = '';
  let bodyBytes = -1;
  let last = Buffer.alloc(0);
  for await (const received of socket as AsyncIterable<Buffer>) {
    let bytes = received;
    if (bodyBytes === -1) {
      head += bytes.toString('latin1');
      const end = head.indexOf(HEADERS_END);
      if (end === -1) continue;
      if (!head.startsWith('HTTP/1.1 200')) throw new Error(`a scan was answered with ${head}`);
      bytes = Buffer.from(head.slice(end + HEADERS_END.length), 'latin1');
      bodyBytes = 0;
    }
    bodyBytes += bytes.length;
    onBody?.(bytes);
    last = Buffer.concat([last, bytes.subarray(-LAST_CHUNK.length)]).subarray(-LAST_CHUNK.length);
    if (last.equals(LAST_CHUNK)) {
      socket.destroy();
      return { bodyBytes, tookMs: performance.now() - startedMs };
    }
  }
  throw new Error('a scan ended before its last chunk');
}

export const range: Figure = {
  name: 'range',
  title: `a scan of ${KEYS} entries with values of ${VALUE_BYTES} bytes against a bare server sending the same chunks`,
  needs: [],
  async run(context): Promise<Finding[]> {
    const { progress, settings } = context;
    await context.stopClusters();
    const directory = join(context.directory, 'scanned');
    const sizeBytes = liveBytes(settings.isQuick ? QUICK_KEYS : KEYS, VALUE_BYTES);
    const plan = { directory, nodes: 1, sizeBytes, valueBytes: VALUE_BYTES, isOverwritten: false };
    const { keys } = await prepareData(plan, progress);
    await using cluster = context.adopt(await BenchCluster.start({ nodes: 1, directory, engine: ['lsm'] }));
    const pieces: Buffer[] = [];
    const first = await scan(cluster.port, (bytes) => pieces.push(Buffer.from(bytes)));
    const file = join(context.directory, 'scan.body');
    writeFileSync(file, Buffer.concat(pieces));

    const bare = fork(SERVER, [file]);
    try {
      const { port } = await new Promise<{ port: number }>((resolve) =>
        bare.once('message', (message) => resolve(message as { port: number })),
      );
      const pids = { bare: bare.pid as number, ours: cluster.nodes[0].pid };
      for (let i = 0; i < WARM_UPS; i++) {
        await scan(port);
        await scan(cluster.port);
      }
      const times = { bare: [] as number[], ours: [] as number[] };
      const cpu = { bare: 0, ours: 0 };
      for (let round = 1; round <= ROUNDS; round++) {
        for (const side of ['bare', 'ours'] as const) {
          const before = cpuSeconds(pids[side]);
          const { bodyBytes, tookMs } = await scan(side === 'bare' ? port : cluster.port);
          if (bodyBytes !== first.bodyBytes)
            throw new Error(`a scan had ${bodyBytes} bytes, not ${first.bodyBytes}`);
          cpu[side] += cpuSeconds(pids[side]) - before;
          times[side].push(tookMs);
        }
        progress(
          `round ${round}: ${digits(times.ours.at(-1)!)} ms against ${digits(times.bare.at(-1)!)} ms bare`,
        );
      }
      const rate = (side: 'bare' | 'ours'): string =>
        `${digits((first.bodyBytes / MIB / median(times[side])) * 1000)} MiB/s with ${digits((cpu[side] / ROUNDS) * 1000)} ms CPU`;
      const delay = (await cluster.statuses())[0].eventLoopDelay;
      return [
        {
          what: 'throughput',
          figure: median(times.ours.map((ms, i) => times.bare[i] / ms)),
          unit: 'x',
          bound: { least: 0.5 },
          detail: `${rate('ours')} against ${rate('bare')}; ${keys} entries, ${digits(first.bodyBytes / MIB)} MiB; loop delay p99.9 ${delay.p999Ms.toFixed(1)} ms`,
        },
      ];
    } finally {
      bare.disconnect();
    }
  },
};
