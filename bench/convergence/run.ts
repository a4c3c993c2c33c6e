/** `npm run bench:convergence`: how soon and at what price nodes hold the same again. The method is in bench/README.md. */
import { InvalidArgumentError } from 'commander';
import { count, script } from '../../test/support/script-flags.ts';
import { digits } from '../engine/figure.ts';
import { type BenchRow, writeBenchFile } from '../support/bench-file.ts';
import { checkNeeds } from '../support/needs.ts';
import { FULL_SCALE, QUICK_SCALE, ROWS } from './rows.ts';

const NAMES = Object.keys(ROWS);

function rowNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no ${unknown}: ${NAMES.join(', ')}.`);
  return names;
}

const flags = script(
  'bench:convergence',
  'How soon, and at what price, the nodes of a cluster hold the same again: three nodes with 1 GiB each.',
)
  .option('--quick', 'a 64th of the data and fewer writes: tries the harness', false)
  .option('--only <names>', `some of the rows, with commas between: ${NAMES.join(', ')}`, rowNames)
  .option('--rounds <n>', 'how often each row is measured', count, 1)
  .option('--json <file>', 'writes the figures there as well')
  .parse()
  .opts<{ quick: boolean; only?: readonly string[]; rounds: number; json?: string }>();
await checkNeeds(new Set(['dd']));
const scale = flags.quick ? QUICK_SCALE : FULL_SCALE;
const rows: BenchRow[] = [];
for (const name of flags.only ?? NAMES) {
  for (let round = 0; round < flags.rounds; round++) {
    try {
      const row = { row: name, ...(await ROWS[name](scale)) };
      rows.push(row);
      console.log(describe(row));
    } catch (error) {
      console.log(`${name}: NOT MEASURED: ${error instanceof Error ? error.message : error}`);
      process.exitCode = 1;
    }
  }
}
if (flags.json !== undefined) writeBenchFile(flags.json, rows);

function describe({ row, ...figures }: BenchRow): string {
  const parts = Object.entries(figures).map(
    ([name, value]) => `${name} ${typeof value === 'number' ? digits(value) : value}`,
  );
  return `${row}: ${parts.join(', ')}`;
}
