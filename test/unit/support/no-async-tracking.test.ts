import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { quietEnvironment } from '../../support/run-cli.ts';

const PRELOAD = fileURLToPath(import.meta.resolve('../../support/no-async-tracking.ts'));

describe('tests whose promises the runner does not follow', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'quorate-tracking-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  function run(source: string): { status: number | null; output: string } {
    const file = join(directory, 'some.test.mjs');
    writeFileSync(
      file,
      `import { createHook, executionAsyncId } from 'node:async_hooks';\nimport { test } from 'node:test';\n${source}`,
    );
    const options = { env: quietEnvironment(), timeout: 60_000, encoding: 'utf8' } as const;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', PRELOAD, '--test', file],
      options,
    );
    return { status, output: stdout + stderr };
  }

  it('fail with an exception or a rejection that nobody handles, though they would wait for ever', () => {
    for (const stray of [
      `setImmediate(() => { throw new Error('a stray one'); })`,
      `Promise.reject(new Error('a stray one'))`,
    ]) {
      const { status, output } = run(
        `test('waits', async () => { ${stray}; await new Promise((r) => setTimeout(r, 1e9)); });`,
      );
      assert.equal(status, 1, output);
      assert.match(output, /nobody has handled: Error: a stray one\n +at /);
    }
  });

  it('pass and fail otherwise as ever, and may have hooks of their own', () => {
    const hook = `let made = 0; createHook({ init: () => { made++; } }).enable();`;
    const passes = run(
      `${hook} test('hook', async () => { await 1; if (made === 0) throw new Error('no hook'); });`,
    );
    assert.equal(passes.status, 0, passes.output);
    const fails = run(`test('fails', async () => { await 1; throw new Error('wrong value'); });`);
    assert.equal(fails.status, 1);
    assert.match(fails.output, /fails.*wrong value/s);
  });

  it('run without a hook: promises get no number of their own', () => {
    const same = `const before = executionAsyncId(); await 1; if (executionAsyncId() !== before) throw new Error('followed');`;
    const { status, output } = run(`test('number', async () => { await 0; ${same} });`);
    assert.equal(status, 0, output);
  });
});
