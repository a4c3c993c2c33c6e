/** The figures of a run as a file, so that a later run can compare itself with it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import type { Figure } from './statistics.ts';

const FORMAT = 1;

export interface Results {
  readonly format: typeof FORMAT;
  /** Figures of other machines or versions of Node say nothing about the code. */
  readonly node: string;
  readonly processor: string;
  readonly timeMs: number;
  readonly figures: readonly Figure[];
}

export function resultsOf(figures: readonly Figure[], timeMs: number): Results {
  const processor = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`;
  return { format: FORMAT, node: process.version, processor, timeMs, figures };
}

export function writeResults(file: string, results: Results): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

/** @throws Error when the file is missing or is not what `writeResults` wrote */
export function readResults(file: string): Results {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!isResults(parsed)) throw new Error(`${file} holds no figures of this benchmark`);
  return parsed;
}

function isResults(value: unknown): value is Results {
  const { format, figures } = (value ?? {}) as Partial<Results>;
  return format === FORMAT && Array.isArray(figures) && figures.every(isFigure);
}

function isFigure(value: unknown): value is Figure {
  const { name, nsPerOperation, margin } = (value ?? {}) as Partial<Figure>;
  return typeof name === 'string' && Number(nsPerOperation) > 0 && Number(margin) >= 0;
}
