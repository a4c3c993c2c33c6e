/** `npm run soak -- --minutes 30 [--seed N]`: exits with 1 when something was wrong or did not stay bounded. */
import { parseArgs } from 'node:util';
import { soak } from './soak-run.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string' } },
});
const { cycles, reads, scans, writes, held } = await soak({
  durationMs: Number(values.minutes) * 60_000,
  seed: values.seed === undefined ? Math.floor(performance.timeOrigin) : Number(values.seed),
  keys: 8000,
  maxValueBytes: 8000,
  memtableBytes: 4 << 20,
  residentSlackBytes: 48 << 20,
  lineMs: 5000,
  log: console.log,
});
console.log(
  `${cycles} cycles, ${reads} reads, ${scans} scans, ${writes} writes; held: ${held.snapshots} snapshots` +
    ` (${held.expired} given up), ${held.scans} slow scans of ${held.entries} entries. Nothing was lost, nothing grew.`,
);
