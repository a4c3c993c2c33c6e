/** The results as drawings. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawBars } from '../../support/svg-plot.ts';
import type { StoreResults } from './results.ts';
import { ROWS, type RowName } from './rows.ts';
import type { StoreName } from './store.ts';

const WRITES: readonly RowName[] = ['fillseq', 'fillrandom', 'overwrite', 'put', 'fillsync', 'deleterandom'];

export function writePlots(
  directory: string,
  results: StoreResults,
  rows: readonly RowName[],
  stores: readonly StoreName[],
): void {
  mkdirSync(directory, { recursive: true });
  const all = ROWS.map(({ name }) => name).filter((name) => rows.includes(name));
  const write = (name: string, title: string, names: readonly RowName[]): void => {
    if (names.length === 0) return;
    const bars = stores.map((store) => ({
      name: store,
      values: names.map((row) => results.figure(row, store, ({ perSecond }) => perSecond) ?? null),
    }));
    writeFileSync(
      join(directory, `${name}.svg`),
      drawBars({ name, title, categories: names, bars, isLog: true }),
    );
  };
  write(
    'writes',
    'Writes a second',
    all.filter((row) => WRITES.includes(row)),
  );
  write(
    'reads',
    'Reads a second: entries, of reopen openings',
    all.filter((row) => !WRITES.includes(row)),
  );
  const categories = ['most resident, MiB'];
  const bars = stores.map((store) => ({ name: store, values: [results.cost(store, 'peakMib') ?? null] }));
  const memory = { name: 'memory', title: 'Memory of the whole process', categories, bars, isLog: false };
  writeFileSync(join(directory, 'memory.svg'), drawBars(memory));
}
