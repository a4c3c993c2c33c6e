/** The report that is kept with the sources: it is what its text says of its figures, and no other. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildReport, folderBytes } from '../../../../bench/report/publish.ts';

const FOLDER = fileURLToPath(new URL('../../../../docs/report/', import.meta.url));
const MAX_BYTES = 20 * 2 ** 20;

test('docs/report is below its size', () => {
  assert.ok(folderBytes(FOLDER) <= MAX_BYTES);
});

test('docs/report/report.md is built of the figures and the text beside it, and its conclusions hold', () => {
  const hasResults = existsSync(join(FOLDER, 'results.json'));
  assert.equal(existsSync(join(FOLDER, 'report.md')), hasResults, 'results and report come together');
  // Before the first run there is the text alone.
  if (!hasResults) return;
  const out = mkdtempSync(join(tmpdir(), 'quorate-report-test-'));
  try {
    cpSync(join(FOLDER, 'results.json'), join(out, 'results.json'));
    const template = readFileSync(join(FOLDER, 'report.template.md'), 'utf8');
    assert.deepEqual(buildReport({ template, out, draft: join(out, 'draft.md') }), []);
    assert.equal(
      readFileSync(join(out, 'report.md'), 'utf8'),
      readFileSync(join(FOLDER, 'report.md'), 'utf8'),
      'run `npm run report -- --build`',
    );
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});
