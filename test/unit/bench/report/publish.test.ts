import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { buildReport, publishResults } from '../../../../bench/report/publish.ts';
import type { Results } from '../../../../bench/report/results.ts';
import { WorkFolder } from '../../../../bench/report/work-folder.ts';
import { doneRecord, reportResults } from '../../../support/report-results.ts';

const TEMPLATE =
  '# Report\n\n{{table: put}}\n\n{{plot: rates}}\n\nParallel wins {{claim: put.parallel.rate > put.sequential.rate}}.\n\n{{profiles: profile-}}\n\n{{commands: fill, put-turn-1}}\n';

describe('a report', () => {
  let directory: string;
  let out: string;
  let work: WorkFolder;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'quorate-report-test-'));
    out = join(directory, 'out');
    work = new WorkFolder(join(directory, 'work'));
  });

  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function publish(results: Results, template = TEMPLATE): readonly string[] {
    publishResults(results, work, out);
    return buildReport({ template, out, draft: join(directory, 'draft.md') });
  }

  function read(name: string): string {
    return readFileSync(join(out, name), 'utf8');
  }

  test('has its text, its plots, a page that needs nothing else, and its results', () => {
    assert.deepEqual(publish(reportResults()), []);
    assert.match(read('report.md'), /^# Report\n/);
    assert.match(read('report.md'), /!\[Highest rate that holds, requests a second\]\(plots\/rates\.svg\)/);
    assert.match(read('report.md'), /```sh\nnode cli\.ts fill\nnode cli\.ts put-turn-1\n```/);
    assert.match(read('plots/rates.svg'), /^<svg /);
    const page = read('report.html');
    assert.match(page, /<h1>Report<\/h1>/);
    assert.match(page, /<figure><svg /);
    assert.match(page, /<td align="right">11,000 \(10,890 to 11,110\)<\/td>/);
    assert.doesNotMatch(page, /<img|<link|<script|src=/);
    assert.deepEqual(JSON.parse(read('results.json')), reportResults());
  });

  test('is not built when a conclusion disagrees with the figures, and what was there stays', () => {
    publish(reportResults());
    const before = read('report.md');
    const faults = publish(reportResults(), TEMPLATE.replace('>', '<'));
    assert.equal(
      faults[0],
      'the text, line 7: "Parallel wins" claims put.parallel.rate < put.sequential.rate, but measured was 10,000/s against 8,000/s',
    );
    assert.equal(read('report.md'), before);
    assert.match(readFileSync(join(directory, 'draft.md'), 'utf8'), /\| parallel \| 11,000/);
  });

  test('of a small run says that it means nothing, and is held to nothing', () => {
    assert.deepEqual(publish(reportResults('quick'), TEMPLATE.replace('>', '<')), []);
    assert.match(read('report.md'), /^> \*\*These figures mean nothing\.\*\*/);
  });

  test('links the graphs, and packs what only tools read', () => {
    const profile = 'profile-put-parallel';
    const here = new URL('../../../..', import.meta.url).href;
    const files = {
      'cpu.html': '<html>',
      'node-1/main.cpuprofile': `"${here}src/log.ts"${'x'.repeat(200_000)}`,
      'small.json': '{}',
    };
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(join(work.filesOf(profile), name, '..'), { recursive: true });
      writeFileSync(join(work.filesOf(profile), name), content);
    }
    const record = doneRecord(profile, { figures: {}, files: Object.keys(files) });
    const records = reportResults().records.map((known) => (known.step === profile ? record : known));
    const results = { ...reportResults(), records };
    assert.deepEqual(publish(results), []);
    assert.match(
      read('report.md'),
      /^- profile-put-parallel: \[cpu\.html\]\(profiles\/profile-put-parallel\/cpu\.html\), \[all files\]\(profiles\/profile-put-parallel\/\)$/m,
    );
    const packed = readFileSync(join(out, 'profiles', profile, 'node-1/main.cpuprofile.gz'));
    // Where the project lies on this machine is not published.
    const expected = files['node-1/main.cpuprofile'].replace(here, 'file:///quorate/');
    assert.equal(gunzipSync(packed).toString(), expected);
    assert.equal(read(`profiles/${profile}/small.json`), '{}');
    // A later report does not keep profiles that it does not name.
    publish(reportResults());
    assert.ok(!existsSync(join(out, 'profiles')));
  });

  test('is not built into a folder that would be too large to be kept with the sources', () => {
    mkdirSync(out);
    writeFileSync(join(out, 'large.bin'), Buffer.alloc(20 * 2 ** 20));
    assert.match(publish(reportResults()).join(), /out holds 20\.\d MiB, and 20 are the most$/);
  });

  test('needs results', () => {
    assert.throws(() => buildReport({ template: TEMPLATE, out, draft: join(directory, 'draft.md') }), {
      message: /results\.json: a run without --build measures and writes it$/,
    });
  });
});
