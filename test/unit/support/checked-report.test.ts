import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { buildReport, publishResults } from '../../../bench/report/publish.ts';
import type { Results } from '../../../bench/report/results.ts';
import { WorkFolder } from '../../../bench/report/work-folder.ts';
import { faultsOfReport, type ReportRun } from '../../support/checked-report.ts';
import { reportResults } from '../../support/report-results.ts';

const TEMPLATE = '# Report\n\n{{table: put}}\n\n{{plot: rates}}\n';
const RESULTS = reportResults('quick');
const STEPS = RESULTS.records.map(({ step }) => step);

describe('the check of a report', () => {
  let directory: string;
  let run: ReportRun;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'quorate-checked-report-'));
    run = { exitCode: 0, seconds: 59.9, out: join(directory, 'out'), data: join(directory, 'data') };
  });

  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function write(results: Results): void {
    publishResults(results, new WorkFolder(join(directory, 'work')), run.out);
    const faults = buildReport({ template: TEMPLATE, out: run.out, draft: join(directory, 'draft.md') });
    assert.deepEqual(faults, []);
  }

  function faults(changes: Partial<ReportRun> = {}): string[] {
    return faultsOfReport({ ...run, ...changes }, { scale: 'quick', steps: STEPS, limitSeconds: 60 });
  }

  test('finds nothing wrong with one that is whole, and in time', () => {
    write(RESULTS);
    mkdirSync(run.data);
    assert.deepEqual(faults(), []);
  });

  test('wants it to end by itself, well, in time, and without its data', () => {
    write(RESULTS);
    mkdirSync(join(run.data, 'data-1'), { recursive: true });
    assert.deepEqual(faults({ exitCode: 1, seconds: 60 }), [
      'it ended with 1',
      'it took 60 s, and is to take less than 60',
      'it has left data: data-1',
    ]);
    assert.equal(faults({ exitCode: null })[0], 'it did not end by itself');
  });

  test('wants each step to be done, and the scale that was asked for', () => {
    const [first, second, ...others] = RESULTS.records;
    const failed = { ...second, state: 'failed' as const, error: 'no disk' };
    write({ ...RESULTS, records: [failed, ...others] });
    assert.deepEqual(faults(), [`${first.step} was not done`, `${second.step} failed: no disk`]);
    write(reportResults('tiny'));
    assert.deepEqual(faults(), ['its scale is tiny, and not quick']);
  });

  test('wants every file, also those that the text names, and the word that the figures mean nothing', () => {
    assert.deepEqual(faults(), ['it has not written results.json, report.md, report.html']);
    write(RESULTS);
    rmSync(join(run.out, 'plots'), { recursive: true });
    writeFileSync(join(run.out, 'report.md'), '![Rates](plots/rates.svg) [cpu](profiles/a/cpu.html)');
    assert.deepEqual(faults(), [
      'report.md does not say that its figures mean nothing',
      'report.md names plots/rates.svg, which is not there',
      'report.md names profiles/a/cpu.html, which is not there',
    ]);
  });
});
