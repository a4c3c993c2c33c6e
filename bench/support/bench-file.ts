/**
 * What the benchmarks of alternatives write with `--json`, in one form, so that the report can draw any of them: flat
 * rows, whose texts say what was measured (`{ protocol: 'rpc', method: 'PUT' }`) and whose numbers are the figures, with
 * their unit in the name (`p99Ms`, `cpuMicros`). The figure of a row is found again by its texts, in their order, and
 * its own name: `rpc.put.p99Ms`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const BENCH_FILE_VERSION = 1;

/** null: it was not measured. */
export type BenchRow = Readonly<Record<string, string | number | null>>;

export interface BenchFile {
  readonly version: number;
  readonly rows: readonly BenchRow[];
}

export function writeBenchFile(file: string, rows: readonly BenchRow[]): void {
  mkdirSync(dirname(file), { recursive: true });
  const content: BenchFile = { version: BENCH_FILE_VERSION, rows };
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}

/** @throws Error with a sentence when it is not what `writeBenchFile` wrote */
export function benchRowsOf(content: unknown, name: string): readonly BenchRow[] {
  const { rows, version } = (content ?? {}) as Partial<BenchFile>;
  if (version !== BENCH_FILE_VERSION || !Array.isArray(rows))
    throw new Error(`${name} wrote no rows of version ${BENCH_FILE_VERSION}`);
  return rows as BenchRow[];
}
