/** `npm run report` at its smallest: data, a cluster, a load, and a report of it. */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { quietEnvironment } from '../support/run-cli.ts';
import { until } from '../support/until.ts';

const SCRIPT = fileURLToPath(new URL('../../bench/report/run.ts', import.meta.url));
const STEP = 'put-rate-parallel';
const START_TIMEOUT_MS = 60_000;

describe('npm run report', () => {
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'quorate-report-e2e-'));
  });

  after(() => rmSync(directory, { recursive: true, force: true }));

  function start(...flags: readonly string[]) {
    const folders = ['--work', join(directory, 'work'), '--data', join(directory, 'data')];
    const args = [SCRIPT, '--scale', 'tiny', '--only', `machine,${STEP}`, ...folders, ...flags];
    const child: ChildProcessWithoutNullStreams = spawn(process.execPath, args, { env: quietEnvironment() });
    const said = { output: '', errors: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.errors += text;
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { child, said, ended };
  }

  function workFolder(): string {
    return join(directory, 'work', readdirSync(join(directory, 'work'))[0]);
  }

  test('that is interrupted leaves neither data nor processes, and keeps the steps that were done', async () => {
    const { child, ended, said } = start();
    await until(
      () => said.errors.includes(`${STEP}:`),
      START_TIMEOUT_MS,
      () => said.errors,
    );
    child.kill('SIGINT');
    // All that it has started has its stderr, so this is the end of them, too.
    assert.equal(await ended, 130, said.errors);
    assert.match(said.errors, /^report: interrupted; run it again/m);
    assert.deepEqual(readdirSync(join(directory, 'data')), []);
    assert.ok(existsSync(join(workFolder(), 'fill.json')));
    assert.ok(!existsSync(join(workFolder(), `${STEP}.json`)));
  });

  test('goes on where it was, and writes its report', async () => {
    const { ended, said } = start();
    assert.equal(await ended, 0, said.errors);
    assert.match(said.errors, /^2 of 3 steps were done before$/m);
    assert.match(
      said.errors,
      /^step 3 of 3, 0:00 gone, about \d+:\d\d left: put-rate-parallel: PUT, parallel/m,
    );
    assert.deepEqual(readdirSync(join(directory, 'data')), []);
    const report = readFileSync(join(workFolder(), 'report', 'report.md'), 'utf8');
    assert.match(report, /^> \*\*These figures mean nothing\.\*\* They are those of a tiny run/);
    // On a machine that is busy with other tests no rate may hold, but the flood is answered.
    assert.match(report, /^\| PUT, parallel \| .* \| [\d,]+\/s \| [\d.]+ ms \| [\d.]+ ms \| [\d.]+ % \|$/m);
    assert.match(report, /^node cli\.ts load --url http:\/\/NODE --method put .*--find-rate/m);
    assert.match(readFileSync(join(workFolder(), 'report', 'report.html'), 'utf8'), /<figure><svg /);
  });

  test('is built again of what it has measured, without measuring', async () => {
    const out = join(directory, 'moved');
    renameSync(join(workFolder(), 'report'), out);
    rmSync(join(out, 'report.md'));
    const { ended, said } = start('--build', '--out', out);
    assert.equal(await ended, 0, said.errors);
    assert.equal(said.errors, '');
    assert.equal(said.output, `the report is ${join(out, 'report.md')}\n`);
    assert.ok(existsSync(join(out, 'report.md')));
  });
});
