/** What is wrong with a report that was made only to see whether everything works. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readResults } from '../../bench/report/results.ts';
import type { ScaleName } from '../../bench/report/scale.ts';

export interface ReportRun {
  /** Of the command; null: it was ended. */
  readonly exitCode: number | null;
  readonly seconds: number;
  /** The report's folder. */
  readonly out: string;
  /** Where its data lay. */
  readonly data: string;
}

export interface ExpectedReport {
  readonly scale: ScaleName;
  readonly steps: readonly string[];
  /** It must take less. */
  readonly limitSeconds: number;
}

const FILES = ['results.json', 'report.md', 'report.html'] as const;

/** @returns a sentence for each fault */
export function faultsOfReport(run: ReportRun, expected: ExpectedReport): string[] {
  const { data, exitCode, out, seconds } = run;
  const { limitSeconds } = expected;
  const faults: string[] = [];
  if (exitCode === null) faults.push('it did not end by itself');
  else if (exitCode !== 0) faults.push(`it ended with ${exitCode}`);
  if (seconds >= limitSeconds)
    faults.push(`it took ${seconds.toFixed(0)} s, and is to take less than ${limitSeconds}`);
  const remains = existsSync(data) ? readdirSync(data) : [];
  if (remains.length > 0) faults.push(`it has left data: ${remains.join(', ')}`);
  const missing = FILES.filter((name) => !existsSync(join(out, name)));
  if (missing.length > 0) return [...faults, `it has not written ${missing.join(', ')}`];
  return [
    ...faults,
    ...faultsOfResults(out, expected),
    ...faultsOfText(readFileSync(join(out, 'report.md'), 'utf8'), out),
  ];
}

function faultsOfResults(out: string, { scale, steps }: ExpectedReport): string[] {
  const results = readResults(join(out, 'results.json'));
  const faults: string[] = [];
  if (results.scale.name !== scale) faults.push(`its scale is ${results.scale.name}, and not ${scale}`);
  for (const name of steps) {
    const record = results.records.find(({ step }) => step === name);
    if (record === undefined) faults.push(`${name} was not done`);
    else if (record.state === 'failed') faults.push(`${name} failed: ${record.error}`);
  }
  return faults;
}

function faultsOfText(text: string, out: string): string[] {
  const faults: string[] = [];
  if (!text.startsWith('> **These figures mean nothing.**'))
    faults.push('report.md does not say that its figures mean nothing');
  for (const [, path] of text.matchAll(/\]\(((?:plots|profiles)\/[^)]+)\)/g))
    if (!existsSync(join(out, path))) faults.push(`report.md names ${path}, which is not there`);
  return faults;
}
