/** `npm run soak -- --minutes 30 [--seed N]`: exits with 1 when something was wrong or did not stay bounded. */
import { newSeed, positive, script, seedOption } from '../support/script-flags.ts';
import { soak } from './soak-run.ts';

const flags = script(
  'soak',
  'Grows, overwrites and shrinks an engine for long, with snapshots and scans held open: checks every value, and that memory, files, descriptors and disk space stay bounded.',
)
  .option('--minutes <n>', 'how long', positive, 30)
  .addOption(seedOption())
  .parse()
  .opts<{ minutes: number; seed?: number }>();
const { cycles, reads, scans, writes, held } = await soak({
  durationMs: flags.minutes * 60_000,
  seed: flags.seed ?? newSeed(),
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
