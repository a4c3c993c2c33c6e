/**
 * `npm run bench:load`: how fast the generator of `load` is, beside wrk against the same bare server. The method is in
 * bench/README.md.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { count, positive, script } from '../../test/support/script-flags.ts';
import { describeFinding, digits, isReached, median } from '../engine/figure.ts';
import { runLoad } from '../support/load.ts';
import { checkNeeds } from '../support/needs.ts';
import { wrk } from '../support/wrk.ts';

const BARE_SERVER = fileURLToPath(new URL('../cluster/bare-server.ts', import.meta.url));
const CLOSED_LOOP = { perSecond: 0, keys: 100_000, valueBytes: 0 } as const;
const LEAST_SHARE = 0.7;

interface Flags {
  readonly rounds: number;
  readonly seconds: number;
}

const { rounds, seconds } = script(
  'bench:load',
  'The rate of a closed loop of `load`, against that of wrk, in turns, at a bare node:http server. Needs wrk.',
)
  .option('--rounds <n>', 'pairs of runs', count, 5)
  .option('--seconds <n>', 'of each run', positive, 4)
  .parse()
  .opts<Flags>();

await checkNeeds(new Set(['wrk']));
const server = fork(BARE_SERVER);
try {
  const { port } = await new Promise<{ port: number }>((resolve) =>
    server.once('message', (message) => resolve(message as { port: number })),
  );
  for (const method of ['get', 'put'] as const) {
    const theirs: number[] = [];
    const ours: number[] = [];
    const busy: number[] = [];
    for (let round = 0; round < rounds; round++) {
      theirs.push((await wrk(port, { method: method === 'get' ? 'GET' : 'PUT', seconds })).requestsPerSecond);
      const { busyShare, requestsPerSecond, tally } = await runLoad({
        port,
        method,
        ...CLOSED_LOOP,
        seconds,
      });
      if (tally.errors > 0) throw new Error(`${tally.errors} requests failed`);
      ours.push(requestsPerSecond);
      busy.push(busyShare);
    }
    const finding = {
      what: `${method.toUpperCase()}, requests a second of load over those of wrk`,
      figure: median(ours.map((rate, round) => rate / theirs[round])),
      unit: 'x',
      bound: { least: LEAST_SHARE },
      detail: `${digits(median(ours))} and ${digits(median(theirs))}; its thread was busy ${digits(median(busy) * 100)} % of the time`,
    };
    console.log(describeFinding(finding));
    if (isReached(finding) === false) process.exitCode = 1;
  }
} finally {
  server.kill();
}
