/** The hand-written text of the report, before anything is measured: a wrong name would be found after 40 minutes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { figuresOfResults } from '../../../../bench/report/figures.ts';
import { fillTemplate } from '../../../../bench/report/template.ts';
import { reportResults } from '../../../support/report-results.ts';

const TEMPLATE = readFileSync(
  fileURLToPath(new URL('../../../../docs/report/report.template.md', import.meta.url)),
  'utf8',
);
const blocks: string[] = [];
const { faults, text } = fillTemplate(TEMPLATE, {
  figures: figuresOfResults(reportResults()),
  isJudged: true,
  block: (kind, name) => {
    blocks.push(`${kind}: ${name}`);
    return '';
  },
});

test('the text of the report names only figures that there are', () => {
  assert.deepEqual(
    faults.filter((fault) => !fault.includes('but measured was')),
    [],
  );
  assert.doesNotMatch(text, /[{}]/);
});

test('it shows what was measured of each replication, and each alternative, with its command', () => {
  for (const name of [
    'machine',
    'rates',
    'put',
    'get',
    'profiles',
    'page-cache',
    'accumulator',
    'peers',
    'fan-out',
    'zones',
  ])
    assert.ok(blocks.includes(`table: ${name}`), name);
  for (const step of ['put-turn-1', 'get-turn-1', 'page-cache', 'accumulator', 'peers', 'fan-out', 'zones'])
    assert.ok(blocks.includes(`commands: ${step}`), step);
});
