/** The page of `load --html`, as a browser shows it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { htmlReport } from '../../src/cli/load/html-report.ts';
import { loadFileOf } from '../../src/cli/load/json-report.ts';
import { LoadOperation } from '../../src/cli/load/operation-mix.ts';
import type { LoadPlan } from '../../src/cli/load/plan.ts';
import { LoadRecorder, type LoadResult } from '../../src/cli/load/result.ts';
import { Tally } from '../../src/cli/load/tally.ts';
import { openPage } from '../support/browser.ts';
import { loadPlan } from '../support/load-plan.ts';

const PLAN = loadPlan({
  ratePerSecond: 1_000,
  durationMs: 3_000,
});

/** Three seconds of 1,000 answers after 1 to 1,000 ms, times a factor. */
function resultOf(factor: number, plan: LoadPlan = PLAN): LoadResult {
  const recorder = new LoadRecorder(plan);
  for (let second = 0; second < 3; second++) {
    const tally = new Tally();
    for (let ms = 1; ms <= 1_000; ms++) tally.answered(LoadOperation.get, 200, ms * factor);
    recorder.add({ second, phase: 'measured', tally: tally.data(), lagMs: 0 });
  }
  return recorder.result(0.5, false);
}

interface Read {
  readonly text: string;
  readonly scripts: number;
  readonly drawn: readonly number[];
  readonly xs: readonly number[];
  readonly latencies: readonly (readonly (number | null)[])[];
  readonly seconds: readonly (readonly (number | null)[])[];
  readonly labels: readonly string[];
  readonly positions: readonly number[];
}

/** What the page shows: its text, the charts' values, and whether anything was painted. */
const READ = `(() => {
  const [spectrum, latency] = window.loadCharts;
  const painted = (canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
    .reduce((count, byte, i) => count + (i % 4 === 3 && byte > 0 ? 1 : 0), 0);
  return {
    text: document.body.innerText,
    scripts: document.querySelectorAll('script[src], link[href], img').length,
    drawn: [...document.querySelectorAll('canvas')].map(painted),
    xs: spectrum.data[0],
    latencies: spectrum.data.slice(1),
    seconds: latency.data,
    labels: [...document.querySelectorAll('.u-label')].map((label) => label.textContent),
    positions: [1, 10, 100, 1000].map((x) => spectrum.valToPos(x, 'x')),
  };
})()`;

async function read(html: string): Promise<Read> {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-page-'));
  try {
    const file = join(directory, 'load.html');
    writeFileSync(file, html);
    await using page = await openPage(pathToFileURL(file).href);
    return (await page.evaluate(READ)) as Read;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function valueAt({ latencies, xs }: Read, run: number, x: number): number {
  return latencies[run][xs.indexOf(x)] ?? Number.NaN;
}

test('a page shows the run and an earlier one over it, with the values that were measured', async () => {
  const page = await read(await htmlReport([loadFileOf(resultOf(1)), loadFileOf(resultOf(2))]));
  assert.equal(page.scripts, 0, 'it needs no other file');
  assert.equal(page.drawn.length, 3);
  for (const pixels of page.drawn) assert.ok(pixels > 2_000, `${pixels} pixels painted`);
  // 50 % is at 2, 75 % at 4, 87.5 % at 8.
  for (const [x, percent] of [
    [2, 50],
    [4, 75],
    [8, 87.5],
  ]) {
    for (const factor of [1, 2]) {
      const expectedMs = percent * 10 * factor;
      assert.ok(
        Math.abs(valueAt(page, factor - 1, x) - expectedMs) <= 2 * factor,
        `${percent} %, run ${factor}`,
      );
    }
  }
  assert.ok(Math.abs(valueAt(page, 1, 3_000) - 2_000) < 2, 'the largest stands where one of 3,000 is left');
  // Each 9 more takes as much room as the one before.
  const [one, ten, hundred, thousand] = page.positions;
  assert.ok(Math.abs(hundred - ten - (ten - one)) < 1 && Math.abs(thousand - hundred - (ten - one)) < 1);
  assert.deepEqual(page.seconds[0], [0, 1, 2]);
  assert.ok(page.seconds[1].every((p99) => p99 !== null && Math.abs(p99 - 990) < 2));
  for (const name of ['this run', 'run 2'])
    assert.ok(
      page.labels.some((label) => label.startsWith(name)),
      name,
    );
  assert.match(page.text, /1000\.0 requests a second, 0 errors/);
  assert.match(page.text, /get\s+3000\s+500\.\d\dms/);
});

test('a run that is not valid says so, and nothing in a name is taken for markup', async () => {
  const plan = { ...PLAN, targets: [{ host: '</script><script>document.title="x"</script>', port: 1 }] };
  const result = { ...resultOf(1, plan), faults: ['the load itself was late <b>'] };
  const page = await read(await htmlReport([loadFileOf(result)]));
  assert.match(page.text, /Not valid: the load itself was late <b>\./);
  assert.match(page.text, /<\/script><script>/);
  assert.equal(page.drawn.length, 3);
});
